/** A server as RDS has it: its administrator may not end connections but by a procedure, and has a password that changes. */
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ManagedMysqlDatabases } from '../../../adapters/aws/managed-mysql-databases.ts';
import { type Mariadb, startMariadb } from './mariadb.ts';
import { ADMIN_SQL, databaseServer } from './service-account.ts';

describe('clones’ databases on RDS', () => {
	let db: Mariadb;
	let password = 'service-password';
	let databases: ManagedMysqlDatabases;
	beforeAll(async () => {
		db = await startMariadb({ network: true });
		await db.sql(ADMIN_SQL.replace(', CONNECTION ADMIN', ''));
		await db.sql(
			"CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) SQL SECURITY DEFINER KILL CONNECTION thread; GRANT EXECUTE ON PROCEDURE mysql.rds_kill TO service@'%'",
		);
		const { host, port, prefix, tls } = databaseServer(db);
		databases = new ManagedMysqlDatabases({
			server: { host, port, prefix, tls },
			secret: async () => JSON.stringify({ username: 'service', password }),
		});
	});
	afterAll(async () => {
		await databases.close();
		await db.stop();
	});

	it('are made anew, and dropped, also while somebody is connected', async () => {
		const connect = async ({ host, port, user, password: own, name }: Awaited<ReturnType<typeof databases.create>>) => {
			const client = await createConnection({ host, port, user, password: own, database: name });
			client.on('error', () => {});
			return client;
		};
		const old = await connect(await databases.create('slot-a'));
		const made = await databases.create('slot-a');
		await expect(old.query('SELECT 1')).rejects.toThrow();
		const holder = await connect(made);
		await holder.query('CREATE TABLE t (a int)');
		await databases.drop('slot-a');
		await expect(holder.query('SELECT 1')).rejects.toThrow();
		expect(await databases.list()).toEqual([]);
	});

	it('go on when the administrator’s password was changed', async () => {
		await databases.create('slot-b');
		password = 'the-next-password';
		await db.sql(`ALTER USER service@'%' IDENTIFIED BY '${password}'; KILL USER service`);
		await databases.create('slot-c');
		expect([...(await databases.list())].sort((a, b) => (a < b ? -1 : 1))).toEqual(['slot-b', 'slot-c']);
		await Promise.all([databases.drop('slot-b'), databases.drop('slot-c')]);
	});
});
