import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BarePhp, barePhp } from './support/bare-php.ts';
import { DDL_CASES, TAMPERINGS } from './support/ddl-cases.ts';

interface Outcome {
	readonly made: { readonly differences: readonly string[]; readonly left_out: readonly string[] };
	readonly landed: readonly boolean[];
	readonly rows: readonly (readonly unknown[])[];
	readonly outcome: { readonly tables: number; readonly rows: number; readonly differences: readonly { readonly reason: string }[] };
	readonly sql: readonly string[];
}

describe.each(['7.4', '8.4', '8.5'] as const)('landing tables in SQLite, on PHP %s', (version) => {
	let php: BarePhp;
	let count = 0;
	beforeAll(async () => {
		php = await barePhp(version);
	});
	afterAll(() => php.stop());

	/** Makes a table, lands chunks (restarted when the table starts over), finishes and verifies it. `between` is PHP run before the read-back. */
	const land = async (ddl: string, columns: Readonly<Record<string, string>>, rows: string, between = ''): Promise<Outcome> => {
		count += 1;
		return php.json(`
			final class Test_Slot extends Custom_Migrator_Slot {
				public function driver(): string { return DRIVER . '/wp-includes/database/load.php'; }
			}
			mkdir( DIR . '/s${count}' );
			$slot = new Test_Slot( DIR . '/s${count}' );
			$db = new Custom_Migrator_Staging_Sqlite( $slot );
			$columns = json_decode( ${JSON.stringify(JSON.stringify(columns)).replaceAll('$', '\\$')}, true );
			$table = array( 'name' => 't', 'ddl' => base64_decode( '${Buffer.from(ddl).toString('base64')}' ), 'key' => null, 'bytes' => 0, 'columns' => array() );
			foreach ( $columns as $name => $kind ) { $table['columns'][] = array( 'name' => $name, 'kind' => $kind ); }
			$rows = ${rows};
			$table['rows'] = count( $rows );
			$made = $db->create_table( $table );
			$writer = $db->writer( 't', new Custom_Migrator_Rewriter( 'https://a.com', 'http://clone.test' ) );
			$landed = array();
			do { $done = $writer->land( $rows, null ); $landed[] = $done; } while ( ! $done && count( $landed ) < 5 );
			while ( $db->finish_one() ) {}
			$pdo = $db->pdo();
			$t = $db->quoted( 't' );
			${between}
			$verifier = $db->verifier();
			while ( ! $verifier->run( microtime( true ) + 60 ) ) {}
			$select = array();
			foreach ( $columns as $name => $kind ) { $q = Custom_Migrator_Import_Sqlite::quote( $name ); $select[] = "typeof($q) || ':' || CASE WHEN length(CAST($q AS BLOB)) > 500 THEN length(CAST($q AS BLOB)) ELSE ifnull(hex(CAST($q AS BLOB)), '') END"; }
			$kept = $pdo->query( 'SELECT ' . implode( ', ', $select ) . ' FROM t ORDER BY rowid' )->fetchAll( PDO::FETCH_NUM );
			$sql = $pdo->query( "SELECT sql FROM sqlite_master WHERE tbl_name = 't' AND sql IS NOT NULL ORDER BY rowid" )->fetchAll( PDO::FETCH_COLUMN );
			echo json_encode( array( 'made' => $made, 'landed' => $landed, 'rows' => $kept, 'outcome' => $verifier->outcome(), 'sql' => $sql ) );`);
	};
	const hex = (type: string, text: string): string => `${type}:${Buffer.from(text).toString('hex').toUpperCase()}`;
	const reasons = (outcome: Outcome): string[] => outcome.outcome.differences.map((each) => each.reason);

	test('stores what the driver would, and reads the same back', async () => {
		const outcome = await land(
			"CREATE TABLE `t` (`i` bigint(20) unsigned zerofill NOT NULL, `f` double, `d` decimal(10,2), `s` varchar(9), `b` varbinary(9), `n` bit(8), `y` year(4), `z` datetime DEFAULT '0000-00-00 00:00:00')",
			{ i: 'int', f: 'float', d: 'decimal', s: 'string', b: 'binary', n: 'bit', y: 'int', z: 'string' },
			`array( array( '00042', '1e-7', '19.90', "a\\0b", "\\0\\xff", '5', '2024', '0000-00-00 00:00:00' ), array( '-9223372036854775808', '-0', '0.10', '', '', '0', '0000', null ) )`,
		);
		expect(outcome.outcome.differences).toEqual([]);
		expect(outcome.rows).toEqual([
			[
				hex('integer', '42'),
				hex('real', '1.0e-07'),
				hex('real', '19.9'),
				hex('text', 'a\0b'),
				'blob:00FF',
				hex('integer', '5'),
				hex('text', '2024'),
				hex('text', '0000-00-00 00:00:00'),
			],
			[
				hex('integer', '-9223372036854775808'),
				hex('real', '0.0'),
				hex('real', '0.1'),
				'text:',
				'blob:',
				hex('integer', '0'),
				hex('text', '0000'),
				'null:',
			],
		]);
	});

	test('an unsigned number that SQLite cannot hold is kept as text, and named', async () => {
		const outcome = await land(
			'CREATE TABLE `t` (`id` bigint(20) unsigned NOT NULL, `h` bigint(20) unsigned DEFAULT NULL, PRIMARY KEY (`id`), KEY `h` (`h`))',
			{ id: 'int', h: 'int' },
			`array( array( '1', '7' ), array( '2', '18446744073709551615' ), array( '3', null ) )`,
		);
		expect(outcome.landed).toEqual([false, true]);
		expect(outcome.rows.map((row) => row[1])).toEqual([hex('integer', '7'), hex('text', '18446744073709551615'), 'null:']);
		expect(reasons(outcome)).toEqual(["column h holds values that SQLite's numbers cannot, kept as text"]);
		expect(outcome.sql.join()).toContain('CREATE INDEX `t__h`');
	});

	test('a _bin column compares byte by byte, so that "a" and "A" may both be unique', async () => {
		const outcome = await land(
			"CREATE TABLE `t` (`k` varchar(20) COLLATE utf8mb4_bin NOT NULL DEFAULT '', `l` varchar(20) NOT NULL, UNIQUE KEY `k` (`k`(10)))",
			{ k: 'string', l: 'string' },
			`array( array( 'a', 'x' ), array( 'A', 'X' ) )`,
		);
		expect(outcome).toMatchObject({ landed: [true], outcome: { rows: 2, differences: [] } });
		expect(outcome.sql[0]).toContain('`k` TEXT COLLATE BINARY');
		expect(outcome.sql[0]).toContain('`l` TEXT COLLATE NOCASE');
	});

	test('two addresses that would become one stay, where they must be unique, and are counted', async () => {
		const outcome = await land(
			'CREATE TABLE `t` (`u` varchar(99) NOT NULL, UNIQUE KEY `u` (`u`))',
			{ u: 'string' },
			`array( array( 'https://a.com/x' ), array( 'http://a.com/x' ), array( 'https://b.com/' ) )`,
		);
		expect(outcome.rows).toEqual([[hex('text', 'http://clone.test/x')], [hex('text', 'http://a.com/x')], [hex('text', 'https://b.com/')]]);
		expect(reasons(outcome).join()).toContain("1 rows keep the source's address");
	});

	test('rows that break the table’s own keys land all the same, without the key, and it is named', async () => {
		const outcome = await land(
			'CREATE TABLE `t` (`g` int NOT NULL, `id` int NOT NULL AUTO_INCREMENT, `s` varchar(9), PRIMARY KEY (`g`,`id`))',
			{ g: 'int', id: 'int', s: 'string' },
			`array( array( '1', '1', 'a' ), array( '2', '1', 'b' ), array( '2', '2', null ) )`,
		);
		expect(outcome.landed).toEqual([false, true]);
		expect(outcome.outcome.rows).toBe(3);
		expect(reasons(outcome)).toEqual(['its rows break its unique keys, which were left out']);
	});

	test('a decimal of more digits than a double keeps is counted', async () => {
		const outcome = await land(
			'CREATE TABLE `t` (`d` decimal(30,10))',
			{ d: 'decimal' },
			`array( array( '12345678901234567.8901' ), array( '100.0000000000' ) )`,
		);
		expect(reasons(outcome)).toEqual(['column d: 1 decimals have more than 15 digits and keep that many']);
	});

	test('automatic numbers go on after the source’s', async () => {
		const outcome = await land(
			'CREATE TABLE `t` (`id` bigint unsigned NOT NULL AUTO_INCREMENT, `k` varchar(9) COLLATE utf8mb4_bin, PRIMARY KEY (`id`)) ENGINE=InnoDB AUTO_INCREMENT=500',
			{ id: 'int', k: 'string' },
			`array( array( '7', 'x' ) )`,
			`$pdo->exec( "INSERT INTO t (k) VALUES ('new')" ); `,
		);
		expect(outcome.rows.map((row) => row[0])).toEqual([hex('integer', '7'), hex('integer', '500')]);
	});

	test('a value larger than can be rewritten lands in slices, bytes as they are, and is named', async () => {
		const size = 65 * 1024 * 1024;
		const bytes = Buffer.alloc(size, 'https://a.com/ \0\n');
		for (let i = 0; i < size; i += 1_000_003) bytes.writeUInt32LE(i, i);
		writeFileSync(join(php.dir, 'large'), bytes);
		const outcome = await land(
			'CREATE TABLE `t` (`id` int NOT NULL, `s` longtext, `b` longblob, PRIMARY KEY (`id`))',
			{ id: 'int', s: 'string', b: 'binary' },
			`array( array( '1', array( DIR . '/large', ${size} ), array( DIR . '/large', ${size} ) ), array( '2', 'small', null ) )`,
			`foreach ( array( 's', 'b' ) as $c ) { $slice = $pdo->query( "SELECT substr(CAST($c AS BLOB), 60000001, 1000) FROM t WHERE id = 1" )->fetchColumn(); if ( $slice !== file_get_contents( DIR . '/large', false, null, 60000000, 1000 ) ) { throw new Exception( 'misplaced' ); } }`,
		);
		expect(outcome.rows[0]).toEqual([hex('integer', '1'), `text:${size}`, `blob:${size}`]);
		expect(reasons(outcome)).toEqual(['2 values above 64 MiB were not rewritten']);
	});

	test.each(TAMPERINGS)('reading back finds %s', async (_, tamper) => {
		const ddl = 'CREATE TABLE `t` (`id` int NOT NULL, `s` varchar(9), PRIMARY KEY (`id`))';
		const rows = `array( array( '1', 'one' ), array( '2', 'two' ), array( '3', '' ) )`;
		expect(reasons(await land(ddl, { id: 'int', s: 'string' }, rows))).toEqual([]);
		expect(reasons(await land(ddl, { id: 'int', s: 'string' }, rows, `$pdo->exec( "${tamper}" );`))).toEqual([
			'what was read back from the clone is not what was written',
		]);
	});

	test('reading back finds one changed byte in a value that is summed up by its own hash', async () => {
		const ddl = 'CREATE TABLE `t` (`id` int NOT NULL, `s` longtext, PRIMARY KEY (`id`))';
		const rows = `array( array( '1', str_repeat( 'x', 2097152 ) ) )`;
		expect(reasons(await land(ddl, { id: 'int', s: 'string' }, rows))).toEqual([]);
		const tampered = await land(
			ddl,
			{ id: 'int', s: 'string' },
			rows,
			`$pdo->exec( "UPDATE t SET s = substr(s, 1, 1500000) || 'y' || substr(s, 1500002)" );`,
		);
		expect(reasons(tampered)).toEqual(['what was read back from the clone is not what was written']);
	});

	test('a table that changed on the source is named', async () => {
		const outcome = await land(
			'CREATE TABLE `t` (`id` int)',
			{ id: 'int' },
			`array( array( '1' ) )`,
			`$p = $db->progress( 't' ); $p['info']['rows'] = 3; $db->save_progress( 't', array( 'info' => $p['info'] ) );`,
		);
		expect(reasons(outcome)).toEqual(['changed on the source during the copy: 3 rows counted, 1 copied']);
	});

	test.each(DDL_CASES)('makes a table with $what', async ({ ddl, columns, row, leftOut }) => {
		const outcome = await land(ddl, columns, `array( ${row} )`);
		expect(outcome.made).toEqual({ differences: [], left_out: leftOut });
		expect(outcome.outcome).toMatchObject({ rows: 1, differences: [] });
	});

	test('a table that a step left half-made is made again; one of the same name in another case is refused', async () => {
		const outcome = await php.json<unknown>(`
			final class Test_Slot extends Custom_Migrator_Slot {
				public function driver(): string { return DRIVER . '/wp-includes/database/load.php'; }
			}
			mkdir( DIR . '/half' );
			$db = new Custom_Migrator_Staging_Sqlite( new Test_Slot( DIR . '/half' ) );
			$table = array( 'name' => 't', 'ddl' => 'CREATE TABLE \`t\` (\`id\` int, KEY \`id\` (\`id\`))', 'columns' => array( array( 'name' => 'id', 'kind' => 'int' ) ), 'key' => null, 'rows' => 0, 'bytes' => 0 );
			$db->create_table( $table );
			$db->pdo()->exec( 'DELETE FROM _custom_migrator_tables' );
			$db->pdo()->exec( 'INSERT INTO t VALUES (1)' );
			$again = $db->create_table( $table );
			$rows = (int) $db->pdo()->query( 'SELECT COUNT(*) FROM t' )->fetchColumn();
			$codes = array();
			foreach ( array( 'T', 'sqlite_sequence', '_wp_sqlite_global_variables', '_custom_migrator_tables' ) as $name ) {
				try { $db->create_table( array( 'name' => $name ) + $table ); $codes[] = 'made'; } catch ( Custom_Migrator_Import_Error $error ) { $codes[] = $error->error_code(); }
			}
			echo json_encode( array( $again, $rows, $codes, count( $db->all_progress() ) ) );`);
		expect(outcome).toEqual([
			{ differences: [], left_out: [] },
			0,
			['table_refused', 'table_refused', 'table_refused', 'table_refused'],
			1,
		]);
	});

	test('makes a table of names as long and as odd as MySQL has them, and of a DDL that says nothing', async () => {
		const name = 'n'.repeat(63);
		const outcome = await land(
			`CREATE TABLE \`t\` (\`${name}\` int, \`se"l\`\`ect\` varchar(5), \`-- x\` int, KEY \`${'k'.repeat(64)}\` (\`${name}\`))`,
			{ [name]: 'int', 'se"l`ect': 'string', '-- x': 'int' },
			`array( array( '1', 'v', '2' ) )`,
		);
		expect(outcome.outcome.differences).toEqual([]);
		const bare = await land(
			"CREATE VIEW x AS SELECT 1; DROP TABLE t; ATTACH '/etc/x' AS y",
			{ a: 'int', b: 'binary' },
			`array( array( '1', "\\xff" ) )`,
		);
		expect(bare).toMatchObject({ landed: [true], outcome: { rows: 1, differences: [] } });
		expect(bare.rows).toEqual([[hex('integer', '1'), 'blob:FF']]);
	});
});
