/**
 * Clones' databases on one MySQL or MariaDB server that they share.
 *
 * Gotchas: in a GRANT the underscore of a database's name stands for any character, so that one clone's rights would reach
 * another's; it is escaped, unless the server takes names literally (`partial_revokes`). A connection outlives the password
 * it was opened with, so connections are ended by hand. DROP DATABASE waits for whoever uses it, by default for a day.
 */
import { randomBytes } from 'node:crypto';
import { createPool, type Pool, type PoolConnection, type RowDataPacket } from 'mysql2/promise';
import { PermanentError } from '../../core/errors.ts';
import type { CloneDatabases, DatabaseConnection } from '../../core/ports.ts';
import { mysqlError } from './mysql-errors.ts';

export interface MysqlServer {
	readonly host: string;
	readonly port: number;
	/** An account that may make databases and users; the runbook lists its rights. */
	readonly user: string;
	readonly password: string;
	/** What names of databases and users begin with, before `_`: small letters and digits. Services that share a server must differ in it. */
	readonly prefix: string;
	/** Null: no encryption. Else all connections are encrypted, clones' too; `ca`: PEM, for a server that no public authority vouches for. */
	readonly tls: { readonly ca: string | null } | null;
}

/** What a WordPress and an import need. No routines, no events (a clone runs nothing by itself), nothing of other databases. */
const RIGHTS = [
	...['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'CREATE', 'DROP', 'REFERENCES', 'INDEX', 'ALTER'],
	...['CREATE TEMPORARY TABLES', 'LOCK TABLES', 'CREATE VIEW', 'SHOW VIEW', 'TRIGGER'],
].join(', ');
/** A clone's web server has six processes; the import and a person with a client come on top. */
const CONNECTIONS = 20;
/** Names of users have at most this many characters in MySQL. */
const NAME_MAX = 32;
const SLOT_ID = /^[a-z]([a-z0-9-]*[a-z0-9])?$/;
const PREFIX = /^[a-z][a-z0-9]{0,9}$/;
const CONNECT_MS = 5000;
const QUERY_MS = 30_000;
const LOCK_SECONDS = 10;
/** A slot of this name is made and dropped by `check`. */
const CHECK_SLOT = 'check';
const NO_SUCH_THREAD = 1094;
const KILL_DENIED = 1095;

export class MysqlCloneDatabases implements CloneDatabases {
	readonly #server: MysqlServer;
	readonly #pool: Pool;

	/** @throws PermanentError `bad_database_prefix` */
	constructor(server: MysqlServer) {
		if (!PREFIX.test(server.prefix)) {
			throw new PermanentError('bad_database_prefix', "The databases' prefix has small letters and digits, a letter first, at most ten.");
		}
		this.#server = server;
		this.#pool = createPool({
			host: server.host,
			port: server.port,
			user: server.user,
			password: server.password,
			charset: 'utf8mb4',
			connectTimeout: CONNECT_MS,
			connectionLimit: 4,
			maxIdle: 1,
			idleTimeout: 60_000,
			...(server.tls === null
				? {}
				: { ssl: { rejectUnauthorized: true, verifyIdentity: true, ...(server.tls.ca === null ? {} : { ca: server.tls.ca }) } }),
		});
	}

	/** Makes and drops a database: what would fail every clone is said at start. @throws as `create` and `drop` */
	async check(): Promise<void> {
		await this.create(CHECK_SLOT);
		await this.list();
		await this.drop(CHECK_SLOT);
	}

	/** @throws PermanentError `bad_slot_id`, `database_forbidden`; TransientError `database_…` */
	async create(slotId: string): Promise<DatabaseConnection> {
		const name = this.#name(slotId);
		const password = randomBytes(24).toString('hex');
		const account = `'${name}'@'%'`;
		const limits = `REQUIRE ${this.#server.tls === null ? 'NONE' : 'SSL'} WITH MAX_USER_CONNECTIONS ${CONNECTIONS}`;
		await this.#with('make the database', async (connection) => {
			await query(connection, `CREATE DATABASE IF NOT EXISTS \`${name}\` CHARACTER SET utf8mb4`);
			await query(connection, `CREATE USER IF NOT EXISTS ${account} IDENTIFIED BY ? ${limits}`, [password]);
			await query(connection, `ALTER USER ${account} IDENTIFIED BY ? ${limits}`, [password]);
			await query(connection, `GRANT ${RIGHTS} ON \`${await grantName(connection, name)}\`.* TO ${account}`);
			await endConnections(connection, name);
		});
		const { host, port, tls } = this.#server;
		return { host, port, name, user: name, password, tls: tls !== null };
	}

	async drop(slotId: string): Promise<void> {
		const name = this.#name(slotId);
		await this.#with('drop the database', async (connection) => {
			// The user first: nobody comes back between the end of his connections and the end of the database.
			await query(connection, `DROP USER IF EXISTS '${name}'@'%'`);
			await endConnections(connection, name);
			await query(connection, `DROP DATABASE IF EXISTS \`${name}\``);
		});
	}

	async list(): Promise<readonly string[]> {
		const start = `${this.#server.prefix}_`;
		const rows = await this.#with('list the databases', (connection) =>
			query(
				connection,
				'SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE LEFT(SCHEMA_NAME, ?) = ? UNION SELECT User FROM mysql.user WHERE LEFT(User, ?) = ?',
				[start.length, start, start.length, start],
			),
		);
		const slots = rows.map((row) => String(row.name).slice(start.length).replaceAll('_', '-'));
		// What is not a name of ours is somebody else's.
		return [...new Set(slots)].filter((slot) => SLOT_ID.test(slot));
	}

	async close(): Promise<void> {
		await this.#pool.end();
	}

	/** A slot's id has no underscore, so the way back is plain. */
	#name(slotId: string): string {
		const name = `${this.#server.prefix}_${slotId.replaceAll('-', '_')}`;
		if (!SLOT_ID.test(slotId) || name.length > NAME_MAX) {
			throw new PermanentError('bad_slot_id', `The name of a slot with a database is a DNS label; ${name.length} characters are too many.`);
		}
		return name;
	}

	async #with<T>(doing: string, use: (connection: PoolConnection) => Promise<T>): Promise<T> {
		let connection: PoolConnection | undefined;
		let sound = false;
		try {
			connection = await this.#pool.getConnection();
			await query(connection, `SET SESSION lock_wait_timeout = ${LOCK_SECONDS}`);
			const result = await use(connection);
			sound = true;
			return result;
		} catch (cause) {
			throw mysqlError(cause, doing);
		} finally {
			if (sound) connection?.release();
			else connection?.destroy();
		}
	}
}

/** @param values are escaped by the driver: the statements that take a password cannot be prepared */
async function query(connection: PoolConnection, sql: string, values: (string | number)[] = []): Promise<RowDataPacket[]> {
	const [rows] = await connection.query<RowDataPacket[]>({ sql, values, timeout: QUERY_MS });
	return rows;
}

async function grantName(connection: PoolConnection, name: string): Promise<string> {
	const [setting] = await query(connection, "SHOW GLOBAL VARIABLES LIKE 'partial_revokes'");
	return setting?.Value === 'ON' ? name : name.replaceAll('_', '\\_');
}

async function endConnections(connection: PoolConnection, user: string): Promise<void> {
	for (const { id } of await query(connection, 'SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = ?', [user])) {
		await endConnection(connection, Number(id));
	}
}

/** On RDS nobody has the right to end another's connection; there is a procedure for it instead. */
async function endConnection(connection: PoolConnection, id: number): Promise<void> {
	for (const statement of [`KILL CONNECTION ${id}`, `CALL mysql.rds_kill(${id})`]) {
		try {
			await query(connection, statement);
			return;
		} catch (cause) {
			const errno = cause instanceof Error && 'errno' in cause ? cause.errno : 0;
			// It ended by itself meanwhile.
			if (errno === NO_SUCH_THREAD) return;
			if (errno !== KILL_DENIED || statement.startsWith('CALL')) throw cause;
		}
	}
}
