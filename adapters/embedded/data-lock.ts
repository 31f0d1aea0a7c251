import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { PermanentError } from '../../core/errors.ts';

/**
 * Holds a folder for one process: an exclusive SQLite transaction on a file of its own, which the system gives up when
 * the process ends, however it ends.
 * @throws PermanentError `data_in_use` when another process holds it.
 */
export function lockData(path: string): { release(): void } {
	closeSync(openSync(path, 'a', 0o600));
	chmodSync(path, 0o600);
	const db = new DatabaseSync(path, { timeout: 0 });
	try {
		db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
	} catch (error) {
		db.close();
		throw new PermanentError(
			'data_in_use',
			`Another service already runs on this data folder (${path}). Stop it, or name another with --data.`,
			{
				cause: error,
			},
		);
	}
	return { release: () => db.close() };
}
