/** A real WordPress on SQLite, filled with the benchmark's rows, and one PHP that sees it. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import type { WordPressBundle } from '../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { openNetwork } from '../../adapters/embedded/playground/php/network-policy.ts';
import { runPhp } from '../../adapters/embedded/playground/php/run.ts';
import { createPhp } from '../../adapters/embedded/playground/php/runtime.ts';
import { copyWordPress, setAddress } from '../../adapters/embedded/playground/slot-files.ts';
import type { TableRows } from './rewrite-rows.ts';

export const PLUGIN = join(import.meta.dirname, '../../wordpress/custom-migrator/includes');

export interface BenchSite {
	readonly documentRoot: string;
	readonly databaseFile: string;
	/** Runs PHP in an instance of its own; the same settings for everybody. @returns what it printed, and the processor time it took, without the boot of PHP itself: all of it runs in this process */
	run(code: string): Promise<{ output: string; seconds: number }>;
	/** The values of the benchmark's rows, in order. */
	values(): (string | number | null)[][];
	/** Puts the database back as it was. */
	reset(): void;
	remove(): void;
}

export function makeSite(bundle: WordPressBundle, url: string, tables: readonly TableRows[]): BenchSite {
	const root = mkdtempSync(join(tmpdir(), 'bench-rewrite-'));
	const documentRoot = join(root, 'wordpress');
	const content = join(documentRoot, 'wp-content');
	const databaseFile = join(content, 'database', '.ht.sqlite');
	const integration = join(content, 'mu-plugins', 'sqlite-database-integration');
	copyWordPress(bundle.dir, documentRoot);
	mkdirSync(join(content, 'mu-plugins'), { recursive: true });
	cpSync(bundle.sqliteIntegration, integration, { recursive: true });
	const dropIn = readFileSync(join(integration, 'db.copy'), 'utf8')
		.replaceAll('{SQLITE_IMPLEMENTATION_FOLDER_PATH}', integration)
		.replaceAll('{SQLITE_PLUGIN}', 'sqlite-database-integration/load.php');
	writeFileSync(join(content, 'db.php'), dropIn);
	writeFileSync(join(documentRoot, 'wp-config.php'), WP_CONFIG);
	setAddress(documentRoot, 'wp_', url);
	fill(databaseFile, tables);
	copyFileSync(databaseFile, join(root, 'filled.sqlite'));

	return {
		documentRoot,
		databaseFile,
		async run(code) {
			const php = await boot(root, bundle);
			try {
				php.chdir(documentRoot);
				const before = process.cpuUsage();
				const { stdout, stderr, exitCode } = await runPhp(php, { code });
				const { user, system } = process.cpuUsage(before);
				const seconds = (user + system) / 1e6;
				if (exitCode !== 0) throw new Error(`PHP failed: ${stderr}\n${stdout.slice(-2000)}`);
				return { output: stdout, seconds };
			} finally {
				php.exit();
			}
		},
		values() {
			const database = new DatabaseSync(databaseFile, { readOnly: true });
			const all = tables.flatMap(({ table, key, columns, firstKey, rows }) => {
				const read = database.prepare(`SELECT ${columns.join(', ')} FROM ${table} WHERE ${key} >= ? AND ${key} < ? ORDER BY ${key}`);
				return read.all(firstKey, firstKey + rows.length).map((row) => columns.map((column) => row[column] as string | number | null));
			});
			database.close();
			return all;
		},
		reset: () => copyFileSync(join(root, 'filled.sqlite'), databaseFile),
		remove: () => rmSync(root, { recursive: true, force: true }),
	};
}

const WP_CONFIG = `<?php
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', 'wordpress' );
define( 'DB_PASSWORD', '' );
define( 'DB_HOST', 'localhost' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'SQLITE_JOURNAL_MODE', 'DELETE' );
$table_prefix = 'wp_';
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
`;

function fill(file: string, tables: readonly TableRows[]): void {
	const database = new DatabaseSync(file);
	database.exec('BEGIN');
	for (const { table, columns, rows } of tables) {
		const insert = database.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`);
		for (const row of rows) insert.run(...row);
	}
	database.exec('COMMIT');
	database.close();
}

async function boot(root: string, bundle: WordPressBundle): Promise<PHP> {
	const php = await createPhp({
		version: '8.4',
		mounts: [root, bundle.dir, PLUGIN],
		tmpDir: join(root, 'tmp'),
		// wp-cli asks a shell for the width of the terminal; there is none.
		ini: { memory_limit: '1024M', disable_functions: 'proc_open,popen,exec,shell_exec,passthru,system' },
		network: openNetwork,
		locks: new FileLockManagerInMemory(),
		symlinks: false,
	});
	// wp-cli refuses any other SAPI; php-wasm's declarations here do not name the method.
	await (php as unknown as { setSapiName(name: string): Promise<void> }).setSapiName('cli');
	return php;
}
