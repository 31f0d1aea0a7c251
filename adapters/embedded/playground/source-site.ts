/**
 * A plain WordPress in a process of its own: what the demo clones and what tests run plugins on. Looks to its plugins
 * like any site on SQLite (its own wp-config.php, the integration as a must-use plugin), and may reach any address.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { INSTALL_CODE, randomSalts } from './bundle/install-template.ts';
import type { WordPressBundle } from './bundle/wordpress-bundle.ts';
import { nearestPhp } from './php/runtime.ts';
import type { SiteConfig } from './server/site-config.ts';
import type { SiteReply, SiteRequest } from './server/site-process.ts';
import { copyWordPress, setAddress } from './slot-files.ts';

/** The script every site process runs. A path, not an import: adapters do not know the entry points. */
export const siteEntry = fileURLToPath(new URL('../../../bin/playground-site.ts', import.meta.url));

export const SOURCE_ADMIN = { username: 'admin', password: 'password' } as const;

export interface SourceSiteOptions {
	readonly bundle: WordPressBundle;
	/** e.g. `7.4`; the nearest installed version is taken. @default 8.4 */
	readonly php?: string;
	/** `[A-Za-z0-9_]+`. Another than `wp_` costs an installation (2 s). @default wp_ */
	readonly tablePrefix?: string;
	/** upload_max_filesize and post_max_size. @default 64M */
	readonly uploadLimit?: string;
	/** @default 128M */
	readonly memoryLimit?: string;
	/** More php.ini settings. */
	readonly ini?: Readonly<Record<string, string>>;
	/** Plugin folders or single files, copied to wp-content/plugins and activated. */
	readonly plugins?: readonly string[];
	/** PHP for wp-config.php, before WordPress is loaded: `define( 'DISALLOW_FILE_MODS', true );` */
	readonly config?: string;
	/** Whether it may call other hosts than itself. Off, so that no page waits for WordPress.org. @default false */
	readonly callsOut?: boolean;
	/** @default 2: enough for a site that calls itself over HTTP */
	readonly workers?: number;
	/** @default 0: any */
	readonly port?: number;
	/** Run once the site is up. */
	readonly seed?: (site: SourceSite) => Promise<unknown>;
}

export interface SourceSite {
	/** Without a trailing slash. */
	readonly url: string;
	/** The document root. */
	readonly dir: string;
	/** What the process and PHP logged. */
	readonly logFile: string;
	readonly tablePrefix: string;
	/** Runs PHP inside WordPress (no opening tag; current folder is the document root). @returns what it printed @throws Error with PHP's message when it failed */
	evalPhp(code: string): Promise<string>;
	readonly php: {
		/** The same as `evalPhp`. */
		run(code: string): Promise<string>;
		/** Runs a script of its own, opening tag included, without loading WordPress. */
		raw(code: string): Promise<string>;
		/** Throws the PHP instances away, so that changed files are seen by all of them. */
		recycle(): Promise<void>;
	};
	/** Ends the process and removes the folder. Idempotent. */
	stop(): Promise<void>;
}

/** @throws Error when the site does not come up; its log is in the message */
export async function bootSourceSite(options: SourceSiteOptions): Promise<SourceSite> {
	const root = await mkdtemp(join(tmpdir(), 'wp-clone-site-'));
	const tablePrefix = options.tablePrefix ?? 'wp_';
	if (!/^[A-Za-z0-9_]+$/.test(tablePrefix)) throw new Error(`Not a table prefix: ${tablePrefix}`);
	const config = layOut(root, tablePrefix, options);
	const child = spawnSite(root, config);
	const logFile = join(config.stateDir, 'site.log');
	try {
		const channel = new Channel(child, logFile);
		const url = await channel.ready;
		const site: SourceSite = {
			url,
			dir: config.documentRoot,
			logFile,
			tablePrefix,
			evalPhp: (code) => channel.request({ op: 'eval', code: `<?php require_once 'wp-load.php';\n${code}` }),
			php: {
				run: (code) => site.evalPhp(code),
				raw: (code) => channel.request({ op: 'eval', code }),
				recycle: async () => {
					await channel.request({ op: 'recycle' });
				},
			},
			stop: async () => {
				await end(child);
				await rm(root, { recursive: true, force: true, maxRetries: 3 });
			},
		};
		if (tablePrefix !== 'wp_') await install(site);
		setAddress(config.documentRoot, tablePrefix, url);
		await site.evalPhp(`wp_set_password( '${SOURCE_ADMIN.password}', 1 );`);
		for (const plugin of options.plugins ?? []) await activate(site, plugin);
		await options.seed?.(site);
		return site;
	} catch (cause) {
		await end(child);
		await rm(root, { recursive: true, force: true, maxRetries: 3 });
		throw cause;
	}
}

function layOut(root: string, tablePrefix: string, options: SourceSiteOptions): SiteConfig {
	const siteDir = join(root, 'site');
	const documentRoot = join(siteDir, 'wordpress');
	const content = join(documentRoot, 'wp-content');
	mkdirSync(siteDir);
	copyWordPress(options.bundle.dir, documentRoot);
	if (tablePrefix !== 'wp_') rmSync(join(content, 'database', '.ht.sqlite'));
	const integration = join(content, 'mu-plugins', 'sqlite-database-integration');
	mkdirSync(join(content, 'mu-plugins'));
	cpSync(options.bundle.sqliteIntegration, integration, { recursive: true });
	const dropIn = readFileSync(join(integration, 'db.copy'), 'utf8');
	writeFileSync(
		join(content, 'db.php'),
		dropIn
			.replaceAll('{SQLITE_IMPLEMENTATION_FOLDER_PATH}', integration)
			.replaceAll('{SQLITE_PLUGIN}', 'sqlite-database-integration/load.php'),
	);
	writeFileSync(join(documentRoot, 'wp-config.php'), wpConfig(tablePrefix, options));
	for (const plugin of options.plugins ?? []) cpSync(plugin, join(content, 'plugins', basename(plugin)), { recursive: true });
	const uploadLimit = options.uploadLimit ?? '64M';
	const config: SiteConfig = {
		mode: 'site',
		slotRoot: null,
		siteDir,
		documentRoot,
		stateDir: join(root, 'state'),
		host: '127.0.0.1',
		port: options.port ?? 0,
		php: nearestPhp(options.php ?? null),
		workers: options.workers ?? 2,
		ini: {
			memory_limit: options.memoryLimit ?? '128M',
			upload_max_filesize: uploadLimit,
			post_max_size: uploadLimit,
			...options.ini,
		},
		maxBodyBytes: 64 * 1024 * 1024,
		allowPrivate: true,
		bundleDir: null,
	};
	mkdirSync(config.stateDir, { mode: 0o700 });
	return config;
}

function wpConfig(tablePrefix: string, options: SourceSiteOptions): string {
	const salts = Object.entries(randomSalts())
		.map(([name, value]) => `define( '${name}', '${value}' );`)
		.join('\n');
	return `<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'wordpress' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'SQLITE_JOURNAL_MODE', 'DELETE' );
${salts}
$table_prefix = '${tablePrefix}';
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_AUTO_UPDATE_CORE', false );
define( 'WP_HTTP_BLOCK_EXTERNAL', ${options.callsOut ? 'false' : 'true'} );
${options.config ?? ''}
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
`;
}

function spawnSite(root: string, config: SiteConfig): ChildProcess {
	const configFile = join(root, 'state', 'config.json');
	writeFileSync(configFile, JSON.stringify(config));
	const log = openSync(join(config.stateDir, 'site.log'), 'a', 0o600);
	return fork(siteEntry, [configFile], { stdio: ['ignore', log, log, 'ipc'], execArgv: [] });
}

async function install(site: SourceSite): Promise<void> {
	const printed = await site.php.raw(INSTALL_CODE);
	if (!printed.endsWith('installed:1')) throw new Error(`WordPress could not be installed: ${printed}`);
}

/** @param plugin a folder (whose main file is found by its header) or a single file */
async function activate(site: SourceSite, plugin: string): Promise<void> {
	const printed = await site.evalPhp(`
		require_once ABSPATH . 'wp-admin/includes/plugin.php';
		foreach ( get_plugins() as $file => $data ) {
			if ( ${phpString(basename(plugin))} === strtok( $file, '/' ) ) {
				$result = activate_plugin( $file );
				echo is_wp_error( $result ) ? $result->get_error_message() : 'active';
			}
		}`);
	if (!printed.includes('active')) throw new Error(`The plugin ${basename(plugin)} could not be activated: ${printed}`);
}

/** A PHP string literal of any text. */
export function phpString(text: string): string {
	return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** Requests to the site's process over its IPC channel, each answered once. */
class Channel {
	readonly ready: Promise<string>;
	readonly #child: ChildProcess;
	readonly #waiting = new Map<number, (reply: SiteReply) => void>();
	#next = 1;

	constructor(child: ChildProcess, logFile: string) {
		this.#child = child;
		this.ready = new Promise((resolve, reject) => {
			this.#waiting.set(0, (reply) => (reply.ok ? resolve(String(JSON.parse(reply.output).url)) : reject(new Error(reply.message))));
			child.once('error', reject);
			child.once('exit', (code, signal) => {
				const failure: SiteReply = { id: 0, ok: false, message: `The site's process ended (${signal ?? code}): ${tail(logFile)}` };
				for (const answer of this.#waiting.values()) answer(failure);
				this.#waiting.clear();
			});
		});
		child.on('message', (reply: SiteReply) => {
			this.#waiting.get(reply.id)?.(reply);
			this.#waiting.delete(reply.id);
		});
	}

	async request(request: { op: 'eval'; code: string } | { op: 'recycle' }): Promise<string> {
		const id = this.#next++;
		const reply = await new Promise<SiteReply>((resolve) => {
			this.#waiting.set(id, resolve);
			const message: SiteRequest = { id, ...request };
			this.#child.send(message, (cause) => {
				if (cause) resolve({ id, ok: false, message: cause.message });
			});
		});
		if (!reply.ok) throw new Error(reply.message);
		return reply.output;
	}
}

function tail(path: string): string {
	try {
		return readFileSync(path, 'utf8').slice(-4000);
	} catch {
		return 'it left no log';
	}
}

async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
	child.kill('SIGTERM');
	const timer = setTimeout(() => child.kill('SIGKILL'), 4000);
	await ended;
	clearTimeout(timer);
}
