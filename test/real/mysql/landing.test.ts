import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Mariadb, startMariadb } from './mariadb.ts';
import { type NativePhp, nativePhp } from './native-php.ts';

/** Landing tables in MySQL, by itself: the same questions that test/plugin/import/database.test.ts asks of SQLite. */

interface Outcome {
	readonly made: { readonly differences: readonly string[]; readonly left_out: readonly string[]; readonly warnings?: readonly string[] };
	readonly landed: readonly boolean[];
	readonly outcome: { readonly tables: number; readonly rows: number; readonly differences: readonly { readonly reason: string }[] };
	/** Each value as upper-case hex of its utf8mb4 bytes (at most 500 of them, else their number), or null. */
	readonly rows: readonly (readonly (string | null)[])[];
	/** SHOW CREATE TABLE after the switch. */
	readonly ddl: string;
}

/** Small, so that values of a few MiB travel in slices. */
const MAX_PACKET = 16 * 1024 * 1024;

let db: Mariadb;
let php: NativePhp;
beforeAll(async () => {
	db = await startMariadb({ network: true, flags: [`--max-allowed-packet=${MAX_PACKET}`] });
	php = await nativePhp();
	await db.sql("CREATE USER clone@'%' IDENTIFIED BY 'secret'");
});
afterAll(async () => {
	await php?.stop();
	await db?.stop();
});

let count = 0;
/** A database of its own, and the PHP that opens it as `$db`. */
const open = async (): Promise<string> => {
	count += 1;
	await db.sql(`CREATE DATABASE landing_${count} CHARACTER SET utf8mb4; GRANT ALL ON landing_${count}.* TO clone@'%'`);
	return `$db = new Custom_Migrator_Staging_Mysql( array( 'host' => '127.0.0.1', 'port' => ${db.port}, 'name' => 'landing_${count}', 'user' => 'clone', 'password' => 'secret', 'tls' => false ) );`;
};

/** Makes a table, lands its rows (again when the table starts over), reads them back, switches. `between` is PHP run before the read-back, with `$t` the staged table. */
async function land(
	ddl: string,
	columns: Readonly<Record<string, string>>,
	rows: string,
	{ between = '', key = null }: { between?: string; key?: readonly string[] | null } = {},
): Promise<Outcome> {
	const base64 = (text: string): string => `base64_decode( '${Buffer.from(text).toString('base64')}' )`;
	return php.json(`${await open()}
		$columns = json_decode( ${base64(JSON.stringify(columns))}, true );
		$table = array( 'name' => 't', 'ddl' => ${base64(ddl)}, 'key' => json_decode( ${base64(JSON.stringify(key))} ), 'bytes' => 0, 'columns' => array() );
		foreach ( $columns as $name => $kind ) { $table['columns'][] = array( 'name' => $name, 'kind' => $kind ); }
		$rows = ${rows};
		$table['rows'] = count( $rows );
		$made = $db->create_table( $table );
		$writer = $db->writer( 't', new Custom_Migrator_Rewriter( 'https://a.com', 'http://clone.test' ) );
		$landed = array();
		do { $done = $writer->land( $rows, null ); $landed[] = $done; } while ( ! $done && count( $landed ) < 8 );
		while ( $db->finish_one() ) {}
		$pdo = $db->pdo();
		$t = $db->quoted( 't' );
		${between}
		$verifier = $db->verifier();
		while ( ! $verifier->run( microtime( true ) + 60 ) ) {}
		$outcome = $verifier->outcome();
		$db->switch_tables( $db->ready_to_switch() );
		$db->forget();
		$select = array();
		foreach ( $columns as $name => $kind ) {
			$q = Custom_Migrator_Ddl::quote( $name );
			$q = in_array( $kind, array( 'string', 'json' ), true ) ? $q : ( 'bit' === $kind ? "$q + 0" : $q );
			$select[] = "IF(LENGTH($q) > 500, LENGTH($q), $q)";
		}
		$kept = $db->pdo()->query( 'SELECT ' . implode( ', ', $select ) . ' FROM t' )->fetchAll( PDO::FETCH_NUM );
		foreach ( $kept as &$row ) { foreach ( $row as &$value ) { $value = null === $value ? null : strtoupper( bin2hex( (string) $value ) ); } unset( $value ); }
		$names = $db->pdo()->query( 'SHOW TABLES' )->fetchAll( PDO::FETCH_COLUMN );
		$db->forget();
		echo json_encode( array( 'made' => $made, 'landed' => $landed, 'rows' => $kept, 'outcome' => $outcome, 'ddl' => $db->pdo()->query( 'SHOW CREATE TABLE t' )->fetch( PDO::FETCH_NUM )[1], 'names' => $names ) );`);
}
const hex = (text: string | Uint8Array): string => Buffer.from(text as string).toString('hex').toUpperCase();
const reasons = (outcome: Outcome): string[] => outcome.outcome.differences.map((each) => each.reason);

describe('values', () => {
	test('land as they are, and read back the same', async () => {
		const outcome = await land(
			"CREATE TABLE `t` (`i` bigint(20) unsigned zerofill NOT NULL, `f` double, `g` float, `d` decimal(10,2), `s` varchar(9), `b` varbinary(9), `n` bit(64), `y` year(4), `z` datetime DEFAULT '0000-00-00 00:00:00', `p` timestamp NULL, `e` enum('a','b''c'), `x` set('u','v'), PRIMARY KEY (`i`))",
			{ i: 'int', f: 'float', g: 'float', d: 'decimal', s: 'string', b: 'binary', n: 'bit', y: 'int', z: 'string', p: 'string', e: 'string', x: 'string' },
			`array( array( '00042', '1e-7', '0.1', '19.90', "a\\0b", "\\0\\xff", '18446744073709551615', '2024', '0000-00-00 00:00:00', '2024-06-01 12:00:00', "b'c", 'u,v' ), array( '18446744073709551615', '-0', '1.1754944e-38', '0.1', '', '', '0', '0000', null, '0000-00-00 00:00:00', null, '' ) )`,
			{ key: ['i'] },
		);
		expect(reasons(outcome)).toEqual([]);
		expect(outcome.landed).toEqual([true]);
		expect(outcome.rows.map((row) => [row[0], row[3], row[4], row[5], row[6], row[7], row[8], row[9]])).toEqual([
			[hex('42'), hex('19.90'), hex('a\0b'), '00FF', hex('18446744073709551615'), hex('2024'), hex('0000-00-00 00:00:00'), hex('2024-06-01 12:00:00')],
			[hex('18446744073709551615'), hex('0.10'), '', '', hex('0'), hex('0'), null, hex('0000-00-00 00:00:00')],
		]);
		expect(outcome.ddl).toContain('`i` bigint(20) unsigned zerofill NOT NULL');
	});
});
