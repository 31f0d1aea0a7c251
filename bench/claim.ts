/**
 * What it takes to get a clone on a real cluster: from the warm pool (one conditional write in the store, one patch of the
 * Job's deadline, one signed call to the clone's agent), cold, and twenty at the same moment. Uses the cluster of
 * `npm run test:real -- kubernetes`, bringing it up when it is not (and down again then); store and worker are this process.
 * `--claims N`: how many warm claims are measured (100).
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FileKeySecretBox } from '../adapters/embedded/file-key-secret-box.ts';
import { SqliteCloneStore } from '../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteDatabase } from '../adapters/embedded/sqlite/sqlite-database.ts';
import { systemClock, systemRandom } from '../adapters/embedded/system.ts';
import { createGuardedFetch } from '../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient } from '../adapters/wordpress/migrator-client.ts';
import { newKey, removeSlot, slotAgent, startSlot } from '../core/clones/slots.ts';
import { maintainWarmPool } from '../core/clones/warm-pool.ts';
import { down } from '../test/real/cluster/down.ts';
import { clusterLayout } from '../test/real/cluster/layout.ts';
import { isRunning } from '../test/real/cluster/processes.ts';
import { inside } from '../test/real/cluster/shell.ts';
import { prepare } from '../test/real/kubernetes/run.ts';
import { memoryOfPods, workerHost } from '../test/real/kubernetes/support/cluster.ts';
import { testEnvironment } from '../test/real/kubernetes/support/environment.ts';
import { percentile, round } from './support/api-harness.ts';

const CLAIMS = 100;
/** Slots that are warm at a time while claims are measured. */
const BATCH = 10;
const COLD_STARTS = 5;
const AT_ONCE = 20;
/** Twenty have to fit on a node of two cores. The limit is the usual one. */
const CPU = { request: 20, limit: 1000 };
const DEADLINE_MS = 30 * 60_000;

export async function run(options: { args: readonly string[] }): Promise<Record<string, number>> {
	return process.env.WP_CLONE_TEST ? measure(claimsOf(options.args)) : insideTheCluster(options.args);
}

function claimsOf(args: readonly string[]): number {
	const at = args.indexOf('--claims');
	return at < 0 ? CLAIMS : Math.max(1, Number.parseInt(args[at + 1] ?? '', 10) || CLAIMS);
}

/** The same once more, as a process in the cluster's network. */
async function insideTheCluster(args: readonly string[]): Promise<Record<string, number>> {
	const layout = clusterLayout(process.env);
	const ours = !isRunning('kube-apiserver');
	try {
		const file = await prepare(layout, (line) => console.error(line));
		const others = args.filter((arg) => arg !== '--json');
		const [program, inner] = inside(process.execPath, [join(import.meta.dirname, 'run.ts'), 'claim', '--json', ...others]);
		const child = spawnSync(program, inner, {
			stdio: ['ignore', 'pipe', 'inherit'],
			encoding: 'utf8',
			env: { ...process.env, WP_CLONE_TEST: file },
		});
		if (child.status !== 0) throw new Error(`The measurement ended with ${child.status ?? child.signal}.`);
		const lines = child.stdout.trimEnd().split('\n');
		console.log(lines.slice(0, -1).join('\n'));
		return JSON.parse(lines.at(-1) ?? '') as Record<string, number>;
	} finally {
		if (ours) await down(layout, false);
	}
}

async function measure(claims: number): Promise<Record<string, number>> {
	const folder = mkdtempSync(join(tmpdir(), 'bench-claim-'));
	const { host, calls, config } = workerHost({ cpuMilli: CPU });
	const db = new SqliteDatabase(join(folder, 'service.sqlite'));
	const http = createGuardedFetch({ allowPrivate: true, maxRedirects: 0 });
	const agents = createMigratorClient({ http, clock: systemClock, random: systemRandom });
	const clones = new SqliteCloneStore(db);
	const secrets = new FileKeySecretBox(join(folder, 'secret.key'));
	const deps = { clones, host, secrets, clock: systemClock, random: systemRandom };
	const { phpVersion, sourceAddresses } = testEnvironment();
	const source = `http://${sourceAddresses[2]}`;

	/** The signed call that makes a slot a certain clone. Nothing answers at the source, so the import itself takes no time here. */
	const personalise = async (slotId: string, url: string, jobId: string): Promise<void> => {
		const agent = await slotAgent(deps, slotId, url);
		await agents.call(agent, 'import_start', {
			source: { agent_url: `${source}/wp-admin/admin-ajax.php`, key_id: jobId, agent_key: newKey(systemRandom), url: source },
			target: { url },
			job_id: jobId,
			admin: { username: 'clone-admin', password: systemRandom.hex(24), email: 'clone-admin@clone.invalid' },
			access: 'login',
			allow_hosts: [],
			limits: { max_bytes: 1024 ** 3 },
		});
	};
	/** So that the imports of some claims do not take processor time from the next. */
	const cancel = async (slotId: string, url: string): Promise<void> => {
		await agents.call(await slotAgent(deps, slotId, url), 'import_cancel', {});
	};
	const claim = async (): Promise<{ ms: number; slotId: string; url: string }> => {
		const jobId = `clone-${systemRandom.hex(12)}`;
		const began = performance.now();
		const slot = await clones.claimWarm(jobId);
		if (slot?.endpoint == null) throw new Error('The pool is empty.');
		if (!(await host.extend(slot.slot_id, Date.now() + DEADLINE_MS))) throw new Error(`${slot.slot_id} was gone.`);
		await personalise(slot.slot_id, slot.endpoint.url, jobId);
		return { ms: performance.now() - began, slotId: slot.slot_id, url: slot.endpoint.url };
	};
	const fill = async (size: number): Promise<number> => {
		const began = performance.now();
		for (;;) {
			const { warm } = await maintainWarmPool(deps, { size, php: phpVersion, deadlineSeconds: 3600, bootSeconds: 300 });
			if (warm === size) return (performance.now() - began) / 1000;
			await pause(100);
		}
	};
	const removeAll = (ids: readonly string[]): Promise<unknown> => Promise.all(ids.map((id) => removeSlot(deps, id)));

	try {
		const warm: number[] = [];
		let apiCalls = 0;
		while (warm.length < claims) {
			const size = Math.min(BATCH, claims - warm.length);
			await fill(size);
			calls.length = 0;
			const taken: string[] = [];
			for (let turn = 0; turn < size; turn++) {
				const { ms, slotId, url } = await claim();
				await cancel(slotId, url);
				warm.push(ms);
				taken.push(slotId);
			}
			apiCalls += calls.length;
			await removeAll(taken);
		}

		const cold: number[] = [];
		for (let turn = 0; turn < COLD_STARTS; turn++) {
			const jobId = `clone-${systemRandom.hex(12)}`;
			const began = performance.now();
			const spec = {
				slot_id: jobId,
				state: 'claimed',
				job_id: jobId,
				deadline: Date.now() + DEADLINE_MS,
				php_version: phpVersion,
			} as const;
			await startSlot(deps, { ...spec, database: 'sqlite' });
			let status = await host.status(jobId);
			for (; status.state === 'starting'; status = await host.status(jobId)) await pause(100);
			if (status.state !== 'ready') throw new Error(`${jobId} is ${JSON.stringify(status)}.`);
			await personalise(jobId, status.endpoint.url, jobId);
			cold.push((performance.now() - began) / 1000);
			await removeSlot(deps, jobId);
		}

		const atOnce = await fill(AT_ONCE);
		// Idle, not just started.
		await pause(15_000);
		const memory = await memoryOfPods();
		const began = performance.now();
		const taken = await Promise.all(Array.from({ length: AT_ONCE }, claim));
		const atOnceWarm = performance.now() - began;
		await removeAll(taken.map((one) => one.slotId));

		const figures = {
			warm_ms_p50: round(percentile(warm, 0.5), 0),
			warm_ms_p99: round(percentile(warm, 0.99), 0),
			api_calls_per_claim: round(apiCalls / warm.length, 2),
			cold_s: round(percentile(cold, 0.5), 1),
			twenty_at_once_s: round(atOnce, 1),
			twenty_warm_at_once_ms: round(atOnceWarm, 0),
			mib_per_clone: round(percentile(memory, 0.5) / 1024 ** 2, 0),
		};
		console.table([
			{ what: `warm claim, half of ${warm.length} within`, measured: `${figures.warm_ms_p50} ms`, goal: '150 ms' },
			{ what: 'warm claim, 99 of 100 within', measured: `${figures.warm_ms_p99} ms`, goal: '' },
			{ what: 'calls to the Kubernetes API a claim', measured: figures.api_calls_per_claim, goal: '4' },
			{ what: `cold, half of ${COLD_STARTS} within`, measured: `${figures.cold_s} s`, goal: '' },
			{ what: `${AT_ONCE} cold at once, until the last is ready`, measured: `${figures.twenty_at_once_s} s`, goal: '' },
			{ what: `${AT_ONCE} warm claims at once, until the last`, measured: `${figures.twenty_warm_at_once_ms} ms`, goal: '' },
			{ what: `memory of an idle clone, half of ${memory.length} within`, measured: `${figures.mib_per_clone} MiB`, goal: '' },
		]);
		return figures;
	} finally {
		await removeAll((await clones.slots()).map((slot) => slot.slot_id));
		await Promise.all([http.close(), config.close()]);
		db.close();
		rmSync(folder, { recursive: true });
	}
}
