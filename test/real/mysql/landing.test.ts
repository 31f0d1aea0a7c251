import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { barePhp } from '../../plugin/import/support/bare-php.ts';
import { DDL_CASES, TAMPERINGS } from '../../plugin/import/support/ddl-cases.ts';
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

/** The machine's own PHP, and the newest that Playground has. */
describe.each(['native', '8.5'] as const)('on PHP %s', (version) => {
	let db: Mariadb;
	let php: NativePhp;
	beforeAll(async () => {
		db = await startMariadb({ network: true, flags: [`--max-allowed-packet=${MAX_PACKET}`] });
		php = version === 'native' ? await nativePhp() : await barePhp(version);
		await db.sql("CREATE USER clone@'%' IDENTIFIED BY 'secret'");
	});
	afterAll(async () => {
		await php.stop();
		await db.stop();
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
			$q = 'bit' === $kind ? "$q + 0" : ( in_array( $kind, array( 'int', 'decimal' ), true ) ? "CAST($q AS CHAR)" : $q );
			$select[] = $q;
		}
		$kept = $db->pdo()->query( 'SELECT ' . implode( ', ', $select ) . ' FROM t' )->fetchAll( PDO::FETCH_NUM );
		foreach ( $kept as &$row ) { foreach ( $row as &$value ) { $value = null === $value ? null : strtoupper( bin2hex( strlen( (string) $value ) > 500 ? (string) strlen( $value ) : (string) $value ) ); } unset( $value ); }
		$names = $db->pdo()->query( 'SHOW TABLES' )->fetchAll( PDO::FETCH_COLUMN );
		$db->forget();
		echo json_encode( array( 'made' => $made, 'landed' => $landed, 'rows' => $kept, 'outcome' => $outcome, 'ddl' => $db->pdo()->query( 'SHOW CREATE TABLE t' )->fetch( PDO::FETCH_NUM )[1], 'names' => $names ) );`);
	}
	const hex = (text: string | Uint8Array): string =>
		Buffer.from(text as string)
			.toString('hex')
			.toUpperCase();
	const reasons = (outcome: Outcome): string[] => outcome.outcome.differences.map((each) => each.reason);

	describe('values', () => {
		test('land as they are, and read back the same', async () => {
			const outcome = await land(
				"CREATE TABLE `t` (`i` bigint(20) unsigned zerofill NOT NULL, `f` double, `g` float, `d` decimal(10,2), `s` varchar(9), `b` varbinary(9), `n` bit(64), `y` year(4), `z` datetime DEFAULT '0000-00-00 00:00:00', `p` timestamp NULL, `e` enum('a','b''c'), `x` set('u','v'), PRIMARY KEY (`i`))",
				{
					i: 'int',
					f: 'float',
					g: 'float',
					d: 'decimal',
					s: 'string',
					b: 'binary',
					n: 'bit',
					y: 'int',
					z: 'string',
					p: 'string',
					e: 'string',
					x: 'string',
				},
				`array( array( '00042', '1e-7', '0.1', '19.90', "a\\0b", "\\0\\xff", '18446744073709551615', '2024', '0000-00-00 00:00:00', '2024-06-01 12:00:00', "b'c", 'u,v' ), array( '18446744073709551615', '-0', '1.1754944e-38', '0.1', '', '', '0', '0000', null, '0000-00-00 00:00:00', null, '' ) )`,
				{ key: ['i'] },
			);
			expect(reasons(outcome)).toEqual([]);
			expect(outcome.landed).toEqual([true]);
			expect(outcome.rows.map((row) => [row[0], row[3], row[4], row[5], row[6], row[7], row[8], row[9]])).toEqual([
				[
					hex('42'.padStart(20, '0')),
					hex('19.90'),
					hex('a\0b'),
					'00FF',
					hex('18446744073709551615'),
					hex('2024'),
					hex('0000-00-00 00:00:00'),
					hex('2024-06-01 12:00:00'),
				],
				[hex('18446744073709551615'), hex('0.10'), '', '', hex('0'), hex('0000'), null, hex('0000-00-00 00:00:00')],
			]);
			expect(outcome.ddl).toContain('`i` bigint(20) unsigned zerofill NOT NULL');
		});

		test('bytes that are no text make their column one of bytes, and it is named', async () => {
			const outcome = await land(
				'CREATE TABLE `t` (`id` int NOT NULL, `s` varchar(20) NOT NULL, `l` longtext, PRIMARY KEY (`id`), UNIQUE KEY `s` (`s`), KEY `l` (`l`(20)))',
				{ id: 'int', s: 'string', l: 'string' },
				`array( array( '1', 'plain', 'https://a.com/x' ), array( '2', "a\\xff\\xfe", "\\xc3https://a.com/y" ) )`,
				{ key: ['id'] },
			);
			expect(outcome.landed).toEqual([false, false, true]);
			expect(outcome.rows).toEqual([
				[hex('1'), hex('plain'), hex('http://clone.test/x')],
				[hex('2'), hex(Uint8Array.of(0x61, 0xff, 0xfe)), hex(Buffer.concat([Buffer.from([0xc3]), Buffer.from('http://clone.test/y')]))],
			]);
			expect(reasons(outcome)).toEqual([
				'column s is varbinary: it holds values that its type on the source cannot hold here',
				'column l is longblob: it holds values that its type on the source cannot hold here',
			]);
			expect(outcome.ddl).toContain('UNIQUE KEY `s` (`s`)');
		});

		test.each([
			['a number out of range', 'int(11)', 'int', '5000000000', 'bigint'],
			['a number larger than any', 'bigint(20)', 'int', '99999999999999999999', 'varchar'],
			['a number that is none', 'int(11)', 'int', 'twelve', 'varchar'],
			['more decimals than there is room for', 'decimal(5,2)', 'decimal', '1.005', 'varchar'],
			['more digits than there is room for', 'decimal(5,2)', 'decimal', '12345.1', 'varchar'],
			['infinity', 'double', 'float', 'INF', 'varchar'],
			['a date with a time zone', 'datetime', 'string', '2024-01-02T03:04:05Z', 'varchar'],
			['a fraction of a second', 'datetime', 'string', '2024-01-02 03:04:05.5', 'varchar'],
			['an hour that the server’s clock skipped', 'timestamp NULL', 'string', '2024-03-31 02:30:00', 'datetime'],
			['text too long', 'varchar(3)', 'string', 'four', 'longtext'],
			['a space at the end of a char', 'char(5)', 'string', 'ab ', 'varchar CHARACTER SET utf8mb4'],
			['an enum’s empty error value', "enum('a','b')", 'string', '', 'enum CHARACTER SET utf8mb4'],
			['a value that is no member', "enum('a','b')", 'string', 'z', 'varchar'],
			['another alphabet', 'varchar(9) CHARACTER SET latin1', 'string', 'żółw', 'varchar CHARACTER SET utf8mb4'],
			['fewer bytes than there are', 'binary(4)', 'binary', 'ab', 'varbinary'],
			['a geometry that is none', 'geometry', 'binary', 'point', 'longblob'],
			['JSON that is none', 'json', 'json', '{"u":', null],
		])('%s: the column becomes one that takes it', async (_, type, kind, value, becomes) => {
			const outcome = await land(
				`CREATE TABLE \`t\` (\`id\` int NOT NULL, \`v\` ${type}, PRIMARY KEY (\`id\`))`,
				{ id: 'int', v: kind },
				`array( array( '1', null ), array( '2', '${value}' ) )`,
				{ key: ['id'] },
			);
			expect(outcome.rows).toEqual([
				[hex('1'), null],
				[hex('2'), hex(value)],
			]);
			expect(reasons(outcome)).toEqual(
				becomes === null ? [] : [`column v is ${becomes}: it holds values that its type on the source cannot hold here`],
			);
		});

		test('NULL where there may be none', async () => {
			const outcome = await land(
				"CREATE TABLE `t` (`id` int NOT NULL, `v` varchar(9) NOT NULL DEFAULT '', PRIMARY KEY (`id`))",
				{ id: 'int', v: 'string' },
				`array( array( '1', null ) )`,
			);
			expect(outcome.rows).toEqual([[hex('1'), null]]);
		});

		test('a table with more odd columns than patience ends as one of bytes', async () => {
			const names = ['a', 'b', 'c', 'd', 'e', 'f'];
			const outcome = await land(
				`CREATE TABLE \`t\` (${names.map((name) => `\`${name}\` varchar(9) NOT NULL`).join(', ')})`,
				Object.fromEntries(names.map((name) => [name, 'string'])),
				`array( array( "\\xff", "\\xff", "\\xff", "\\xff", "\\xff", "\\xff" ) )`,
			);
			expect(outcome.landed.at(-1)).toBe(true);
			expect(outcome.landed.length).toBeLessThanOrEqual(6);
			expect(outcome.rows).toEqual([names.map(() => 'FF')]);
		});

		test('values larger than a packet’s half travel in slices; one larger than a packet is left empty and named', async () => {
			const size = 10 * 1024 * 1024;
			const large = Buffer.alloc(size, 'https://b.com/ \0\n€');
			const huge = Buffer.alloc(MAX_PACKET + 5, 'x');
			writeFileSync(join(php.dir, 'large'), large);
			writeFileSync(join(php.dir, 'huge'), huge);
			const outcome = await land(
				'CREATE TABLE `t` (`id` int NOT NULL, `s` longtext, `b` longblob, PRIMARY KEY (`id`))',
				{ id: 'int', s: 'string', b: 'binary' },
				`array( array( '1', 'small', str_repeat( "\\xff\\0", 4500000 ) ), array( '2', array( DIR . '/large', ${size} ), array( DIR . '/large', ${size} ) ), array( '3', array( DIR . '/huge', ${huge.length} ), null ) )`,
				{
					between: `$got = $pdo->query( "SELECT s, b FROM $t WHERE id = 2" )->fetch( PDO::FETCH_NUM ); foreach ( $got as $value ) { if ( $value !== file_get_contents( DIR . '/large' ) ) { throw new Exception( 'misplaced' ); } }
					$got = $pdo->query( "SELECT b FROM $t WHERE id = 1" )->fetchColumn(); if ( str_repeat( "\\xff\\0", 4500000 ) !== $got ) { throw new Exception( 'other bytes' ); }`,
				},
			);
			expect(outcome.rows).toEqual([
				[hex('1'), hex('small'), hex('9000000')],
				[hex('2'), hex(String(size)), hex(String(size))],
				[hex('3'), '', null],
			]);
			expect(reasons(outcome)).toEqual(['1 values are left empty: they are larger than the database server takes (max_allowed_packet)']);
		});

		test('many rows, more than one statement holds, each once', async () => {
			const outcome = await land(
				'CREATE TABLE `t` (`id` bigint unsigned NOT NULL AUTO_INCREMENT, `s` varchar(99), PRIMARY KEY (`id`)) AUTO_INCREMENT=5000',
				{ id: 'int', s: 'string' },
				`array_map( static function ( $i ) { return array( (string) $i, "row $i https://a.com/$i" ); }, range( 0, 1233 ) )`,
				{
					key: ['id'],
					between: `$pdo->exec( "INSERT INTO $t (s) VALUES ('new')" ); $new = (int) $pdo->lastInsertId(); if ( 5000 !== $new ) { throw new Exception( "$new" ); } $pdo->exec( "DELETE FROM $t WHERE id = 5000" );`,
				},
			);
			expect(reasons(outcome)).toEqual([]);
			expect(outcome.outcome.rows).toBe(1234);
			expect(outcome.rows[0]).toEqual([hex('0'), hex('row 0 http://clone.test/0')]);
			expect(outcome.rows[1233]).toEqual([hex('1233'), hex('row 1233 http://clone.test/1233')]);
		});
	});

	describe('keys', () => {
		test('two addresses that would become one stay, where they must be unique, and are counted', async () => {
			const outcome = await land(
				'CREATE TABLE `t` (`u` varchar(99) NOT NULL, UNIQUE KEY `u` (`u`))',
				{ u: 'string' },
				`array( array( 'https://a.com/x' ), array( 'http://a.com/x' ), array( 'https://b.com/' ) )`,
			);
			expect(new Set(outcome.rows.map((row) => row[0]))).toEqual(
				new Set([hex('http://clone.test/x'), hex('http://a.com/x'), hex('https://b.com/')]),
			);
			expect(reasons(outcome).join()).toContain("1 rows keep the source's address");
		});

		test('rows that break the table’s own keys land all the same, without the key, and it is named', async () => {
			const outcome = await land(
				'CREATE TABLE `t` (`id` int NOT NULL AUTO_INCREMENT, `s` varchar(9), PRIMARY KEY (`id`), UNIQUE KEY `s` (`s`))',
				{ id: 'int', s: 'string' },
				`array( array( '1', 'a' ), array( '1', 'b' ), array( '2', 'B' ) )`,
				{ key: ['id'] },
			);
			expect(outcome.landed).toEqual([false, true]);
			expect(outcome.outcome.rows).toBe(3);
			expect(reasons(outcome)).toEqual(['its rows break its unique keys, which were left out']);
			expect(outcome.ddl).toContain('AUTO_INCREMENT');
			expect(outcome.ddl).not.toContain('UNIQUE');
		});

		test.each<readonly [what: string, sql: string]>([
			...TAMPERINGS,
			['one byte of a value that the server sums up', "UPDATE $t SET l = INSERT(l, 1500000, 1, 'y') WHERE id = 1"],
			['one bit of a double', 'UPDATE $t SET d = 0.3 WHERE id = 1'],
		])('reading back finds %s', async (_, tamper) => {
			const ddl = 'CREATE TABLE `t` (`id` int NOT NULL, `s` varchar(9), `l` longtext, `d` double, PRIMARY KEY (`id`))';
			const columns = { id: 'int', s: 'string', l: 'string', d: 'float' };
			const rows = `array( array( '1', 'one', str_repeat( 'x', 2097152 ), '0.30000000000000004' ), array( '2', 'two', null, null ), array( '3', '', '', '0' ) )`;
			expect(reasons(await land(ddl, columns, rows))).toEqual([]);
			expect(reasons(await land(ddl, columns, rows, { between: `$pdo->exec( "${tamper}" );` }))).toEqual([
				'what was read back from the clone is not what was written',
			]);
		});
	});

	describe('schemas', () => {
		test('keep keys, character sets, defaults and automatic times', async () => {
			const outcome = await land(
				"CREATE TABLE `t` (\n `id` bigint(20) unsigned NOT NULL AUTO_INCREMENT,\n `a` varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL DEFAULT 'x,''y' COMMENT 'CHARSET=ucs2',\n `b` text COLLATE utf8mb4_bin,\n `c` datetime(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),\n `d` geometry NOT NULL,\n `e` bit(3) DEFAULT b'101',\n `f` char(36) CHARACTER SET ascii DEFAULT NULL,\n PRIMARY KEY (`id`),\n UNIQUE KEY `u` (`a`(10),`f`),\n FULLTEXT KEY `x` (`b`),\n SPATIAL KEY `y` (`d`),\n KEY `k` (`c` DESC) USING BTREE\n) ENGINE=MyISAM DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_polish_ci",
				{ id: 'int', a: 'string', b: 'string', c: 'string', d: 'binary', e: 'bit', f: 'string' },
				`array( array( '1', 'é', 'Text', '2024-01-01 00:00:00.123', hex2bin( '000000000101000000000000000000f03f0000000000000040' ), '5', null ) )`,
				{ key: ['id'] },
			);
			expect(reasons(outcome)).toEqual([]);
			expect(outcome.made).toMatchObject({ left_out: [], warnings: [] });
			for (const part of [
				"`a` varchar(20) CHARACTER SET latin1 COLLATE latin1_german2_ci NOT NULL DEFAULT 'x,''y'",
				'`b` text CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
				'`c` datetime(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3)',
				"`e` bit(3) DEFAULT b'101'",
				'UNIQUE KEY `u` (`a`(10),`f`)',
				'FULLTEXT KEY `x` (`b`)',
				'SPATIAL KEY `y` (`d`)',
				'ENGINE=InnoDB AUTO_INCREMENT=2 DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_polish_ci',
			])
				expect(outcome.ddl).toContain(part);
		});

		test('name what stands in for a collation or character set that the server lacks', async () => {
			const outcome = await land(
				"CREATE TABLE `t` (`a` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs DEFAULT NULL, `b` varchar(20) CHARACTER SET gb18030 COLLATE gb18030_chinese_ci, UNIQUE KEY `a` (`a`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='COLLATE=latin1_bin'",
				{ a: 'string', b: 'string' },
				`array( array( 'a', '漢' ), array( 'A', '字' ) )`,
			);
			expect(outcome.made.warnings).toEqual([
				"The clone's database server has no collation utf8mb4_0900_as_cs; utf8mb4_bin stands in.",
				"The clone's database server has no character set gb18030; utf8mb4 stands in.",
				"The clone's database server has no collation utf8mb4_chinese_ci; utf8mb4_unicode_520_ci stands in.",
				"The clone's database server has no collation utf8mb4_0900_ai_ci; utf8mb4_unicode_520_ci stands in.",
			]);
			expect(outcome).toMatchObject({ landed: [true], outcome: { rows: 2, differences: [] } });
		});

		test.each(DDL_CASES)('make a table with $what', async ({ ddl, columns, row, leftOut }) => {
			const outcome = await land(ddl, columns, `array( ${row} )`);
			expect(outcome.made).toMatchObject({ differences: [], left_out: leftOut });
			expect(outcome.outcome).toMatchObject({ rows: 1, differences: [] });
		});

		test('of a source that lies are plain, or refused; nothing of their text is run', async () => {
			const bare = await land(
				'CREATE VIEW x AS SELECT 1; DROP TABLE t; GRANT ALL ON *.* TO x',
				{ a: 'int', b: 'binary' },
				`array( array( '1', "\\xff" ) )`,
			);
			expect(bare).toMatchObject({ landed: [true], outcome: { rows: 1, differences: [] } });
			const name = 'n'.repeat(64);
			const odd = await land(
				`CREATE TABLE \`t\` (\`${name}\` int, \`se"l\`\`ect\` varchar(5), \`-- x\` int, KEY \`${'k'.repeat(64)}\` (\`${name}\`))`,
				{ [name]: 'int', 'se"l`ect': 'string', '-- x': 'int' },
				`array( array( '1', 'v', '2' ) )`,
			);
			expect(reasons(odd)).toEqual([]);
			const codes = await php.json<string[]>(`${await open()}
			$codes = array();
			foreach ( array( '_custom_migrator_tables', '_CUSTOM_migrator_t1', str_repeat( 'n', 65 ), 'tail ', "emoji\\u{1F600}", 'fine', str_repeat( 'ż', 64 ) ) as $name ) {
				try { $db->create_table( array( 'name' => $name, 'ddl' => '', 'columns' => array( array( 'name' => 'id', 'kind' => 'int' ) ), 'key' => null, 'rows' => 0, 'bytes' => 0 ) ); $codes[] = 'made'; } catch ( Custom_Migrator_Import_Error $error ) { $codes[] = $error->error_code(); }
			}
			try { $db->create_table( array( 'name' => 'wide', 'ddl' => '', 'columns' => array_map( static function ( $i ) { return array( 'name' => "c$i", 'kind' => 'string' ); }, range( 1, 3000 ) ), 'key' => null, 'rows' => 0, 'bytes' => 0 ) ); $codes[] = 'made'; } catch ( Custom_Migrator_Import_Error $error ) { $codes[] = $error->error_code(); }
			$codes[] = count( $db->all_progress() );
			echo json_encode( $codes );`);
			expect(codes).toEqual([...Array(5).fill('table_refused'), 'made', 'made', 'table_refused', 2]);
		});
	});

	describe('crashes', () => {
		const TABLE = `array( 'name' => 't', 'ddl' => 'CREATE TABLE \`t\` (\`id\` int NOT NULL, \`s\` varchar(3), PRIMARY KEY (\`id\`))', 'columns' => array( array( 'name' => 'id', 'kind' => 'int' ), array( 'name' => 's', 'kind' => 'string' ) ), 'key' => array( 'id' ), 'rows' => 2, 'bytes' => 0 )`;
		const REWRITER = `new Custom_Migrator_Rewriter( 'https://a.com', 'http://clone.test' )`;

		test('between noting that a table starts over and making it: it is made again, empty', async () => {
			const outcome = await php.json<unknown>(`${await open()}
			$db->create_table( ${TABLE} );
			$db->writer( 't', ${REWRITER} )->land( array( array( '1', 'old' ) ), 'next' );
			// What widen() writes first; then the process died.
			$db->save_progress( 't', array( 'cursor' => null, 'rows' => 0, 'digest' => array( 0, 0, 0, 0 ), 'made' => 0, 'widened' => (object) array( 's' => 'longtext' ) ) );
			$db->close();
			$done = $db->writer( 't', ${REWRITER} )->land( array( array( '1', 'longer' ), array( '2', 'x' ) ), null );
			$verifier = $db->verifier();
			$verifier->run( microtime( true ) + 60 );
			echo json_encode( array( $done, $verifier->outcome()['rows'], (int) $db->pdo()->query( 'SELECT COUNT(*) FROM ' . $db->quoted( 't' ) )->fetchColumn() ) );`);
			expect(outcome).toEqual([true, 2, 2]);
		});

		test('in the middle of a chunk: its rows are not there, and neither is its cursor', async () => {
			const outcome = await php.json<unknown>(`${await open()}
			$db->create_table( ${TABLE} );
			$writer = $db->writer( 't', ${REWRITER} );
			$rows = ( static function () { for ( $i = 1; $i < 300; $i++ ) { yield array( (string) $i, 'x' ); } throw new Exception( 'killed' ); } )();
			try { $writer->land( $rows, null ); } catch ( Exception $error ) { $said = $error->getMessage(); }
			$progress = $db->progress( 't' );
			echo json_encode( array( $said, $progress['rows'], $progress['landed'], (int) $db->pdo()->query( 'SELECT COUNT(*) FROM ' . $db->quoted( 't' ) )->fetchColumn() ) );`);
			expect(outcome).toEqual(['killed', 0, 0, 0]);
		});

		test('the switch is one statement, may be asked for again, and a discarded import leaves nothing', async () => {
			const outcome = await php.json<Record<string, unknown>>(`${await open()}
			$names = static function () use ( $db ) { return $db->pdo()->query( 'SHOW TABLES' )->fetchAll( PDO::FETCH_COLUMN ); };
			foreach ( array( 'wp_a', 'wp_b', 'odd\`name', 'wp_c' ) as $name ) { $db->create_table( array( 'name' => $name ) + ${TABLE} ); }
			$before = $names();
			$renames = $db->ready_to_switch();
			// One name is taken: no table may have moved.
			$db->pdo()->exec( 'CREATE TABLE wp_c (id int)' );
			try { $db->switch_tables( $renames ); $failed = 'no'; } catch ( PDOException $error ) { $failed = 'yes'; }
			$unmoved = $names();
			$db->pdo()->exec( 'DROP TABLE wp_c' );
			$db->switch_tables( $renames );
			$db->switch_tables( $renames );
			$after = $names();
			$db->discard();
			echo json_encode( array( 'before' => $before, 'failed' => $failed, 'unmoved' => $unmoved, 'after' => $after, 'left' => $names() ) );`);
			const staged = [
				'_custom_migrator_t1',
				'_custom_migrator_t2',
				'_custom_migrator_t3',
				'_custom_migrator_t4',
				'_custom_migrator_tables',
			];
			expect(outcome).toEqual({
				before: staged,
				failed: 'yes',
				unmoved: [...staged, 'wp_c'],
				after: ['_custom_migrator_tables', 'odd`name', 'wp_a', 'wp_b', 'wp_c'],
				left: ['_custom_migrator_tables'],
			});
		});
	});
});
