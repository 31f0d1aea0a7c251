import type { Millis } from '../../../core/jobs/job.ts';
import type { TtlSchedule } from '../../../core/ports.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import type { SqliteJobQueue } from './sqlite-job-queue.ts';

const SQL = {
	set: `INSERT INTO schedules (name, at, job_id) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET at = excluded.at, job_id = excluded.job_id`,
	cancel: 'DELETE FROM schedules WHERE name = ?',
	// The same bounded set in both statements of the transaction: by time, then by name.
	fire: `INSERT INTO messages (job_id, visible_at, receipt, receive_count)
		SELECT job_id, ?, NULL, 0 FROM (SELECT job_id FROM schedules WHERE at <= ? ORDER BY at, name LIMIT ?)`,
	fired: 'DELETE FROM schedules WHERE name IN (SELECT name FROM schedules WHERE at <= ? ORDER BY at, name LIMIT ?)',
} as const;

/** Schedules in the service's own SQLite file. Nothing fires by itself: the service calls `fireDue` every second or so. */
export class SqliteTtlSchedule implements TtlSchedule {
	readonly #db: SqliteDatabase;
	readonly #queue: SqliteJobQueue;

	/** @param queue the queue on the same database: due schedules become its messages. */
	constructor(db: SqliteDatabase, queue: SqliteJobQueue) {
		this.#db = db;
		this.#queue = queue;
	}

	async set(name: string, at: Millis, jobId: string): Promise<void> {
		this.#db.run(SQL.set, name, Math.ceil(at), jobId);
	}

	async cancel(name: string): Promise<void> {
		this.#db.run(SQL.cancel, name);
	}

	/**
	 * Moves up to `limit` due schedules into the queue, in one transaction: each fires exactly once.
	 * @returns how many; call again when it is `limit`.
	 */
	async fireDue(now: Millis, limit = 1000): Promise<number> {
		const fired = this.#db.transaction(() => {
			this.#db.run(SQL.fire, now, now, limit);
			return this.#db.run(SQL.fired, now, limit);
		});
		if (fired > 0) {
			this.#queue.wake();
		}
		return fired;
	}
}
