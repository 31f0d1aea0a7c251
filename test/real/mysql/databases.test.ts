import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MysqlCloneDatabases } from '../../../adapters/mysql/mysql-clone-databases.ts';
import type { DatabaseConnection } from '../../../core/ports.ts';
import { cloneDatabasesContract } from '../../contracts/clone-databases.ts';
import { type Mariadb, startMariadb } from './mariadb.ts';
import { ADMIN_SQL, databaseServer as server } from './service-account.ts';

async function opened<T>(connection: DatabaseConnection, use: (run: (sql: string) => Promise<RowDataPacket[]>) => Promise<T>): Promise<T> {
	const { host, port, user, password, name } = connection;
	const client = await createConnection({ host, port, user, password, database: name });
	try {
		return await use(async (sql) => (await client.query<RowDataPacket[]>(sql))[0]);
	} finally {
		client.destroy();
	}
}

cloneDatabasesContract('MariaDB', async () => {
	const db = await startMariadb({ network: true });
	await db.sql(ADMIN_SQL);
	const databases = new MysqlCloneDatabases(server(db));
	return {
		databases,
		write: (connection, word) =>
			opened(connection, async (run) => {
				await run('CREATE TABLE IF NOT EXISTS kept (word varchar(20))');
				await run(`INSERT INTO kept VALUES ('${word}')`);
			}),
		read: (connection) =>
			opened(connection, async (run) => {
				const tables = await run("SHOW TABLES LIKE 'kept'");
				if (tables.length === 0) return null;
				const [row] = await run('SELECT word FROM kept');
				return row === undefined ? null : String(row.word);
			}),
		close: async () => {
			await databases.close();
			await db.stop();
		},
	};
});

describe('a clone on a MariaDB that others share', () => {
	let db: Mariadb;
	let databases: MysqlCloneDatabases;
	beforeAll(async () => {
		db = await startMariadb({ network: true });
		await db.sql(ADMIN_SQL);
		databases = new MysqlCloneDatabases(server(db));
	});
	afterAll(async () => {
		await databases.close();
		await db.stop();
	});

	it('sees no database but its own, and may do nothing beyond it', async () => {
		await db.sql('CREATE DATABASE wordpress; CREATE TABLE wordpress.secrets (a int); CREATE DATABASE clone_other');
		const made = await databases.create('slot-a');
		await opened(made, async (run) => {
			expect((await run('SHOW DATABASES')).map((row) => row.Database)).toEqual(['clone_slot_a', 'information_schema']);
			expect(
				await run(
					"SELECT DISTINCT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema')",
				),
			).toEqual([]);
			for (const sql of [
				'USE wordpress',
				'USE clone_other',
				'SELECT * FROM wordpress.secrets',
				'SELECT * FROM mysql.user',
				'CREATE DATABASE clone_mine',
				'DROP DATABASE wordpress',
				"CREATE USER x@'%' IDENTIFIED BY 'x'",
				"GRANT ALL ON *.* TO 'clone_slot_a'@'%'",
				"GRANT SELECT ON `clone\\_slot\\_a`.* TO service@'%'",
				"SELECT 1 INTO OUTFILE '/tmp/never'",
				"LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
				'CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO SELECT 1',
				'SET GLOBAL max_connections = 1',
				'RENAME TABLE clone_slot_a.t TO wordpress.t',
			]) {
				await expect(run(sql), sql).rejects.toMatchObject({
					errno: expect.toSatisfy((no: number) => [1044, 1045, 1142, 1227, 1410].includes(no)),
				});
			}
			expect(await run("SELECT LOAD_FILE('/etc/hostname') AS f")).toEqual([{ f: null }]);
			expect((await run('SHOW PROCESSLIST')).every((row) => row.User === 'clone_slot_a')).toBe(true);
			// What it does need.
			await run('CREATE TABLE a (id int PRIMARY KEY AUTO_INCREMENT, t text, FULLTEXT KEY (t))');
			await run('CREATE TEMPORARY TABLE b (id int)');
			await run('CREATE VIEW c AS SELECT * FROM a');
			await run('CREATE TRIGGER d BEFORE INSERT ON a FOR EACH ROW SET NEW.t = 1');
			await run('ALTER TABLE a ADD COLUMN n int, ADD KEY (n)');
			await run('LOCK TABLES a WRITE');
			await run('UNLOCK TABLES');
			await run('RENAME TABLE a TO z');
			await run('DROP TABLE z');
		});
		await databases.drop('slot-a');
	});

	it('has no more than its share of connections', async () => {
		const made = await databases.create('slot-many');
		const clients = await Promise.allSettled(
			Array.from({ length: 25 }, () => createConnection({ host: made.host, port: made.port, user: made.user, password: made.password })),
		);
		expect(clients.filter((each) => each.status === 'fulfilled').length).toBe(20);
		for (const each of clients) if (each.status === 'rejected') expect(each.reason).toMatchObject({ errno: 1226 });
		for (const each of clients) if (each.status === 'fulfilled') each.value.destroy();
		await databases.drop('slot-many');
	});

	it('a new password ends the connections that were opened with the old one', async () => {
		const made = await databases.create('slot-renew');
		const { host, port, user, password, name } = made;
		const old = await createConnection({ host, port, user, password, database: name });
		old.on('error', () => {});
		await databases.create('slot-renew');
		await expect(old.query('SELECT 1')).rejects.toThrow();
		await databases.drop('slot-renew');
	});

	it('is dropped also while a connection of its holds a table, and leaves no user', async () => {
		const made = await databases.create('slot-held');
		const { host, port, user, password, name } = made;
		const holder = await createConnection({ host, port, user, password, database: name });
		holder.on('error', () => {});
		await holder.query('CREATE TABLE t (a int)');
		await holder.query('START TRANSACTION');
		await holder.query('SELECT * FROM t');
		await databases.drop('slot-held');
		expect(await db.sql("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'clone\\_%'")).toBe('0\n');
		expect(await db.sql("SELECT COUNT(*) FROM mysql.db WHERE User LIKE 'clone\\_%'")).toBe('0\n');
		holder.destroy();
	});

	it('lists a user whose database is gone, and a database whose user is gone, and drops either', async () => {
		await databases.create('slot-half');
		await databases.create('slot-other');
		await db.sql("DROP DATABASE clone_slot_half; DROP USER clone_slot_other@'%'");
		expect(new Set((await databases.list()).filter((slot) => slot.startsWith('slot')))).toEqual(new Set(['slot-half', 'slot-other']));
		await databases.drop('slot-half');
		await databases.drop('slot-other');
		expect([...(await databases.list())].filter((slot) => slot.startsWith('slot'))).toEqual([]);
	});

	it('leaves alone what is not named as it names: other prefixes, capitals, an underscore too many', async () => {
		await db.sql('CREATE DATABASE cloned_slot; CREATE DATABASE clone__x; CREATE DATABASE `clone_Upper`');
		const listed = await databases.list();
		expect(listed).not.toContain('d-slot');
		expect(listed.every((slot) => /^[a-z][a-z0-9-]*$/.test(slot))).toBe(true);
		expect(listed).not.toContain('Upper');
	});

	it('says what is wrong with the server, and never the password', async () => {
		await expect(databases.check()).resolves.toBeUndefined();
		const wrong = new MysqlCloneDatabases(server(db, { password: 'not-the-password' }));
		await expect(wrong.check()).rejects.toMatchObject({ code: 'database_login_refused' });
		await wrong.close();
		const nobody = new MysqlCloneDatabases(server(db, { port: 1 }));
		const error: unknown = await nobody.check().catch((caught: unknown) => caught);
		expect(error).toMatchObject({ code: 'database_unreachable' });
		expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('service-password');
		await nobody.close();
		await db.sql("CREATE USER weak@'%' IDENTIFIED BY 'weak'; GRANT CREATE ON `clone\\_%`.* TO weak@'%'");
		const weak = new MysqlCloneDatabases(server(db, { user: 'weak', password: 'weak' }));
		await expect(weak.check()).rejects.toMatchObject({ name: 'PermanentError', code: 'database_forbidden' });
		await weak.close();
		await db.sql('DROP DATABASE IF EXISTS clone_check');
		expect(() => new MysqlCloneDatabases(server(db, { prefix: 'a_b' }))).toThrow(expect.objectContaining({ code: 'bad_database_prefix' }));
	});
});
