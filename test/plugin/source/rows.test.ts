import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Agent, Table } from '../../support/migrator/agent.ts';
import { PEAK_PLUGIN, takePeaks } from '../../support/migrator/peak.ts';
import { allTables, readTable, readValue, type Value } from '../../support/migrator/rows.ts';
import { bootSource, type Source } from './support.ts';

/** Reading a SQLite source. (The same on MariaDB: test/real/mysql.) */

const MIB = 1024 * 1024;

/** Text that databases, drivers and serializers like to change. */
const HOSTILE: readonly string[] = [
	'',
	'0',
	'NULL',
	'0000-00-00 00:00:00',
	'2024-01-01T00:00:00Z',
	'2024-02-30',
	'🦊 żółw \u0000 nul \u0001',
	`a'b"c\\d\ne\r\nf\t%s %1$s`,
	'O:3:"Foo":1:{s:6:"\u0000*\u0000bar";s:20:"http://a.com/é";}',
	'{"u":"http:\\/\\/a.com\\/x"}',
	'9223372036854775807',
	'1e3',
	'  spaces  ',
	'Ünïcode ﷽ '.repeat(200),
];

/** Bytes that are no text. */
const BINARY: readonly Buffer[] = [
	Buffer.from('00ff00fe80', 'hex'),
	Buffer.alloc(0),
	Buffer.from('c328a0a1f0288cbc', 'hex'),
	Buffer.alloc(300, 0),
];

/** Fills tables with a driver's connection of its own, past the translation to MySQL, as sites that came from elsewhere are. */
const SEED = `
	global $wpdb;
	$wpdb->query( 'CREATE TABLE wp_hostile ( id bigint(20) unsigned NOT NULL AUTO_INCREMENT, t longtext, b longblob, n bigint(20), f double, d datetime, v varchar(50), PRIMARY KEY (id) )' );
	$wpdb->query( 'CREATE TABLE wp_named ( k varchar(100) NOT NULL, i int NOT NULL, \`order\` longtext, PRIMARY KEY (k, i) )' );
	$wpdb->query( 'CREATE TABLE wp_nokey ( a int, t longtext, rowid varchar(20) )' );
	$wpdb->query( 'CREATE TABLE other_table ( a int )' );
	foreach ( array( 'comments', 'options', 'postmeta', 'posts', 'terms', 'usermeta', 'users', 'extra' ) as $name ) {
		$wpdb->query( "CREATE TABLE wp_second_$name ( a int )" );
	}
	$pdo = $wpdb->dbh->get_connection()->get_pdo();
	$insert = $pdo->prepare( 'INSERT INTO wp_hostile (t, b, n, f, d, v) VALUES (?, ?, ?, ?, ?, ?)' );
	$blob = static function ( $statement, $place, $value ) { $statement->bindValue( $place, $value, PDO::PARAM_LOB ); };
	foreach ( json_decode( base64_decode( '%TEXTS%' ), true ) as $i => $text ) {
		$insert->bindValue( 1, $text );
		$blob( $insert, 2, base64_decode( json_decode( '%BLOBS%', true )[ $i % 4 ] ) );
		$insert->bindValue( 3, $i % 2 ? PHP_INT_MAX : PHP_INT_MIN, PDO::PARAM_INT );
		$insert->bindValue( 4, array( '0.1', '0.30000000000000004', '1.7976931348623157e308', '5', '-1e-7' )[ $i % 5 ] );
		$insert->bindValue( 5, '0000-00-00 00:00:00' );
		$insert->bindValue( 6, null, PDO::PARAM_NULL );
		$insert->execute();
	}
	$pdo->exec( "INSERT INTO wp_hostile (id, t, v) VALUES (100, NULL, '')" );
	foreach ( array( 'a', 'A ', 'b', 'ä', '10', '9' ) as $k ) {
		for ( $i = 0; $i < 20; $i++ ) {
			$pdo->prepare( 'INSERT INTO wp_named (k, i, \`order\`) VALUES (?, ?, ?)' )->execute( array( $k, $i, "$k $i" ) );
		}
	}
	for ( $i = 0; $i < 50; $i++ ) {
		$pdo->exec( "INSERT INTO wp_nokey (a, t, rowid) VALUES (NULL, 'same', 'x'), (7, 'other', NULL)" );
	}
	$pdo->exec( "UPDATE wp_named SET \`order\` = '" . str_repeat( 'n', 3000000 ) . "' WHERE k = 'A ' AND i = 3" );
	$pdo->exec( "INSERT INTO wp_nokey (a, t) VALUES (8, '" . str_repeat( 'é', 1500000 ) . "')" );
	$big = $pdo->prepare( 'INSERT INTO wp_options (option_name, option_value, autoload) VALUES (?, ?, ?)' );
	$big->execute( array( 'one_mb', str_repeat( 'aé🦊', 150000 ), 'no' ) );
	$big->execute( array( 'twenty_mb', str_repeat( 'aé🦊', 3000000 ), 'no' ) );
`;

const seed = SEED.replace('%TEXTS%', Buffer.from(JSON.stringify(HOSTILE)).toString('base64')).replace(
	'%BLOBS%',
	JSON.stringify(BINARY.map((each) => each.toString('base64'))),
);

describe.each(['7.4', '8.4'])('on PHP %s', (php) => {
	let source: Source;
	let agent: Agent;
	let tables: Table[];

	beforeAll(async () => {
		source = await bootSource({ php });
		agent = source.agent;
		await source.site.evalPhp(seed);
		const muPlugins = join(source.site.dir, 'wp-content/mu-plugins');
		mkdirSync(muPlugins, { recursive: true });
		writeFileSync(join(muPlugins, 'peak.php'), PEAK_PLUGIN);
		await source.site.php.recycle();
		tables = await allTables(agent);
	});
	afterAll(() => source.site.stop());

	const table = (name: string): Table => {
		const found = tables.find((each) => each.name === name);
		if (!found) throw new Error(`no table ${name}`);
		return found;
	};
	const text = (value: Value | undefined): string | null | undefined =>
		Buffer.isBuffer(value) ? value.toString('utf8') : value === null ? null : undefined;

	test('hostile values arrive byte for byte', async () => {
		const { rows } = await readTable(agent, table('wp_hostile'), { max_rows: 4 });
		expect(rows.length).toBe(HOSTILE.length + 1);
		for (const [i, expected] of HOSTILE.entries()) {
			const row = rows[i] ?? [];
			expect(text(row[1])).toBe(expected);
			expect(row[2]).toEqual(BINARY[i % BINARY.length]);
			expect(text(row[3])).toBe(i % 2 ? '9223372036854775807' : '-9223372036854775808');
			expect(Number(text(row[4]))).toBe([0.1, 0.30000000000000004, 1.7976931348623157e308, 5, -1e-7][i % 5]);
			expect(text(row[5])).toBe('0000-00-00 00:00:00');
			expect(row[6]).toBeNull();
		}
		expect(text(rows[0]?.[4])).toBe('0.1');
		expect(text(rows[3]?.[4])).toBe('5');
		expect(rows.at(-1)?.map(text)).toEqual(['100', null, null, null, null, null, '']);
	});

	test('every row comes once, whatever the key and the page', async () => {
		const named = await readTable(agent, table('wp_named'), { max_rows: 31 });
		expect(new Set(named.rows.map((row) => `${text(row[0])}/${text(row[1])}`)).size).toBe(120);
		expect(named.rows.length).toBe(120);
		expect(named.pages).toBe(4);
		const nokey = await readTable(agent, table('wp_nokey'), { max_rows: 34 });
		expect(table('wp_nokey').key).toBeNull();
		expect(nokey.rows.length).toBe(101);
		expect(nokey.rows.filter((row) => row[0] === null && text(row[1]) === 'same').length).toBe(50);
		expect(nokey.rows.filter((row) => text(row[0]) === '7' && row[2] === null).length).toBe(50);
		for (const name of ['wp_options', 'wp_users', 'wp_usermeta', 'wp_terms']) {
			const { rows } = await readTable(agent, table(name), { max_rows: 61 });
			expect(rows.length).toBe(table(name).rows);
			expect(Number(await source.site.evalPhp(`echo $GLOBALS['wpdb']->get_var( 'SELECT COUNT(*) FROM ${name}' );`))).toBe(
				rows.length + (name === 'wp_options' ? 2 : 0),
			);
		}
	});

	test('values of 1 MB and 20 MB are read in slices, within 16 MiB a request', async () => {
		const peaks = async () => {
			await agent.call('hello');
			return takePeaks(source.site.dir, 'hello');
		};
		await peaks();
		const bare = (await peaks()).find((peak) => peak.verb === 'hello')?.bytes ?? 0;
		expect(bare).toBeGreaterThan(MIB);

		const options = await readTable(agent, table('wp_options'));
		const row = (name: string): Value[] => options.rows.find((each) => text(each[1]) === name) ?? [];
		expect(row('one_mb')[2]).toEqual({ large: 1_050_000 });
		expect(row('twenty_mb')[2]).toEqual({ large: 21_000_000 });
		for (const [name, times] of [
			['one_mb', 150_000],
			['twenty_mb', 3_000_000],
		] as const)
			expect((await readValue(agent, table('wp_options'), row(name), 'option_value')).equals(Buffer.from('aé🦊'.repeat(times)))).toBe(true);

		// A value whose key SQLite compares without regard to letter case.
		const named = await readTable(agent, table('wp_named'));
		const large = named.rows.find((each) => each[2] !== null && !Buffer.isBuffer(each[2])) ?? [];
		expect(text(large[0])).toBe('A ');
		expect((await readValue(agent, table('wp_named'), large, 'order')).equals(Buffer.alloc(3_000_000, 'n'))).toBe(true);

		// No key to ask by: inline.
		const nokey = await readTable(agent, table('wp_nokey'), { gzip: true });
		expect(text(nokey.rows.at(-1)?.[1]) === 'é'.repeat(1_500_000)).toBe(true);

		const taken = await peaks();
		expect(taken.length).toBeGreaterThan(10);
		for (const peak of taken) {
			expect(peak.bytes - bare).toBeLessThan(16 * MIB);
		}
	});

	test('tables of others, of a second site and our own are left out; our options are neither read nor counted', async () => {
		const names = tables.map((each) => each.name);
		expect(names.filter((name) => /^(other|wp_second_|_wp_sqlite|sqlite_|wp_custom_migrator)/.test(name))).toEqual([]);
		expect(names).toEqual(expect.arrayContaining(['wp_hostile', 'wp_named', 'wp_nokey', 'wp_options', 'wp_posts']));
		const { data } = await agent.call('preflight');
		expect(data.other_tables).toEqual(expect.arrayContaining(['other_table', 'wp_second_extra', 'wp_second_options']));
		expect(data).toMatchObject({
			db: { engine: 'sqlite' },
			multisite: false,
			php_version: expect.stringMatching(new RegExp(`^${php}`)),
			dropins: ['db.php'],
		});
		expect(JSON.stringify(data.active_plugins)).not.toContain('custom-migrator');
		const { rows } = await readTable(agent, table('wp_options'));
		expect(rows.map((row) => text(row[1])).filter((name) => name?.startsWith('custom_migrator'))).toEqual([]);
		expect(text(rows.find((row) => text(row[1]) === 'active_plugins')?.[2])).toBe('a:0:{}');
	});

	test('descriptions say what the importer needs', () => {
		expect(table('wp_hostile').columns.map(({ name, kind, nullable }) => [name, kind, nullable])).toEqual([
			['id', 'int', false],
			['t', 'string', true],
			['b', 'binary', true],
			['n', 'int', true],
			['f', 'float', true],
			['d', 'string', true],
			['v', 'string', true],
		]);
		expect(table('wp_named').key).toEqual(['k', 'i']);
		expect(table('wp_named').ddl).toMatch(/^CREATE TABLE `wp_named` \(/);
		expect(table('wp_options').bytes).toBeGreaterThan(22_000_000);
	});

	test('names and cursors that the site did not give are refused', async () => {
		for (const name of [
			'wp_posts` UNION SELECT * FROM `wp_users',
			'sqlite_master',
			'wp_custom_migrator_nonces',
			'wp_second_users',
			'WP_POSTS',
			'',
		])
			expect(await agent.ask('rows', { table: name })).toMatchObject({ status: 404, code: 'no_such_table' });
		for (const cursor of [{ r: '1 OR 1=1' }, { r: 1 }, {}, 'x'])
			expect(await agent.ask('rows', { table: 'wp_posts', cursor })).toMatchObject({ ok: false, code: 'bad_arguments' });
		for (const changes of [{ column: 'x' }, { key: [1, 2] }, { key: [{ b: '!' }] }, { offset: -1 }])
			expect(await agent.ask('value', { table: 'wp_users', key: ['1'], column: 'user_login', ...changes })).toMatchObject({
				code: 'bad_arguments',
			});
		expect(await agent.ask('value', { table: 'wp_users', key: ['99'], column: 'user_login' })).toMatchObject({
			status: 410,
			code: 'row_gone',
		});
		expect((await agent.call('value', { table: 'wp_users', key: ['1'], column: 'user_login' })).payload.toString()).toBe('admin');
	});
});
