/** The databases of clones that asked for MySQL. */
import { readFile } from 'node:fs/promises';
import { MysqlCloneDatabases } from '../../adapters/mysql/mysql-clone-databases.ts';
import type { MysqlSettings } from './mysql-settings.ts';

/** @throws ProductError, Error with a sentence that says what to do when the server cannot be used as it is. */
export async function openDatabases(settings: MysqlSettings): Promise<MysqlCloneDatabases> {
	const { host, port, user, prefix, tls } = settings;
	const databases = new MysqlCloneDatabases({
		host,
		port,
		user,
		prefix,
		password:
			'value' in settings.password ? settings.password.value : (await read('--mysql-password-file', settings.password.file)).trimEnd(),
		tls: tls === null ? null : { ca: tls.caFile === null ? null : await read('--mysql-ca', tls.caFile) },
	});
	try {
		await databases.check();
		return databases;
	} catch (error) {
		await databases.close();
		throw error;
	}
}

async function read(option: string, path: string): Promise<string> {
	try {
		return await readFile(path, 'utf8');
	} catch (cause) {
		throw new Error(`The file of ${option} cannot be read.`, { cause });
	}
}
