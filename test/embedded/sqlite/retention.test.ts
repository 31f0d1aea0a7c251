/** What is over goes after RETENTION_DAYS, and nothing before. */
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SqliteCloneStore } from '../../../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteDatabase } from '../../../adapters/embedded/sqlite/sqlite-database.ts';
import { SqliteJobStore } from '../../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { purgeOldRows } from '../../../adapters/embedded/sqlite/sqlite-retention.ts';
import { SCHEMA } from '../../../adapters/embedded/sqlite/sqlite-schema.ts';
import type { Job, JobStatus } from '../../../core/jobs/job.ts';
import { RETENTION_DAYS } from '../../../core/retention.ts';
import { makeClone, makeJob, T0 } from '../../contracts/support.ts';
import { type Service, startService, VALID_CLONE } from '../../support/memory-api/service.ts';
import { temporaryDatabase, temporaryFolder } from './support.ts';

const DAY = 86_400_000;
const KEPT = RETENTION_DAYS * DAY;

describe('old rows', () => {
	let made: ReturnType<typeof temporaryDatabase>;
	let jobs: SqliteJobStore;
	let clones: SqliteCloneStore;
	let now = T0;
	beforeEach(() => {
		made = temporaryDatabase();
		now = T0;
		jobs = new SqliteJobStore(made.db);
		clones = new SqliteCloneStore(made.db, () => now);
	});
	afterEach(() => made.close());

	const keyOf = (job: Job) => ({ key_hash: job.job_id, body_hash: 'b' });
	const accept = async (fields: Partial<Job> = {}): Promise<Job> => {
		const job = makeJob(fields);
		expect(await jobs.accept({ job, idempotency: keyOf(job), clone: null })).toEqual({ outcome: 'accepted' });
		return job;
	};
	const ended = async (status: JobStatus, at: number): Promise<Job> => {
		const job = await accept();
		const leased = await jobs.lease(job.job_id, { holder: 'w', now: at, until: at + 1000 });
		await jobs.save(job.job_id, leased?.fence ?? -1, { status, completed_at: at }, { now: at, release: true });
		return job;
	};
	const cloneIn = async (state: 'provisioning' | 'live' | 'deleting' | 'deleted', name: string): Promise<string> => {
		const job = makeJob({ clone_id: name });
		await jobs.accept({ job, idempotency: null, clone: makeClone(job) });
		if (state !== 'provisioning') await clones.update(name, 1, { state, expires_at: T0 });
		return name;
	};
	const isThere = async (job: Job): Promise<boolean> => (await jobs.get(job.job_id)) !== undefined;

	it.each(['completed', 'failed', 'cancelled'] as const)('a job that %s goes when its time is over, not before', async (status) => {
		const job = await ended(status, T0);
		expect(purgeOldRows(made.db, T0 + KEPT)).toEqual({ jobs: 0, clones: 0 });
		expect(await isThere(job)).toBe(true);
		expect(purgeOldRows(made.db, T0 + KEPT + 1)).toEqual({ jobs: 1, clones: 0 });
		expect(await isThere(job)).toBe(false);
		expect(await jobs.list(job.owner, { limit: 10, cursor: null })).toEqual({ items: [], next_cursor: null });
	});

	it('a job that has not ended stays, however old it is', async () => {
		const pending = await accept();
		const running = await accept();
		const leased = await jobs.lease(running.job_id, { holder: 'w', now: T0, until: T0 + 1000 });
		// Not what the engine writes; the status alone must be enough to keep it.
		await jobs.save(running.job_id, leased?.fence ?? -1, { status: 'running', completed_at: T0 }, { now: T0, release: true });
		expect(purgeOldRows(made.db, T0 + 10 * KEPT)).toEqual({ jobs: 0, clones: 0 });
		expect([await isThere(pending), await isThere(running)]).toEqual([true, true]);
	});

	it('an idempotency key is in force as long as its job is there, and free with it', async () => {
		const old = await ended('completed', T0);
		const young = await ended('completed', T0 + 2 * DAY);
		const live = await accept();
		purgeOldRows(made.db, T0 + KEPT + DAY);
		const again = async (job: Job) =>
			(await jobs.accept({ job: makeJob({ job_id: job.job_id }), idempotency: keyOf(job), clone: null })).outcome;
		expect(await again(young)).toBe('duplicate');
		expect(await again(live)).toBe('duplicate');
		expect(await again(old)).toBe('accepted');
	});

	it("a deleted clone's row goes when its time is over; a clone in any other state stays", async () => {
		for (const state of ['provisioning', 'live', 'deleting', 'deleted'] as const) await cloneIn(state, state);
		expect(purgeOldRows(made.db, T0 + KEPT)).toEqual({ jobs: 0, clones: 0 });
		expect(purgeOldRows(made.db, T0 + KEPT + 1)).toEqual({ jobs: 0, clones: 1 });
		const there = await Promise.all(['provisioning', 'live', 'deleting', 'deleted'].map(async (name) => (await clones.get(name))?.state));
		expect(there).toEqual(['provisioning', 'live', 'deleting', undefined]);
	});

	it('a name that was taken again is not the deleted clone any more', async () => {
		await cloneIn('deleted', 'shop');
		now = T0 + DAY;
		await cloneIn('provisioning', 'shop');
		expect(made.db.get('SELECT deleted_at FROM clones')).toEqual({ deleted_at: null });
		expect(purgeOldRows(made.db, T0 + 10 * KEPT)).toMatchObject({ clones: 0 });
		const taken = await clones.get('shop');
		await clones.update('shop', taken?.generation ?? -1, { state: 'deleted' });
		expect(purgeOldRows(made.db, T0 + KEPT + DAY)).toMatchObject({ clones: 0 });
		expect(purgeOldRows(made.db, T0 + KEPT + DAY + 1)).toMatchObject({ clones: 1 });
	});

	it('go a bounded number at a time, the oldest first, each with its own key', async () => {
		const old: Job[] = [];
		for (const age of [3, 1, 5, 2, 4]) old[age] = await ended('completed', T0 + age);
		const left = async (): Promise<number[]> => {
			const there = await Promise.all(old.map(async (job, age) => ((await isThere(job)) ? age : 0)));
			return there.filter((age) => age > 0);
		};
		const keys = () => made.db.all('SELECT job_id FROM idempotency').map((row) => row.job_id);
		expect(purgeOldRows(made.db, T0 + 2 * KEPT, 2)).toEqual({ jobs: 2, clones: 0 });
		expect(await left()).toEqual([3, 4, 5]);
		expect(new Set(keys())).toEqual(new Set([old[3], old[4], old[5]].map((job) => job?.job_id)));
		expect(purgeOldRows(made.db, T0 + 2 * KEPT, 10)).toEqual({ jobs: 3, clones: 0 });
		expect(keys()).toEqual([]);
	});

	it('are found by an index, whatever else is in the tables', () => {
		const plans: string[] = [];
		const run = made.db.run.bind(made.db);
		made.db.run = (sql, ...values) => {
			if (sql.startsWith('DELETE')) plans.push(...made.db.all(`EXPLAIN QUERY PLAN ${sql}`, ...values).map((row) => String(row.detail)));
			return run(sql, ...values);
		};
		purgeOldRows(made.db, T0);
		expect(plans.filter((step) => /SCAN|TEMP/.test(step))).toEqual([]);
		expect(plans.flatMap((step) => /USING (?:COVERING )?INDEX (\w+)/.exec(step)?.[1] ?? [])).toEqual([
			...['idempotency_by_job', 'jobs_ended'],
			...['sqlite_autoindex_jobs_1', 'jobs_ended'],
			...['sqlite_autoindex_clones_1', 'clones_deleted'],
		]);
	});
});

it('clones that an earlier version deleted count from its upgrade', async () => {
	const folder = temporaryFolder();
	const path = `${folder.path}/store.sqlite`;
	const [first = ''] = SCHEMA;
	const before = new DatabaseSync(path);
	before.exec(first);
	before.exec(`INSERT INTO clones (clone_id, owner, job_id, state, generation, created_at, ttl_minutes, source_url, facts_json)
		VALUES ('gone', 'o', 'clone-1', 'deleted', 3, 1, 30, 'https://a.test', '{}'), ('here', 'o', 'clone-2', 'live', 3, 1, 30, 'https://a.test', '{}')`);
	before.exec('PRAGMA user_version = 1');
	before.close();
	const upgraded = Date.now();
	const db = new SqliteDatabase(path);
	expect(purgeOldRows(db, upgraded + KEPT - 2000)).toEqual({ jobs: 0, clones: 0 });
	expect(purgeOldRows(db, Date.now() + KEPT + 1)).toEqual({ jobs: 0, clones: 1 });
	expect(await new SqliteCloneStore(db).get('here')).toMatchObject({ state: 'live' });
	db.close();
	folder.remove();
});

describe('through the API', () => {
	let service: Service;
	beforeEach(async () => {
		service = await startService();
	});
	afterEach(() => service.stop());

	it('an old job is 404, and its key and the name of its clone can be used again', async () => {
		const headers = { 'Idempotency-Key': 'nightly' };
		const request = () => service.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, customer_id: 'shop' }, headers });
		const read = (jobId: string) => service.call('GET', `/api/v2/job-status/${jobId}`);
		const jobId: string = (await request()).body.job_id;
		await service.finishClone(jobId);
		const clone = await service.clones.get('shop');
		await service.clones.update('shop', clone?.generation ?? -1, { state: 'deleted', slot_id: null, url: null });

		service.time.ahead = KEPT - DAY;
		purgeOldRows(service.db, service.clock.now());
		expect((await read(jobId)).status).toBe(200);
		expect((await request()).body).toMatchObject({ job_id: jobId, status: 'completed' });

		service.time.ahead = KEPT + DAY;
		expect(purgeOldRows(service.db, service.clock.now())).toEqual({ jobs: 1, clones: 1 });
		const gone = await read(jobId);
		expect([gone.status, gone.problem.code]).toEqual([404, 'job_not_found']);
		expect((await request()).body).toMatchObject({ job_id: jobId, status: 'pending' });
		expect(await service.clones.get('shop')).toMatchObject({ state: 'provisioning', generation: 1 });
	});
});
