import type { Millis } from '../../../core/jobs/job.ts';
import { RETENTION_DAYS } from '../../../core/retention.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

// The oldest first; each statement of a transaction sees the same ones.
const OLD_JOBS = `SELECT job_id FROM jobs WHERE completed_at < ? AND status NOT IN ('pending', 'running')
	ORDER BY completed_at, rowid LIMIT ?`;

const SQL = {
	keys: `DELETE FROM idempotency WHERE job_id IN (${OLD_JOBS})`,
	jobs: `DELETE FROM jobs WHERE job_id IN (${OLD_JOBS})`,
	clones: `DELETE FROM clones WHERE clone_id IN (SELECT clone_id FROM clones
		WHERE deleted_at < ? AND state = 'deleted' ORDER BY deleted_at LIMIT ?)`,
} as const;

/**
 * Removes what has been over for RETENTION_DAYS: finished jobs, each with its idempotency key, and rows of deleted clones.
 * The file does not shrink; what comes next is written into the room this leaves.
 * @param limit of jobs, and of clones: the service does nothing else meanwhile. The next call goes on
 * @returns how many of each
 */
export function purgeOldRows(db: SqliteDatabase, now: Millis, limit = 500): { jobs: number; clones: number } {
	const before = now - RETENTION_DAYS * 86_400_000;
	return db.transaction(() => {
		// A key goes with its job, never before: a repeated request either finds its job or makes a new one.
		db.run(SQL.keys, before, limit);
		return { jobs: db.run(SQL.jobs, before, limit), clones: db.run(SQL.clones, before, limit) };
	});
}
