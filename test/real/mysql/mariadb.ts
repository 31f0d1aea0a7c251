import { execFile, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A private MariaDB server: its data and socket in a temporary folder, no network unless asked for. */
export interface Mariadb {
	readonly socket: string;
	/** Null without network. */
	readonly port: number | null;
	/** The folder of a database's files. */
	readonly dataDir: string;
	/** Runs SQL in a database as utf8mb4. @returns rows as tab-separated text, no header */
	sql(text: string, database?: string): Promise<string>;
	/** A whole database as SQL text, one row a line. */
	dump(database: string): Promise<string>;
	stop(): Promise<void>;
}

export interface MariadbOptions {
	/** Listens on a port too: of 127.0.0.1, or of this address. */
	readonly network?: boolean | string;
	/** More of its options, e.g. `--max-allowed-packet=32M`: these win. */
	readonly flags?: readonly string[];
}

/** @throws Error when the server does not come up; what it logged is in the message */
export async function startMariadb(options: MariadbOptions = {}): Promise<Mariadb> {
	const address = typeof options.network === 'string' ? options.network : '127.0.0.1';
	const port = options.network === true || typeof options.network === 'string' ? await freePort() : null;
	const dir = await mkdtemp(join(tmpdir(), 'migrator-mariadb-'));
	// The socket is for a PHP that runs as another user.
	await chmod(dir, 0o755);
	const dataDir = join(dir, 'data');
	const socket = join(dir, 'sock');
	await promisify(execFile)('mariadb-install-db', [
		'--no-defaults',
		`--datadir=${dataDir}`,
		'--user=root',
		'--auth-root-authentication-method=normal',
		'--skip-test-db',
	]);
	const server = spawn(
		'mariadbd',
		[
			'--no-defaults',
			`--datadir=${dataDir}`,
			`--socket=${socket}`,
			...(port === null ? ['--skip-networking'] : [`--bind-address=${address}`, `--port=${port}`, '--skip-name-resolve']),
			'--user=root',
			'--max-allowed-packet=256M',
			'--innodb-log-file-size=512M',
			'--innodb-flush-log-at-trx-commit=0',
			...(options.flags ?? []),
		],
		// A time zone whose clock runs back once a year.
		{ stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TZ: 'Europe/Berlin' } },
	);
	const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
	let log = '';
	await new Promise<void>((resolve, reject) => {
		server.stderr.on('data', (chunk: Buffer) => {
			log += chunk.toString();
			if (log.includes('ready for connections')) resolve();
		});
		server.once('error', reject);
		server.once('exit', () => reject(new Error(`mariadbd ended: ${log}`)));
	});
	return {
		socket,
		port,
		dataDir,
		sql: (text, database = 'mysql') =>
			run(
				'mariadb',
				['--no-defaults', '-S', socket, '--default-character-set=utf8mb4', '--batch', '--skip-column-names', '--raw', database],
				text,
			),
		dump: (database) =>
			run('mariadb-dump', ['--no-defaults', '-S', socket, '--skip-extended-insert', '--skip-dump-date', '--hex-blob', database], ''),
		stop: async () => {
			server.kill('SIGTERM');
			await exited;
			await rm(dir, { recursive: true, force: true });
		},
	};
}

/** A server that listens on port 0 is not what MariaDB can be told, nor PHP's own. */
export async function freePort(): Promise<number> {
	const server = createServer();
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const address = server.address();
	await new Promise((resolve) => server.close(resolve));
	if (address === null || typeof address === 'string') throw new Error('no port');
	return address.port;
}

async function run(program: string, args: readonly string[], input: string): Promise<string> {
	const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
	const out: Buffer[] = [];
	const err: Buffer[] = [];
	child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
	child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
	child.stdin.end(input);
	const code = await new Promise<number | null>((resolve, reject) => {
		child.once('error', reject);
		child.once('close', resolve);
	});
	if (code !== 0) throw new Error(`${program} ended with ${code}: ${Buffer.concat(err)}`);
	return Buffer.concat(out).toString();
}
