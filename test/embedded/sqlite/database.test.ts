import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { SqliteCloneStore } from '../../../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteDatabase } from '../../../adapters/embedded/sqlite/sqlite-database.ts';
import { SqliteJobQueue } from '../../../adapters/embedded/sqlite/sqlite-job-queue.ts';
import { SqliteJobStore } from '../../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { SqliteTtlSchedule } from '../../../adapters/embedded/sqlite/sqlite-ttl-schedule.ts';
import { systemClock, systemRandom, systemTimers } from '../../../adapters/embedded/system.ts';
import { makeClone, makeJob, present, T0 } from '../../contracts/support.ts';
import { fakeClock } from '../../support/memory/clock.ts';
import { temporaryDatabase, temporaryFolder } from './support.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
	for (const cleanUp of cleanUps.splice(0).reverse()) {
		await cleanUp();
	}
});

function folder(): string {
	const made = temporaryFolder();
	cleanUps.push(made.remove);
	return made.path;
}

function database() {
	const made = temporaryDatabase();
	cleanUps.push(made.close);
	return made;
}

const error = (work: () => unknown): unknown => {
	try {
		work();
	} catch (thrown) {
		return thrown;
	}
	return undefined;
};

describe('the database file', () => {
	it('and everything beside it may be read by its owner only', async () => {
		const { db, path } = database();
		const jobs = new SqliteJobStore(db);
		await jobs.accept({ job: makeJob(), idempotency: null, clone: null });
		const files = readdirSync(join(path, '..'));
		expect(files.sort((a, b) => (a < b ? -1 : 1))).toEqual(['store.sqlite', 'store.sqlite-shm', 'store.sqlite-wal']);
		for (const file of files) {
			expect(statSync(join(path, '..', file)).mode & 0o777, file).toBe(0o600);
		}
	});

	it('is closed to others also when it was made by something else', () => {
		const path = join(folder(), 'store.sqlite');
		writeFileSync(path, '');
		chmodSync(path, 0o644);
		new SqliteDatabase(path).close();
		expect(statSync(path).mode & 0o777).toBe(0o600);
	});

	it('is durable on commit: WAL, fully synchronous', () => {
		const { db } = database();
		expect(db.get('PRAGMA journal_mode')).toEqual({ journal_mode: 'wal' });
		expect(db.get('PRAGMA synchronous')).toEqual({ synchronous: 2 });
		expect(db.get('PRAGMA busy_timeout')).toEqual({ timeout: 5000 });
	});

	it('keeps everything when it is opened again', async () => {
		const path = join(folder(), 'store.sqlite');
		const first = new SqliteDatabase(path);
		const job = makeJob({ clone_id: 'shop' });
		await new SqliteJobStore(first).accept({ job, idempotency: null, clone: null });
		first.close();
		const second = new SqliteDatabase(path);
		cleanUps.push(() => second.close());
		expect(await new SqliteJobStore(second).get(job.job_id)).toEqual(job);
	});

	it('is refused when a newer version of the service wrote it', () => {
		const path = join(folder(), 'store.sqlite');
		new SqliteDatabase(path).close();
		const raw = new DatabaseSync(path);
		raw.exec('PRAGMA user_version = 99');
		raw.close();
		expect(error(() => new SqliteDatabase(path))).toMatchObject({ name: 'PermanentError', code: 'store_newer' });
	});

	it('is refused with a clear word when it is no database', () => {
		const path = join(folder(), 'store.sqlite');
		writeFileSync(path, 'this is not a database, whatever its name says'.repeat(100));
		expect(error(() => new SqliteDatabase(path))).toMatchObject({
			name: 'PermanentError',
			code: 'store_corrupt',
			message: expect.stringContaining('restore the file from a backup'),
		});
	});

	it('is refused with a clear word when its pages are damaged', async () => {
		const path = join(folder(), 'store.sqlite');
		const first = new SqliteDatabase(path);
		const jobs = new SqliteJobStore(first);
		for (let index = 0; index < 50; index++) {
			await jobs.accept({ job: makeJob({ owner: 'o' }), idempotency: null, clone: null });
		}
		first.close();
		const bytes = readFileSync(path);
		bytes.fill(0xa5, 4096);
		writeFileSync(path, bytes);
		const opened = error(() => {
			const second = new SqliteDatabase(path);
			cleanUps.push(() => second.close());
			second.all('SELECT * FROM jobs');
		});
		expect(opened).toMatchObject({ name: 'PermanentError', code: 'store_corrupt' });
	});

	it('is refused with a clear word when its folder is not there', () => {
		const path = join(folder(), 'nowhere', 'store.sqlite');
		expect(error(() => new SqliteDatabase(path))).toMatchObject({ name: 'PermanentError', code: 'store_unopenable' });
	});

	it('that is full says so, changes nothing, and goes on when there is space again', async () => {
		const { db } = database();
		const jobs = new SqliteJobStore(db);
		const pages = Number(present(db.get('PRAGMA page_count')).page_count);
		db.get(`PRAGMA max_page_count = ${pages}`);
		const large = makeJob({ input: 'x'.repeat(100_000) });
		await expect(jobs.accept({ job: large, idempotency: null, clone: null })).rejects.toMatchObject({
			name: 'TransientError',
			code: 'store_full',
			message: expect.stringContaining('free some space'),
		});
		expect(await jobs.get(large.job_id)).toBeUndefined();
		db.get('PRAGMA max_page_count = 1000000');
		expect(await jobs.accept({ job: large, idempotency: null, clone: null })).toEqual({ outcome: 'accepted' });
	});

	it('does not take a damaged row for an answer', async () => {
		const { db } = database();
		const jobs = new SqliteJobStore(db);
		const job = makeJob();
		await jobs.accept({ job, idempotency: null, clone: null });
		db.run("UPDATE jobs SET type = 'nonsense' WHERE job_id = ?", job.job_id);
		await expect(jobs.get(job.job_id)).rejects.toThrow('unexpected value in column "type"');
	});

	it('holds the write lock from the beginning of a transaction: what it has read stays true', () => {
		const { db, path } = database();
		const other = new DatabaseSync(path, { timeout: 0 });
		cleanUps.push(() => other.close());
		const meddle = (): unknown => error(() => other.exec("INSERT INTO schedules VALUES ('a', 1, 'b')"));
		expect(
			db.transaction(() => {
				db.get('SELECT COUNT(*) FROM schedules');
				return meddle();
			}),
		).toMatchObject({ errcode: 5 });
		expect(meddle()).toBeUndefined();
	});

	it('takes everything back when a transaction fails', () => {
		const { db } = database();
		const failed = error(() =>
			db.transaction(() => {
				db.run("INSERT INTO schedules VALUES ('a', 1, 'b')");
				throw new Error('half-way');
			}),
		);
		expect(failed).toMatchObject({ message: 'half-way' });
		expect(db.all('SELECT * FROM schedules')).toEqual([]);
		expect(db.transaction(() => db.run("INSERT INTO schedules VALUES ('a', 1, 'b')"))).toBe(1);
	});

	it('accepts a job in one transaction', async () => {
		const { db, path } = database();
		const watched = new DatabaseSync(path);
		cleanUps.push(() => watched.close());
		const version = (): unknown => watched.prepare('PRAGMA data_version').get();
		const statements: string[] = [];
		const run = db.run.bind(db);
		db.run = (sql, ...values) => {
			statements.push(sql.trim().split(/\s/, 1)[0] ?? '');
			return run(sql, ...values);
		};
		const before = version();
		const job = makeJob({ clone_id: 'shop' });
		await new SqliteJobStore(db).accept({ job, idempotency: { key_hash: 'k', body_hash: 'b' }, clone: makeClone(job) });
		expect(statements).toEqual(['BEGIN', 'INSERT', 'INSERT', 'INSERT', 'COMMIT']);
		expect(version()).not.toEqual(before);
	});
});

describe('two processes on one file', () => {
	async function child(path: string, task: string): Promise<{ process: ChildProcess; answer: Promise<string[]> }> {
		const started = fork(new URL('./store-process.ts', import.meta.url), [path, task], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
		cleanUps.push(() => started.kill('SIGKILL'));
		const lines: string[] = [];
		started.on('message', (message) => lines.push(String(message)));
		const answer = once(started, 'exit').then(() => lines);
		return { process: started, answer };
	}

	it('get one winner for each clone name, one job for each key and one holder of each lease', async () => {
		const { db, path } = database();
		const names = 40;
		const tasks = await Promise.all([child(path, `race ${names}`), child(path, `race ${names}`), child(path, `race ${names}`)]);
		const answers = await Promise.all(tasks.map((task) => task.answer));
		expect(answers.map((lines) => lines.length)).toEqual([1, 1, 1]);
		const won = answers.map(([line]) => JSON.parse(line ?? '') as Record<string, number>);
		for (const what of ['accepted', 'accepted_by_key', 'leased']) {
			expect(
				won.map((counts) => counts[what] ?? Number.NaN).reduce((sum, count) => sum + count),
				what,
			).toBe(names);
		}
		expect(await new SqliteJobStore(db).countByStatus()).toMatchObject({ pending: 2 * names + names });
		expect(Number(present(db.get('SELECT COUNT(*) AS n FROM clones')).n)).toBe(names);
	});

	it('share one queue: every message is received once', async () => {
		const { db, path } = database();
		const queue = new SqliteJobQueue({ db, clock: systemClock, random: systemRandom, timers: systemTimers });
		const ids = Array.from({ length: 200 }, (_, index) => `clone-${index}`);
		for (const id of ids) {
			await queue.send(id);
		}
		const tasks = await Promise.all([child(path, 'drain'), child(path, 'drain')]);
		const received = (await Promise.all(tasks.map((task) => task.answer))).flat().flatMap((line) => JSON.parse(line) as string[]);
		expect(received.sort((a, b) => a.localeCompare(b))).toEqual([...ids].sort((a, b) => a.localeCompare(b)));
		expect(await queue.depth()).toBe(0);
	});

	it('lose nothing that was answered when one is killed', async () => {
		const { db, path } = database();
		const jobs = new SqliteJobStore(db);
		for (let round = 0; round < 3; round++) {
			const { process, answer } = await child(path, `accept-forever ${round}`);
			let seen = 0;
			process.on('message', () => {
				seen += 1;
				if (seen === 25 + round * 10) {
					process.kill('SIGKILL');
				}
			});
			const answered = await answer;
			expect(answered.length).toBeGreaterThanOrEqual(25);
			for (const id of answered) {
				expect(await jobs.get(id), id).toMatchObject({ job_id: id, status: 'pending' });
			}
		}
		expect(db.get('PRAGMA integrity_check')).toEqual({ integrity_check: 'ok' });
	});
});

describe('the queue in the file', () => {
	function realQueue(waitMs: number) {
		const { db, path } = database();
		const queue = new SqliteJobQueue({ db, clock: systemClock, random: systemRandom, timers: systemTimers, waitMs, pollMs: 60_000 });
		cleanUps.push(() => queue.close());
		return { db, path, queue };
	}

	it('wakes a waiting receiver when something is sent', async () => {
		const { queue } = realQueue(60_000);
		const waiting = queue.receive(1, 30);
		await queue.send('clone-1');
		expect(await waiting).toMatchObject([{ job_id: 'clone-1' }]);
	});

	it('wakes it when a delayed message is due, and when a schedule fires', async () => {
		const { db, queue } = realQueue(60_000);
		await queue.send('clone-1', 1);
		const delayed = nthId(await queue.receive(1, 30));
		expect(delayed).toBe('clone-1');
		const schedule = new SqliteTtlSchedule(db, queue);
		await schedule.set('shop', systemClock.now(), 'delete-1');
		const waiting = queue.receive(1, 30);
		expect(await schedule.fireDue(systemClock.now() + 1)).toBe(1);
		expect(nthId(await waiting)).toBe('delete-1');
	});

	it('ends the waiting when it is closed', async () => {
		const { queue } = realQueue(60_000);
		const waiting = queue.receive(1, 30);
		queue.close();
		expect(await waiting).toEqual([]);
		expect(await queue.receive(1, 30)).toEqual([]);
	});

	it('keeps its messages, their delays and their counts over a restart', async () => {
		const path = join(folder(), 'store.sqlite');
		const clock = fakeClock(T0);
		const open = () => {
			const db = new SqliteDatabase(path);
			return { db, queue: new SqliteJobQueue({ db, clock, random: systemRandom, timers: systemTimers }) };
		};
		const first = open();
		await first.queue.send('clone-1', 10);
		await first.queue.send('clone-2');
		expect(await first.queue.receive(5, 30)).toMatchObject([{ job_id: 'clone-2', receive_count: 1 }]);
		first.db.close();
		const second = open();
		cleanUps.push(() => second.db.close());
		expect(await second.queue.receive(5, 30)).toEqual([]);
		clock.move(10);
		expect(await second.queue.receive(5, 30)).toMatchObject([{ job_id: 'clone-1', receive_count: 1 }]);
		clock.move(20);
		expect(await second.queue.receive(5, 30)).toMatchObject([{ job_id: 'clone-2', receive_count: 2 }]);
	});
});

describe('the schedule in the file', () => {
	it('fires a bounded number at a time, oldest first, each once', async () => {
		const { db } = database();
		const clock = fakeClock(T0);
		const queue = new SqliteJobQueue({ db, clock, random: systemRandom, timers: systemTimers });
		const schedule = new SqliteTtlSchedule(db, queue);
		for (let index = 0; index < 5; index++) {
			await schedule.set(`clone-${index}`, T0 - index, `delete-${index}`);
		}
		const ids = async (): Promise<string[]> => {
			const messages = await queue.receive(10, 30);
			await Promise.all(messages.map((message) => queue.acknowledge(message)));
			return messages.map((message) => message.job_id).sort((a, b) => a.localeCompare(b));
		};
		expect(await schedule.fireDue(T0, 2)).toBe(2);
		expect(await ids()).toEqual(['delete-3', 'delete-4']);
		expect(await schedule.fireDue(T0, 10)).toBe(3);
		expect(await ids()).toEqual(['delete-0', 'delete-1', 'delete-2']);
		expect(await schedule.fireDue(T0, 10)).toBe(0);
	});
});

describe('the clone store in the file', () => {
	it('claims the warm slot that has been ready the longest', async () => {
		const { db } = database();
		const clones = new SqliteCloneStore(db);
		const slot = { state: 'warm', job_id: null, endpoint: null, agent_key_sealed: 'k', php_version: null, wp_version: null } as const;
		await clones.putSlot({ ...slot, slot_id: 'younger', created_at: T0 + 5 });
		await clones.putSlot({ ...slot, slot_id: 'older', created_at: T0 });
		expect(await clones.claimWarm('clone-1')).toMatchObject({ slot_id: 'older' });
	});
});

function nthId(messages: readonly { readonly job_id: string }[]): string | undefined {
	return messages[0]?.job_id;
}
