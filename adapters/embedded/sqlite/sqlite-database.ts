/**
 * The one database file of the service on one machine: jobs, clones, queue and schedules.
 * WAL with `synchronous=FULL`: what a call has answered survives kill -9 and power loss. Several processes may open it;
 * writers wait for each other (`busy_timeout`).
 */
import { chmodSync, closeSync, openSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { PermanentError, ProductError, TransientError } from '../../../core/errors.ts';
import { SCHEMA } from './sqlite-schema.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

/** How long a writer waits for another process. */
const BUSY_TIMEOUT_MS = 5000;

/** Primary result codes: https://www.sqlite.org/rescode.html */
const FAULTS: Readonly<Record<number, (path: string, cause: unknown) => ProductError>> = {
	5: busy,
	6: busy,
	8: (path, cause) =>
		new PermanentError('store_readonly', `The database ${path} cannot be written: check the file's owner and mode.`, { cause }),
	10: (path, cause) => new TransientError('store_io', `The disk that holds ${path} reports errors.`, { cause }),
	11: corrupt,
	13: (path, cause) => new TransientError('store_full', `The disk that holds ${path} is full: free some space.`, { cause }),
	14: (path, cause) =>
		new PermanentError('store_unopenable', `The database ${path} cannot be opened: check that its folder exists and may be written.`, {
			cause,
		}),
	26: corrupt,
};

function busy(path: string, cause: unknown): ProductError {
	return new TransientError('store_busy', `The database ${path} is held by another process.`, { cause });
}

function corrupt(path: string, cause: unknown): ProductError {
	return new PermanentError('store_corrupt', `The database ${path} is damaged: stop the service and restore the file from a backup.`, {
		cause,
	});
}

export class SqliteDatabase {
	readonly path: string;
	readonly #db: DatabaseSync;
	readonly #statements = new Map<string, StatementSync>();

	/**
	 * Opens or creates the file (mode 0600) and brings its schema up to date.
	 * @throws PermanentError `store_unopenable`, `store_corrupt`, `store_readonly`, `store_newer`; TransientError `store_busy`, `store_full`, `store_io`
	 */
	constructor(path: string) {
		this.path = path;
		this.#db = this.#guard(() => {
			// SQLite gives its -wal and -shm files the mode of the database file.
			closeSync(openSync(path, 'a', 0o600));
			chmodSync(path, 0o600);
			return new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
		});
		try {
			this.#guard(() => this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;'));
			this.#migrate();
		} catch (error) {
			this.#db.close();
			throw error;
		}
	}

	close(): void {
		this.#statements.clear();
		if (this.#db.isOpen) {
			this.#db.close();
		}
	}

	get(sql: string, ...values: SQLInputValue[]): Row | undefined {
		return this.#guard(() => this.#statement(sql).get(...values));
	}

	all(sql: string, ...values: SQLInputValue[]): Row[] {
		return this.#guard(() => this.#statement(sql).all(...values));
	}

	/** @returns how many rows were changed. */
	run(sql: string, ...values: SQLInputValue[]): number {
		return this.#guard(() => Number(this.#statement(sql).run(...values).changes));
	}

	/** One write transaction; `work` is synchronous, so nothing of this process comes between. Rolled back when it throws. */
	transaction<T>(work: () => T): T {
		this.run('BEGIN IMMEDIATE');
		try {
			const result = work();
			this.run('COMMIT');
			return result;
		} catch (error) {
			if (this.#db.isTransaction) {
				this.run('ROLLBACK');
			}
			throw error;
		}
	}

	#statement(sql: string): StatementSync {
		let statement = this.#statements.get(sql);
		if (statement === undefined) {
			statement = this.#db.prepare(sql);
			this.#statements.set(sql, statement);
		}
		return statement;
	}

	#migrate(): void {
		const version = (): number => Number(this.get('PRAGMA user_version')?.user_version);
		if (version() > SCHEMA.length) {
			throw new PermanentError('store_newer', `The database ${this.path} was written by a newer version of this service: run that one.`);
		}
		if (version() === SCHEMA.length) {
			return;
		}
		this.transaction(() => {
			// Read again: another process may have done it while this one waited.
			for (const migration of SCHEMA.slice(version())) {
				this.#db.exec(migration);
			}
			this.#db.exec(`PRAGMA user_version = ${SCHEMA.length}`);
		});
	}

	#guard<T>(work: () => T): T {
		try {
			return work();
		} catch (error) {
			throw this.#fault(error);
		}
	}

	#fault(error: unknown): unknown {
		if (error instanceof ProductError || !(error instanceof Error)) {
			return error;
		}
		if ('errcode' in error && typeof error.errcode === 'number') {
			// The low byte is the primary code, the rest says more of it.
			return FAULTS[error.errcode & 0xff]?.(this.path, error) ?? error;
		}
		const code = 'code' in error ? error.code : undefined;
		if (code === 'ENOSPC') {
			return FAULTS[13]?.(this.path, error) ?? error;
		}
		return typeof code === 'string' && /^E[A-Z]+$/.test(code) ? (FAULTS[14]?.(this.path, error) ?? error) : error;
	}
}
