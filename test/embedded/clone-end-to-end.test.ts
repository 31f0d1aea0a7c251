/**
 * A real WordPress cloned through the real service, each a process of its own, looked at from outside; then the layers
 * that end a clone, each on its own.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedDemoContent } from '../../adapters/embedded/playground/demo-content.ts';
import { ApiClient, type CloneResult, type JobView } from '../../bin/demo/api-client.ts';
import { type ServiceProcess, startService } from '../../bin/demo/service-process.ts';
import { verifyClone } from '../../bin/demo/verify.ts';
import { RETENTION_DAYS } from '../../core/retention.ts';
import { AGENT_TRACES, answers, processesNaming, slotFolders } from '../support/service/leftovers.ts';
import { bootSite, SOURCE_ADMIN, type SourceSite } from '../support/sites/boot-site.ts';

const ARGS = ['--port', '0', '--allow-private-sites', '--warm', '0', '--sweep-seconds', '2'];

let site: SourceSite;
let dataDir: string;
let service: ServiceProcess;
let api: ApiClient;
const log: string[] = [];

const request = (more: Record<string, unknown> = {}) => ({
	source_url: site.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	...more,
});

async function run(method: string, path: string, body?: unknown): Promise<JobView> {
	const accepted = await api.call<{ job_id: string }>(method, path, body);
	return api.follow(accepted.job_id, () => undefined);
}

async function clone(more: Record<string, unknown> = {}): Promise<CloneResult> {
	const job = await run('POST', '/api/v2/clone', request(more));
	expect(job.error).toBeNull();
	expect(job.status).toBe('completed');
	if (job.result === null) throw new Error('A completed clone job without a result.');
	return job.result;
}

/** Waits until `check` holds; the sweep looks every two seconds. */
async function until(what: string, check: () => Promise<boolean>): Promise<void> {
	for (let turn = 0; turn < 300; turn++) {
		if (await check()) return;
		await new Promise((resolve) => setTimeout(resolve, 100));
	}
	throw new Error(`${what}: not within 30 s.\n${log.slice(-20).join('\n')}`);
}

/** Changes the service's own store behind its back, as if time had passed. */
function inStore(work: (db: DatabaseSync) => void): void {
	const db = new DatabaseSync(join(dataDir, 'service.sqlite'), { timeout: 5000 });
	try {
		work(db);
	} finally {
		db.close();
	}
}

/** Moves a clone's end to a second ago. */
function expireNow(cloneId: string, options: { schedule: boolean }): void {
	inStore((db) => {
		const past = Date.now() - 1000;
		expect(db.prepare('UPDATE clones SET expires_at = ? WHERE clone_id = ?').run(past, cloneId).changes).toBe(1);
		const moved = options.schedule
			? db.prepare('UPDATE schedules SET at = ? WHERE name = ?').run(past, cloneId)
			: db.prepare('DELETE FROM schedules WHERE name = ?').run(cloneId);
		expect(moved.changes).toBe(1);
	});
}

beforeAll(async () => {
	site = await bootSite({ seed: seedDemoContent });
	dataDir = mkdtempSync(join(tmpdir(), 'clone-e2e-'));
	service = await startService(dataDir, ARGS, (line) => log.push(line));
	api = new ApiClient(service.url, service.token);
});
afterAll(async () => {
	await service.kill();
	await site.stop();
	rmSync(dataDir, { recursive: true, force: true });
});

describe('a clone of a real site', () => {
	let made: CloneResult;

	beforeAll(async () => {
		made = await clone({ customer_id: 'end-to-end' });
	});

	it('is proved equal, and leaves nothing on the source', async () => {
		expect(made.clone_id).toBe('end-to-end');
		expect(made.fidelity).toBe('full');
		expect(made.proof.differences).toEqual([]);
		expect(made.proof.tables).toBeGreaterThanOrEqual(13);
		expect(made.proof.rows).toBeGreaterThan(100);
		expect(made.proof.files).toBeGreaterThan(3000);
		expect(await site.evalPhp(AGENT_TRACES)).toBe('');
	});

	it('is the source, seen from outside', async () => {
		const failed = (await verifyClone(site.url, made)).filter((check) => !check.ok);
		expect(failed).toEqual([]);
	});

	it('keeps every secret out of store and log', async () => {
		const store = ['service.sqlite', 'service.sqlite-wal'].map((name) => readFileSync(join(dataDir, name), 'latin1')).join('');
		for (const secret of [made.password, new URL(made.login_url).searchParams.get('clone_login') ?? 'no token']) {
			expect(store).not.toContain(secret);
			expect(log.join('\n')).not.toContain(secret);
		}
		expect(store).not.toContain(`"${SOURCE_ADMIN.password}"`);
		expect(statSync(join(dataDir, 'token')).mode & 0o077).toBe(0);
		expect(statSync(join(dataDir, 'service.sqlite')).mode & 0o077).toBe(0);
	});

	it('takes a longer and a shorter time', async () => {
		const before = await api.call<{ expires_at: string }>('GET', '/api/v2/clones/end-to-end');
		const longer = await api.call<{ expires_at: string }>('PATCH', '/api/v2/clones/end-to-end', { ttl_minutes: 60 });
		expect(Date.parse(longer.expires_at) - Date.parse(before.expires_at)).toBe(30 * 60_000);
		const shorter = await api.call<{ expires_at: string }>('PATCH', '/api/v2/clones/end-to-end', { ttl_minutes: 20 });
		expect(Date.parse(before.expires_at) - Date.parse(shorter.expires_at)).toBe(10 * 60_000);
	});

	it('is refused a second time under the same name, and deleted on request', async () => {
		await expect(api.call('POST', '/api/v2/clone', request({ customer_id: 'end-to-end' }))).rejects.toThrow('409 clone_id_taken');
		expect((await run('DELETE', '/api/v2/delete/end-to-end')).status).toBe('completed');
		expect(await answers(made.clone_url)).toBe(false);
		expect(slotFolders(dataDir)).toEqual([]);
		expect(processesNaming(dataDir).filter((line) => !line.includes('serve.ts'))).toEqual([]);
	});

	it('is forgotten long after, with the job that made it', async () => {
		const past = Date.now() - RETENTION_DAYS * 86_400_000 - 1000;
		inStore((db) => {
			const job = db.prepare("UPDATE jobs SET completed_at = ? WHERE clone_id = 'end-to-end' AND type = 'clone'").run(past);
			const clone = db.prepare("UPDATE clones SET deleted_at = ? WHERE clone_id = 'end-to-end' AND state = 'deleted'").run(past);
			expect([job.changes, clone.changes]).toEqual([1, 1]);
		});
		const types = async () => (await api.call<{ jobs: readonly JobView[] }>('GET', '/api/v2/jobs')).jobs.map((job) => job.type);
		await until('the job is gone', async () => !(await types()).includes('clone'));
		// What was asked for later is there as before.
		expect(await types()).toContain('delete');
		inStore((db) => expect(db.prepare('SELECT clone_id FROM clones').all()).toEqual([]));
	});
});

describe('what ends a clone', () => {
	it('the schedule', async () => {
		const made = await clone({ customer_id: 'by-schedule' });
		expireNow('by-schedule', { schedule: true });
		await until('the clone is gone', async () => !(await answers(made.clone_url)) && slotFolders(dataDir).length === 0);
		const { jobs } = await api.call<{ jobs: readonly JobView[] }>('GET', '/api/v2/jobs?limit=1');
		expect(jobs[0]?.type).toBe('delete');
	});

	it('the sweep, when the schedule is lost', async () => {
		const made = await clone({ customer_id: 'by-sweep' });
		expireNow('by-sweep', { schedule: false });
		await until('the clone is gone', async () => !(await answers(made.clone_url)) && slotFolders(dataDir).length === 0);
	});

	it('a cancelled job, in the middle of the import', async () => {
		const accepted = await api.call<{ job_id: string }>('POST', '/api/v2/clone', request({ customer_id: 'cancelled' }));
		await until('the import has begun', async () => (await api.call<JobView>('GET', `/api/v2/jobs/${accepted.job_id}`)).progress >= 25);
		await api.call('POST', `/api/v2/jobs/${accepted.job_id}/cancel`);
		const job = await api.follow(accepted.job_id, () => undefined);
		expect(job.status).toBe('cancelled');
		expect(slotFolders(dataDir)).toEqual([]);
		expect(await site.evalPhp(AGENT_TRACES)).toBe('');
	});
});

describe('the warm pool', () => {
	it('gives its slot to a clone, and fills up again', async () => {
		const folder = mkdtempSync(join(tmpdir(), 'clone-warm-'));
		const warm: number[] = [];
		const pool = await startService(folder, [...ARGS, '--warm', '1', '--metrics'], (line) => {
			const { metric, value } = JSON.parse(line) as { metric?: string; value?: number };
			if (metric === 'pool_warm') warm.push(value ?? Number.NaN);
		});
		try {
			await until('a slot is warm', async () => warm.at(-1) === 1);
			const [ready] = slotFolders(folder);
			const client = new ApiClient(pool.url, pool.token);
			const accepted = await client.call<{ job_id: string }>('POST', '/api/v2/clone', request());
			const job = await client.follow(accepted.job_id, () => undefined);
			expect(job.error).toBeNull();
			expect(job.result?.warm).toBe(true);
			warm.length = 0;
			await until('another slot is warm', async () => warm.at(-1) === 1);
			expect(slotFolders(folder)).toContain(ready);
			expect(slotFolders(folder)).toHaveLength(2);
		} finally {
			await pool.kill();
			rmSync(folder, { recursive: true, force: true });
			// A slot whose folder has gone ends by itself.
			await until('no process is left', async () => processesNaming(folder).length === 0);
		}
	});
});

describe('what cannot be cloned', () => {
	it('a wrong password: its own code, nothing left', async () => {
		const job = await run('POST', '/api/v2/clone', { ...request(), source_password: 'wrong' });
		expect(job.error?.code).toBe('login_refused');
		expect(slotFolders(dataDir)).toEqual([]);
	});

	it('a page that is no WordPress', async () => {
		const plain = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('<h1>A bakery</h1>'));
		await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
		try {
			const { port } = plain.address() as AddressInfo;
			const job = await run('POST', '/api/v2/clone', { ...request(), source_url: `http://127.0.0.1:${port}` });
			expect(job.error?.code).toBe('not_wordpress');
		} finally {
			plain.closeAllConnections();
			plain.close();
		}
	});
});
