/** The service killed again and again, and the cluster's API taken away, in the middle of clones. `SEED` repeats a run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient, type JobView } from '../../../bin/demo/api-client.ts';
import { LABEL_SLOT } from '../../../k8s/labels.ts';
import { AGENT_TRACES } from '../../support/service/leftovers.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { clusterLayout } from '../cluster/layout.ts';
import { stop } from '../cluster/processes.ts';
import { up } from '../cluster/up.ts';
import { admin, leftovers } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { type RunningService, runService, slotOfClone, until } from './support/service.ts';
import { type ReachableSite, reachableSite } from './support/source.ts';

const KILLS = 20;
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** Park–Miller: the same moments for the same seed. */
let state = SEED + 1;
const random = (): number => {
	state = (state * 48_271) % 2_147_483_647;
	return state / 2_147_483_647;
};

let source: ReachableSite;
let dataDir: string;
let service: RunningService;

const request = (customer: string): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	customer_id: customer,
});

/** The slots that have a Job which is not being ended. */
async function slotsOnCluster(): Promise<string[]> {
	const jobs = await admin().batch.listNamespacedJob({ namespace: testEnvironment().namespace, labelSelector: LABEL_SLOT });
	return jobs.items.filter((job) => job.metadata?.deletionTimestamp === undefined).map((job) => job.metadata?.name ?? '');
}

beforeAll(async () => {
	source = await reachableSite(testEnvironment().sourceAddresses[0] ?? '');
});
beforeEach(() => {
	dataDir = mkdtempSync(join(tmpdir(), 'clone-k8s-'));
});
afterEach(async () => {
	await service.process.kill();
	rmSync(dataDir, { recursive: true, force: true });
});
afterAll(() => source.stop());

describe(`kill -9 of the service, ${KILLS} times`, () => {
	const start = async (warm: number): Promise<void> => {
		service = await runService(dataDir, { warm: String(warm), 'requests-per-minute': '0' });
	};
	/** Accepts a clone, or finds it accepted: the same key is the same job. @returns the job's id */
	const accept = async (name: string): Promise<string> => {
		const response = await fetch(`${service.process.url}/api/v2/clone`, {
			method: 'POST',
			headers: { authorization: `Bearer ${service.process.token}`, 'content-type': 'application/json', 'idempotency-key': name },
			body: JSON.stringify(request(name)),
		});
		const answer = (await response.json()) as { job_id: string };
		expect(response.status).toBe(202);
		return answer.job_id;
	};
	const jobView = (jobId: string): Promise<JobView> => service.api.call<JobView>('GET', `/api/v2/jobs/${jobId}`);
	const hasEnded = (job: JobView): boolean => ['completed', 'failed', 'cancelled'].includes(job.status);

	it(
		'leaves no job unfinished, no clone twice and nothing that nobody owns',
		async () => {
			console.log(`seed ${SEED}`);
			await start(1);
			const accepted = new Map<string, string>();
			let open: string[] = [];
			const live: string[] = [];
			for (let kill = 0; kill < KILLS; kill++) {
				if (open.length === 0) {
					const name = `kill-${accepted.size}`;
					accepted.set(name, await accept(name));
					open.push(name);
				}
				// A step that kills its worker five times is given up: every one has to fit in between.
				await pause(500 + random() * 6000);
				await service.process.kill();
				await start(1);
				for (const name of open) expect(await accept(name)).toBe(accepted.get(name));
				const views = await Promise.all(open.map(async (name) => ({ name, job: await jobView(accepted.get(name) ?? '') })));
				live.push(...views.filter(({ job }) => job.status === 'completed').map(({ name }) => name));
				open = views.filter(({ job }) => !hasEnded(job)).map(({ name }) => name);
				// A deletion is killed as well.
				const done = live.length > 1 ? live.shift() : undefined;
				if (done !== undefined) await service.api.call('DELETE', `/api/v2/delete/${done}`);
			}
			for (const name of open) await service.api.follow(accepted.get(name) ?? '', () => undefined);
			const outcomes: Partial<Record<string, number>> = {};
			const ends = await Promise.all([...accepted.values()].map(jobView));
			for (const { status, error } of ends)
				outcomes[`${status} ${error?.code ?? ''}`] = (outcomes[`${status} ${error?.code ?? ''}`] ?? 0) + 1;
			console.log(JSON.stringify({ seed: SEED, outcomes }));
			expect(ends.every(hasEnded)).toBe(true);
			expect(outcomes['completed '] ?? 0).toBeGreaterThan(ends.length / 2);

			// Each live clone has one slot of its own, and beside them there is the one that is warm.
			const clones = async (): Promise<string[]> =>
				(await service.api.call<{ clones: readonly { clone_id: string }[] }>('GET', '/api/v2/clones?limit=100')).clones.map(
					(one) => one.clone_id,
				);
			await until(async () => (await slotsOnCluster()).length === (await clones()).length + 1);
			const slots = (await clones()).map((clone) => slotOfClone(dataDir, clone));
			expect(new Set(slots).size).toBe(slots.length);
			expect(await slotsOnCluster()).toEqual(expect.arrayContaining(slots));

			for (const clone of await clones()) await service.run('DELETE', `/api/v2/delete/${clone}`);
			await service.process.kill();
			await start(0);
			await until(async () => (await leftovers()).length === 0);
			expect(await source.site.evalPhp(AGENT_TRACES)).toBe('');
		},
		6 * 60_000,
	);
});

// Somebody else's cluster is not ours to stop.
describe.runIf(testEnvironment().ownCluster)('the control plane away for a minute', () => {
	it('in the middle of clones delays them, and no more', { timeout: 5 * 60_000 }, async () => {
		service = await runService(dataDir, { 'requests-per-minute': '0' });
		const api = new ApiClient(service.process.url, service.process.token);
		const post = async (name: string): Promise<string> =>
			(await api.call<{ job_id: string }>('POST', '/api/v2/clone', request(name))).job_id;
		const view = (jobId: string): Promise<JobView> => api.call<JobView>('GET', `/api/v2/jobs/${jobId}`);
		// One is copying when the server goes, one has not begun.
		const copying = await post('copying');
		await until(async () => (await view(copying)).status_message.startsWith('Copying'));
		const waiting = await post('waiting');
		const controlPlane = ['kube-scheduler', 'kube-controller-manager', 'kube-apiserver'];
		for (const name of controlPlane) await stop(name);
		const gone = Date.now();
		await until(async () => (await view(waiting)).status_message.includes('trying again'));
		await pause(gone + 60_000 - Date.now());
		for (const jobId of [copying, waiting]) expect((await view(jobId)).status).toBe('running');
		await up(clusterLayout(process.env), () => undefined);
		for (const jobId of [copying, waiting]) {
			const job = await api.follow(jobId, () => undefined);
			expect(job.error).toBeNull();
			expect(job.status).toBe('completed');
			expect(job.result?.proof.differences).toEqual([]);
		}
		for (const name of ['copying', 'waiting']) await service.run('DELETE', `/api/v2/delete/${name}`);
		expect(await leftovers()).toEqual([]);
	});
});
