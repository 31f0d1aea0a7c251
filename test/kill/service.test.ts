/**
 * kill -9 of the service at random moments of clones and of deletions. After each restart every accepted job ends, and in
 * the end nothing is left that no live clone owns. `KILLS` says how many of each (25), `SEED` repeats a run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiClient, type JobView } from '../../bin/demo/api-client.ts';
import { type ServiceProcess, startService } from '../../bin/demo/service-process.ts';
import { AGENT_TRACES, answers, processesNaming, slotFolders } from '../support/service/leftovers.ts';
import { bootSite, SOURCE_ADMIN, type SourceSite } from '../support/sites/boot-site.ts';

const KILLS = Number(process.env.KILLS ?? 25);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ARGS = ['--port', '0', '--allow-private-sites', '--warm', '0', '--sweep-seconds', '2', '--requests-per-minute', '0'];

let site: SourceSite;
let dataDir: string;
let service: ServiceProcess;
let api: ApiClient;
const log: string[] = [];

/** Park–Miller: the same moments for the same seed. */
let state = SEED + 1;
const random = (): number => {
	state = (state * 48_271) % 2_147_483_647;
	return state / 2_147_483_647;
};
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function start(): Promise<void> {
	service = await startService(dataDir, ARGS, (line) => log.push(line));
	api = new ApiClient(service.url, service.token);
}

/** Follows a job through to its end, and fails with the service's log when it takes longer than its steps could. */
async function end(jobId: string): Promise<JobView> {
	const late = pause(240_000).then(() => {
		throw new Error(`${jobId} has not ended (seed ${SEED}).\n${log.slice(-40).join('\n')}`);
	});
	return Promise.race([api.follow(jobId, () => undefined), late]);
}

beforeAll(async () => {
	console.log(`seed ${SEED}`);
	site = await bootSite();
	dataDir = mkdtempSync(join(tmpdir(), 'kill-'));
	await start();
});
afterAll(async () => {
	await service.kill();
	await site.stop();
	rmSync(dataDir, { recursive: true, force: true });
});

it(`survives ${KILLS} kills in the middle of a clone and ${KILLS} in the middle of a deletion`, async () => {
	// How long each takes undisturbed, to spread the moments over it.
	let cloneMs = 15_000;
	let deleteMs = 2_000;
	const outcomes: Partial<Record<string, number>> = {};
	// The first turn is not killed: it says how long each takes.
	for (let turn = 0; turn <= KILLS; turn++) {
		const began = Date.now();
		const clone = await api.call<{ job_id: string }>('POST', '/api/v2/clone', {
			source_url: site.url,
			source_username: SOURCE_ADMIN.username,
			source_password: SOURCE_ADMIN.password,
			customer_id: `kill-${turn}`,
		});
		if (turn > 0) {
			await pause(random() * cloneMs);
			await service.kill();
			await start();
		}
		const cloned = await end(clone.job_id);
		if (turn === 0) cloneMs = Date.now() - began;
		outcomes[`clone ${cloned.status} ${cloned.error?.code ?? ''}`] =
			(outcomes[`clone ${cloned.status} ${cloned.error?.code ?? ''}`] ?? 0) + 1;
		expect(['completed', 'failed']).toContain(cloned.status);
		if (cloned.status !== 'completed' || cloned.result === null) continue;

		const deleted = Date.now();
		const deletion = await api.call<{ job_id: string }>('DELETE', `/api/v2/delete/kill-${turn}`);
		if (turn > 0) {
			await pause(random() * deleteMs);
			await service.kill();
			await start();
		}
		const gone = await end(deletion.job_id);
		if (turn === 0) deleteMs = Date.now() - deleted;
		outcomes[`delete ${gone.status}`] = (outcomes[`delete ${gone.status}`] ?? 0) + 1;
		expect(gone.status).toBe('completed');
		expect(await answers(cloned.result.clone_url)).toBe(false);
	}
	console.log(JSON.stringify({ seed: SEED, clone_ms: cloneMs, delete_ms: deleteMs, outcomes }));

	// A job that failed was undone as well; the sweep has two rounds for what neither saw.
	await pause(6_000);
	const { jobs } = await api.call<{ jobs: readonly JobView[] }>('GET', '/api/v2/jobs?limit=100');
	expect(jobs.filter((job) => !['completed', 'failed', 'cancelled'].includes(job.status))).toEqual([]);
	expect(outcomes['clone completed '] ?? 0).toBeGreaterThan(KILLS / 2);
	expect((await api.call<{ clones: readonly unknown[] }>('GET', '/api/v2/clones')).clones).toEqual([]);
	expect(slotFolders(dataDir)).toEqual([]);
	expect(processesNaming(dataDir).filter((line) => !line.includes('serve.ts'))).toEqual([]);
	expect(await site.evalPhp(AGENT_TRACES)).toBe('');
});
