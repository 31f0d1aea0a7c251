import type { Millis } from '../../../core/jobs/job.ts';
import type { SqliteDatabase } from './sqlite-database.ts';

/**
 * What the last process of this data folder left in its hands: messages it had received become visible, leases it held
 * end now. Only for a process that holds the folder's lock: nobody else can be working. The lease's holder stays
 * written, so that the engine counts the crash.
 * @returns how many messages and leases there were.
 */
export function recoverFromCrash(db: SqliteDatabase, now: Millis): { messages: number; leases: number } {
	return db.transaction(() => ({
		messages: db.run('UPDATE messages SET visible_at = ?, receipt = NULL WHERE receipt IS NOT NULL', now),
		leases: db.run('UPDATE jobs SET lease_until = ? WHERE lease_holder IS NOT NULL AND lease_until > ?', now, now),
	}));
}
