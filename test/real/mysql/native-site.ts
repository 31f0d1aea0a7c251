import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { defaultCacheDir, ensureBundle } from '../../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { PLUGIN } from '../../plugin/source/support.ts';
import { PEAK_PLUGIN } from '../../support/migrator/peak.ts';
import { freePort, type Mariadb, startMariadb } from './mariadb.ts';

export const ADMIN = { username: 'admin', password: 'password' } as const;

/** The user that PHP runs as. */
const NOBODY = { uid: 65534, gid: 65534 } as const;

/** WordPress on the machine's own PHP and a private MariaDB. */
export interface NativeSite {
	readonly url: string;
	readonly dir: string;
	readonly db: Mariadb;
	/** SQL in the site's database. */
	sql(text: string): Promise<string>;
	/** wp-cli. */
	wp(...args: readonly string[]): Promise<string>;
	/** The same site served by another PHP process, with these PHP lines at the top of its configuration. */
	serveWith(config: string): Promise<{ readonly url: string; stop(): Promise<void> }>;
	stop(): Promise<void>;
}

export async function startNativeSite(): Promise<NativeSite> {
	const db = await startMariadb();
	const dir = await mkdtemp(join(tmpdir(), 'migrator-site-'));
	const running: ChildProcess[] = [];
	const stop = async (): Promise<void> => {
		for (const child of running) kill(child);
		await db.stop();
		await rm(dir, { recursive: true, force: true });
	};
	try {
		const bundle = await ensureBundle({ cacheDir: defaultCacheDir(process.env) });
		await cp(bundle.wordpress, dir, { recursive: true });
		await cp(PLUGIN, join(dir, 'wp-content/plugins/custom-migrator'), { recursive: true });
		await mkdir(join(dir, 'wp-content/mu-plugins'), { recursive: true });
		await writeFile(join(dir, 'wp-content/mu-plugins/peak.php'), PEAK_PLUGIN);
		await db.sql('CREATE DATABASE wp CHARACTER SET utf8mb4');
		const { child, url } = await serve(dir, '');
		running.push(child);
		await writeFile(join(dir, 'wp-config.php'), wpConfig(db.socket, url));
		const wp = async (...args: readonly string[]): Promise<string> =>
			(await promisify(execFile)('php', [bundle.wpCli, '--allow-root', `--path=${dir}`, ...args])).stdout;
		await wp(
			'core',
			'install',
			`--url=${url}`,
			'--title=Source',
			`--admin_user=${ADMIN.username}`,
			`--admin_password=${ADMIN.password}`,
			'--admin_email=admin@example.com',
			'--skip-email',
		);
		await wp('plugin', 'activate', 'custom-migrator');
		await promisify(execFile)('chown', ['-R', `${NOBODY.uid}:${NOBODY.gid}`, dir]);
		return {
			url,
			dir,
			db,
			wp,
			stop,
			sql: (text) => db.sql(text, 'wp'),
			serveWith: async (config) => {
				const other = await serve(dir, config);
				running.push(other.child);
				return {
					url: other.url,
					stop: async () => {
						kill(other.child);
					},
				};
			},
		};
	} catch (cause) {
		await stop();
		throw cause;
	}
}

async function serve(dir: string, config: string): Promise<{ child: ChildProcess; url: string }> {
	const port = await freePort();
	const prepend = join(dir, `prepend-${port}.inc`);
	await writeFile(prepend, `<?php ${config}`);
	const log = join(dir, `php-${port}.log`);
	const settings = {
		memory_limit: '128M',
		max_execution_time: '30',
		post_max_size: '8M',
		display_errors: '1',
		log_errors: '1',
		error_log: log,
	};
	const child = spawn(
		'php',
		[
			...Object.entries({ ...settings, auto_prepend_file: prepend }).flatMap(([name, value]) => ['-d', `${name}=${value}`]),
			'-S',
			`127.0.0.1:${port}`,
			'-t',
			dir,
		],
		{
			stdio: ['ignore', 'ignore', 'pipe'],
			env: { ...process.env, PHP_CLI_SERVER_WORKERS: '3' },
			// A group of its own, because the server's workers outlive it.
			detached: true,
			// As on a host, PHP is not root: what it may not read, it cannot read.
			...NOBODY,
		},
	);
	await new Promise<void>((resolve, reject) => {
		child.stderr?.on('data', (chunk: Buffer) => {
			if (chunk.includes('started')) resolve();
		});
		child.once('error', reject);
		child.once('exit', (code) => reject(new Error(`php -S ended with ${code}`)));
	});
	return { child, url: `http://127.0.0.1:${port}` };
}

function kill(child: ChildProcess): void {
	try {
		if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
	} catch (cause) {
		if (!(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')) throw cause;
	}
}

function wpConfig(socket: string, url: string): string {
	return `<?php
define( 'DB_NAME', 'wp' );
define( 'DB_USER', 'root' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost:${socket}' );
if ( ! defined( 'DB_CHARSET' ) ) {
	define( 'DB_CHARSET', 'utf8mb4' );
}
define( 'DB_COLLATE', '' );
define( 'AUTH_KEY', 'a' );
define( 'WP_HOME', '${url}' );
define( 'WP_SITEURL', '${url}' );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
$table_prefix = 'wp_';
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
`;
}

/** What PHP logged. */
export async function phpLog(site: NativeSite): Promise<string> {
	return readFile(join(site.dir, `php-${new URL(site.url).port}.log`), 'utf8').catch(() => '');
}
