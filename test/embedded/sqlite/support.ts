import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../../adapters/embedded/sqlite/sqlite-database.ts';

/** A folder of its own, and what is in it. */
export function temporaryFolder(): { path: string; remove(): void } {
	const path = mkdtempSync(join(tmpdir(), 'sqlite-'));
	return { path, remove: () => rmSync(path, { recursive: true }) };
}

export function temporaryDatabase(): { db: SqliteDatabase; path: string; close(): Promise<void> } {
	const folder = temporaryFolder();
	const path = join(folder.path, 'store.sqlite');
	const db = new SqliteDatabase(path);
	return {
		db,
		path,
		async close() {
			db.close();
			folder.remove();
		},
	};
}
