/**
 * Clones' databases on a server whose administrator's password somebody else keeps and changes (RDS, in Secrets Manager,
 * every week): read when the first database is wanted, and again when the server refuses it.
 */
import * as z from 'zod';
import { PermanentError, ProductError } from '../../core/errors.ts';
import type { CloneDatabases, DatabaseConnection } from '../../core/ports.ts';
import type { MysqlServer } from '../mysql/mysql-clone-databases.ts';

export interface OpenDatabases extends CloneDatabases {
	close(): Promise<void>;
}

export interface ManagedMysqlOptions {
	readonly server: Omit<MysqlServer, 'user' | 'password'>;
	/** The secret as RDS writes it: JSON with `username` and `password`. */
	readonly secret: () => Promise<string>;
	readonly open?: (server: MysqlServer) => OpenDatabases | Promise<OpenDatabases>;
}

const loginSchema = z.object({ username: z.string().min(1), password: z.string().min(1) });

export class ManagedMysqlDatabases implements OpenDatabases {
	readonly #options: ManagedMysqlOptions;
	#opened: Promise<OpenDatabases> | undefined;

	constructor(options: ManagedMysqlOptions) {
		this.#options = options;
	}

	/** @throws as MysqlCloneDatabases and secrets-manager.ts; PermanentError `database_login_missing` */
	create(slotId: string): Promise<DatabaseConnection> {
		return this.#with((databases) => databases.create(slotId));
	}

	drop(slotId: string): Promise<void> {
		return this.#with((databases) => databases.drop(slotId));
	}

	list(): Promise<readonly string[]> {
		return this.#with((databases) => databases.list());
	}

	async close(): Promise<void> {
		const opened = this.#opened;
		this.#opened = undefined;
		await (await opened)?.close();
	}

	async #with<T>(use: (databases: OpenDatabases) => Promise<T>): Promise<T> {
		const first = this.#open();
		try {
			return await use(await first);
		} catch (error) {
			if (!(error instanceof ProductError) || error.code !== 'database_login_refused') throw error;
			// Only who still has the old login opens anew: several are refused at once.
			if (this.#opened === first) await this.close();

			return use(await this.#open());
		}
	}

	#open(): Promise<OpenDatabases> {
		if (this.#opened === undefined) {
			const opening = this.#login();
			this.#opened = opening;
			opening.catch(() => {
				if (this.#opened === opening) this.#opened = undefined;
			});
		}
		return this.#opened;
	}

	async #login(): Promise<OpenDatabases> {
		const { server, secret, open = openMysql } = this.#options;
		const text = await secret();
		let login: z.infer<typeof loginSchema>;
		try {
			login = loginSchema.parse(JSON.parse(text));
		} catch {
			// Without the cause: it might repeat the secret.
			throw new PermanentError(
				'database_login_missing',
				'The secret of the database server holds no user and password. Deploy the stacks again.',
			);
		}
		return open({ ...server, user: login.username, password: login.password });
	}
}

/** Loaded when it is wanted: a driver of a megabyte that most functions never use. */
async function openMysql(server: MysqlServer): Promise<OpenDatabases> {
	const { MysqlCloneDatabases } = await import('../mysql/mysql-clone-databases.ts');
	return new MysqlCloneDatabases(server);
}
