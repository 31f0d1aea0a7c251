/**
 * Rewriting a site's URL beside `wp search-replace`: the same rows of a real WordPress database (SQLite), the same PHP.
 *
 * - Whole: each side reads every row of the tables, rewrites, and writes what changed back in place. wp-cli runs as its users
 *   run it (`search-replace OLD NEW --all-tables-with-prefix`). Ours reads and writes by PDO in one transaction a table, as
 *   the importer does, without loading WordPress. What wp-cli takes to start (`wp option get
 *   siteurl`) is taken off its time; ours counts whole, with loading and opening. Best of three turns each, on the same
 *   database. Times are processor time (user and system) of this process, in which PHP, SQLite and the file access all run,
 *   so that what else runs on the machine, and waiting for the disk, do not count.
 * - CPU only: wp-cli's own `WP_CLI\SearchReplacer` and our rewriter over the same values in memory, no database. Given for
 *   all values, and for those alone that hold the URL (wp-cli sorts the others out by SQL `LIKE`).
 *
 * `equal`: where wp-cli gave the right value, ours is the same. `right`: ours is right in every row. What is right is known
 * from the generator, which makes the same rows with the new URL.
 */
import { pathToFileURL } from 'node:url';
import { defaultCacheDir, ensureBundle } from '../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { rowsOf } from './support/rewrite-rows.ts';
import { makeSite, PLUGIN } from './support/rewrite-site.ts';

const OLD = 'https://www.example-site.com';
const NEW = 'http://127.0.0.1:41001';
const POSTS = 3000;
const TURNS = 3;

export async function run(options: { json: boolean; cacheDir?: string }): Promise<Record<string, number | string | boolean>> {
	const bundle = await ensureBundle({ cacheDir: options.cacheDir ?? defaultCacheDir(process.env) });
	const tables = rowsOf(OLD, POSTS);
	const input = tables.flatMap(({ rows }) => rows);
	const expected = rowsOf(NEW, POSTS).flatMap(({ rows }) => rows);
	const bytes = input.flat().reduce<number>((sum, value) => sum + Buffer.byteLength(String(value)), 0);
	const holding = input.filter((row) => row.some((value) => String(value).replaceAll('\\/', '/').includes(OLD))).length;
	const wp = (...args: string[]) => wpCli(bundle.wpCli, args);
	const names = tables.map(({ table, key }) => ({ table, key }));

	const site = makeSite(bundle, OLD, tables);
	const ours = makeSite(bundle, OLD, tables);
	try {
		const turns = { theirStart: Infinity, ourStart: Infinity, theirs: Infinity, ours: Infinity };
		const cpu = JSON.parse((await site.run(cpuOnly(bundle.wpCli, names))).output) as Cpu;
		for (let turn = 0; turn < TURNS; turn++) {
			turns.theirStart = Math.min(turns.theirStart, (await site.run(wp('option', 'get', 'siteurl'))).seconds);
			turns.ourStart = Math.min(turns.ourStart, (await ours.run(rewriteInPlace(ours.databaseFile, []))).seconds);
			site.reset();
			ours.reset();
			const theirs = await site.run(wp('search-replace', OLD, NEW, '--all-tables-with-prefix', '--report-changed-only', '--no-color'));
			if (!theirs.output.includes('Success: Made')) throw new Error(`wp search-replace did not end well: ${theirs.output.slice(-1000)}`);
			turns.theirs = Math.min(turns.theirs, theirs.seconds);
			turns.ours = Math.min(turns.ours, (await ours.run(rewriteInPlace(ours.databaseFile, names))).seconds);
		}
		const [theirRows, ourRows] = [site.values(), ours.values()];
		const same = (a: readonly unknown[] | undefined, b: readonly unknown[] | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);
		const theirRight = theirRows.map((row, i) => same(row, expected[i]));
		const theirSeconds = turns.theirs - turns.theirStart;
		const seconds = turns.ours;
		if (theirSeconds <= 0) throw new Error('Too much else runs on this machine to measure. Try again when it is quiet.');
		const figures = {
			rows: input.length,
			megabytes: round(bytes / 1e6),
			rows_with_url: holding,
			rows_per_s: Math.round(input.length / seconds),
			mb_per_s: round(bytes / 1e6 / seconds),
			wp_cli_rows_per_s: Math.round(input.length / theirSeconds),
			wp_cli_mb_per_s: round(bytes / 1e6 / theirSeconds),
			ratio_to_wp_cli: round(theirSeconds / seconds),
			ratio_with_both_starts: round(turns.theirs / turns.ours),
			start_s: round(turns.ourStart),
			wp_cli_start_s: round(turns.theirStart),
			cpu_rows_per_s: Math.round(cpu.rows / cpu.ours),
			cpu_mb_per_s: round(bytes / 1e6 / cpu.ours),
			cpu_wp_cli_rows_per_s: Math.round(cpu.rows / cpu.theirs),
			cpu_ratio_all_values: round(cpu.theirs / cpu.ours),
			cpu_ratio_values_with_url: round(cpu.theirsHolding / cpu.oursHolding),
			equal: theirRight.every((right, i) => !right || same(theirRows[i], ourRows[i])),
			right: expected.every((row, i) => same(row, ourRows[i])),
			rows_wp_cli_got_wrong: theirRight.filter((right) => !right).length,
			php: '8.4 (WebAssembly), SQLite',
		};
		console.log(`${figures.rows} rows, ${figures.megabytes} MB, ${holding} rows hold the URL; ${figures.php}`);
		console.table({
			'custom-migrator': {
				'rows/s': figures.rows_per_s,
				'MB/s': figures.mb_per_s,
				'rows/s, CPU only': figures.cpu_rows_per_s,
				'rows wrong': ourRows.filter((row, i) => !same(row, expected[i])).length,
			},
			'wp search-replace': {
				'rows/s': figures.wp_cli_rows_per_s,
				'MB/s': figures.wp_cli_mb_per_s,
				'rows/s, CPU only': figures.cpu_wp_cli_rows_per_s,
				'rows wrong': figures.rows_wp_cli_got_wrong,
			},
		});
		console.log(
			`${figures.ratio_to_wp_cli} times wp-cli without its start (${figures.ratio_with_both_starts} with it); CPU only: ${figures.cpu_ratio_all_values} times, ${figures.cpu_ratio_values_with_url} times on the values with the URL; same where wp-cli is right: ${figures.equal}`,
		);
		return figures;
	} finally {
		site.remove();
		ours.remove();
	}
}

interface Cpu {
	readonly rows: number;
	readonly ours: number;
	readonly theirs: number;
	readonly oursHolding: number;
	readonly theirsHolding: number;
}

/** PHP that runs wp-cli's phar with arguments. */
function wpCli(phar: string, args: readonly string[]): string {
	return `<?php
		define( 'STDIN', fopen( 'php://memory', 'r' ) );
		define( 'STDOUT', fopen( 'php://output', 'w' ) );
		define( 'STDERR', fopen( 'php://output', 'w' ) );
		putenv( 'SHELL_PIPE=0' );
		$GLOBALS['argv'] = $_SERVER['argv'] = json_decode( '${JSON.stringify(['wp', ...args])}' );
		$GLOBALS['argc'] = $_SERVER['argc'] = count( $argv );
		require '${phar}';`;
}

type Names = readonly { readonly table: string; readonly key: string }[];

/** PHP that rewrites the tables in place: every text column of every row. */
function rewriteInPlace(file: string, names: Names): string {
	return `<?php
		require '${PLUGIN}/class-custom-migrator-rewriter.php';
		$rewriter = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
		$pdo      = new PDO( 'sqlite:${file}', null, null, array( PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION ) );
		foreach ( json_decode( '${JSON.stringify(names)}', true ) as $name ) {
			$pdo->beginTransaction();
			$updates = array();
			$after   = -1;
			$read    = $pdo->prepare( "SELECT * FROM {$name['table']} WHERE {$name['key']} > ? ORDER BY {$name['key']} LIMIT 1000" );
			while ( true ) {
				$read->execute( array( $after ) );
				$rows = $read->fetchAll( PDO::FETCH_ASSOC );
				if ( ! $rows ) {
					break;
				}
				foreach ( $rows as $row ) {
					$after   = $row[ $name['key'] ];
					$texts   = array_filter( $row, 'is_string' );
					$changed = array_diff_assoc( $rewriter->rewrite_row( $texts ), $texts );
					if ( $changed ) {
						$set = implode( ' = ?, ', array_keys( $changed ) );
						if ( ! isset( $updates[ $set ] ) ) {
							$updates[ $set ] = $pdo->prepare( "UPDATE {$name['table']} SET $set = ? WHERE {$name['key']} = ?" );
						}
						$updates[ $set ]->execute( array_merge( array_values( $changed ), array( $after ) ) );
					}
				}
			}
			$pdo->commit();
		}`;
}

/** PHP that times both rewriters over the values in memory: the best of three turns each, in turns. */
function cpuOnly(phar: string, names: Names): string {
	return `<?php
		require '${PLUGIN}/class-custom-migrator-rewriter.php';
		require 'phar://${phar}/vendor/wp-cli/search-replace-command/src/WP_CLI/SearchReplacer.php';
		$pdo     = new PDO( 'sqlite:' . getcwd() . '/wp-content/database/.ht.sqlite' );
		$rows    = 0;
		$values  = array();
		$holding = array();
		foreach ( json_decode( '${JSON.stringify(names)}', true ) as $name ) {
			foreach ( $pdo->query( "SELECT * FROM {$name['table']}", PDO::FETCH_NUM ) as $row ) {
				++$rows;
				foreach ( $row as $value ) {
					if ( is_string( $value ) ) {
						$values[] = $value;
						if ( false !== strpos( $value, '${OLD}' ) ) {
							$holding[] = $value;
						}
					}
				}
			}
		}
		$ours   = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
		$theirs = new WP_CLI\\SearchReplacer( '${OLD}', '${NEW}' );
		$time   = function ( $values, $rewrite ) {
			$start = hrtime( true );
			foreach ( $values as $value ) {
				$rewrite( $value );
			}
			return ( hrtime( true ) - $start ) / 1e9;
		};
		$best   = array();
		for ( $turn = 0; $turn < ${TURNS}; $turn++ ) {
			foreach ( array( '' => $values, 'Holding' => $holding ) as $which => $list ) {
				foreach ( array( 'ours' => array( $ours, 'rewrite' ), 'theirs' => array( $theirs, 'run' ) ) as $who => $rewrite ) {
					$best[ $who . $which ] = min( isset( $best[ $who . $which ] ) ? $best[ $who . $which ] : INF, $time( $list, $rewrite ) );
				}
			}
		}
		echo json_encode( array( 'rows' => $rows ) + $best );`;
}

const round = (value: number): number => Math.round(value * 100) / 100;

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
	const json = process.argv.includes('--json');
	const figures = await run({ json });
	if (json) console.log(JSON.stringify(figures));
}
