import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { truncate } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PLUGIN, registered } from '../../plugin/source/support.ts';
import { Agent, openFrame, type Table } from '../../support/migrator/agent.ts';
import { type Peak, takePeaks } from '../../support/migrator/peak.ts';
import { allTables, readTable, readValue, type Value } from '../../support/migrator/rows.ts';
import { type NativeSite, phpLog, startNativeSite } from './native-site.ts';

/** The source role on a real MariaDB, with tables as hostile as sites have them. */

let site: NativeSite;
let agent: Agent;

beforeAll(async () => {
	site = await startNativeSite();
	agent = await registered(site, 'clone-0123456789ab');
});
afterAll(() => site.stop());

/** Makes a table, gives it to the test, drops it. */
async function withTable<T>(ddl: string, inserts: string, use: (table: Table) => Promise<T>): Promise<T> {
	const name = /`((?:[^`]|``)+)`/.exec(ddl)?.[1]?.replaceAll('``', '`') ?? '';
	await site.sql(`SET sql_mode = ''; ${ddl}; ${inserts}`);
	try {
		const table = (await allTables(agent)).find((each) => each.name === name);
		if (!table) throw new Error(`${name} is not among the tables`);
		return await use(table);
	} finally {
		await site.sql(`DROP TABLE IF EXISTS \`${name.replaceAll('`', '``')}\``);
	}
}

const text = (value: Value | undefined): string | null => {
	if (value === null) return null;
	if (Buffer.isBuffer(value)) return value.toString('utf8');
	throw new Error('a value that travels in slices');
};
const texts = (rows: readonly Value[][]): (string | null)[][] => rows.map((row) => row.map(text));
const hex = (rows: readonly Value[][]): (string | null)[][] =>
	rows.map((row) => row.map((value) => (Buffer.isBuffer(value) ? value.toString('hex') : null)));

const sorted = (list: readonly string[]): string[] => list.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

describe('values', () => {
	test('text is utf8mb4, whatever the column; NULL is not the empty string', () =>
		withTable(
			'CREATE TABLE `wp_text` (id int PRIMARY KEY, a text CHARACTER SET latin1, b varchar(20) CHARACTER SET utf8mb3, c longtext CHARACTER SET utf8mb4, d char(5) CHARACTER SET ucs2, e text CHARACTER SET cp1251)',
			"INSERT INTO wp_text VALUES (1, 'é€ü', 'żółw', '🦊\\0\\n''\"', 'ä', 'Привет'), (2, '', '', '', '', ''), (3, NULL, NULL, NULL, NULL, NULL)",
			async (table) => {
				const { rows } = await readTable(agent, table);
				expect(texts(rows)).toEqual([
					['1', 'é€ü', 'żółw', '🦊\0\n\'"', 'ä', 'Привет'],
					['2', '', '', '', '', ''],
					['3', null, null, null, null, null],
				]);
			},
		));

	test('binary columns are raw, bits are decimal', () =>
		withTable(
			'CREATE TABLE `wp_bin` (id binary(4) PRIMARY KEY, a varbinary(9), b longblob, c bit(1), d bit(64), e point)',
			"INSERT INTO wp_bin VALUES (X'00000000', X'', X'ff00fe', b'1', X'ffffffffffffffff', ST_GeomFromText('POINT(1 2)')), (X'00ff', X'00', NULL, b'0', 1, NULL)",
			async (table) => {
				const { rows } = await readTable(agent, table, { max_rows: 1 });
				expect(table.columns.map((column) => column.kind)).toEqual(['binary', 'binary', 'binary', 'bit', 'bit', 'binary']);
				expect(hex(rows).map((row) => row.slice(0, 3))).toEqual([
					['00000000', '', 'ff00fe'],
					['00ff0000', '00', null],
				]);
				expect(rows.map((row) => [text(row[3]), text(row[4])])).toEqual([
					['1', '18446744073709551615'],
					['0', '1'],
				]);
				const [point] = (await site.sql('SELECT HEX(e) FROM wp_bin WHERE e IS NOT NULL')).trim().split('\n');
				expect(hex(rows)[0]?.[5]).toBe(point?.toLowerCase());
			},
		));

	test('numbers keep every digit', () =>
		withTable(
			'CREATE TABLE `wp_num` (id bigint unsigned PRIMARY KEY, a bigint, b decimal(65,30), c int(9) zerofill, d year)',
			"INSERT INTO wp_num VALUES (18446744073709551615, -9223372036854775808, '12345678901234567890123456789012345.123456789012345678901234567891', 42, 2155), (0, 9223372036854775807, '-0.000000000000000000000000000001', 0, 0)",
			async (table) => {
				const { rows } = await readTable(agent, table, { max_rows: 1 });
				expect(texts(rows)).toEqual([
					['0', '9223372036854775807', '-0.000000000000000000000000000001', '000000000', '0000'],
					[
						'18446744073709551615',
						'-9223372036854775808',
						'12345678901234567890123456789012345.123456789012345678901234567891',
						'000000042',
						'2155',
					],
				]);
			},
		));

	test('floats come back to the same bits, and read as the database writes them where that suffices', async () => {
		const floats = ['1.1', '0.1', '16777217', '123456789', '3.4028234e38', '1.4e-45', '-0.333333333', '1e10', '2147483647', '0'];
		const doubles = [
			'0.1',
			'0.30000000000000004',
			'1.7976931348623157e308',
			'5e-324',
			'123456789.12345679',
			'-1e-7',
			'9007199254740993',
			'1e22',
			'3.14',
			'0',
		];
		await withTable(
			'CREATE TABLE `wp_flo` (id int PRIMARY KEY, f float, d double, m float(9,2))',
			`INSERT INTO wp_flo VALUES ${floats.map((f, i) => `(${i}, ${f}, ${doubles[i]}, 1234567.891)`).join(', ')}`,
			async (table) => {
				const { rows } = await readTable(agent, table);
				const [first] = texts(rows);
				expect(first).toEqual(['0', '1.1', '0.1', '1234567.88']);
				await site.sql(
					`CREATE TABLE back LIKE wp_flo; INSERT INTO back VALUES ${texts(rows)
						.map((row) => `(${row.join(', ')})`)
						.join(', ')}`,
				);
				const same = await site.sql(
					'SELECT COUNT(*) FROM wp_flo a JOIN back b ON a.id = b.id AND a.f + 0e0 = b.f + 0e0 AND a.d = b.d AND a.m + 0e0 = b.m + 0e0; DROP TABLE back',
				);
				expect(Number(same)).toBe(floats.length);
			},
		);
	});

	test('dates stay as they are, also those that are none', () =>
		withTable(
			'CREATE TABLE `wp_dates` (id datetime(6) PRIMARY KEY, a date, b time, c timestamp NULL, d text)',
			"INSERT INTO wp_dates VALUES ('0000-00-00', '2024-00-00', '-838:59:59', NULL, '2024-01-01T00:00:00Z'), ('2024-02-29 23:59:59.999999', '0000-00-00', '00:00:00', '2024-06-01 12:00:00', '0000-00-00 00:00:00')",
			async (table) => {
				const { rows } = await readTable(agent, table, { max_rows: 1 });
				expect(texts(rows)).toEqual([
					['0000-00-00 00:00:00.000000', '2024-00-00', '-838:59:59', null, '2024-01-01T00:00:00Z'],
					['2024-02-29 23:59:59.999999', '0000-00-00', '00:00:00', '2024-06-01 12:00:00', '0000-00-00 00:00:00'],
				]);
			},
		));

	test('JSON, enums, sets, generated columns, and names that want quoting', () =>
		withTable(
			"CREATE TABLE `wp_od``d` (`select` int PRIMARY KEY, `we``ird` json, `ünï code` enum('b','a','ü'), `or\"der` set('x','y'), `from` int GENERATED ALWAYS AS (`select` * 2) STORED, `v` int GENERATED ALWAYS AS (`select` + 1) VIRTUAL)",
			"INSERT INTO `wp_od``d` (`select`, `we``ird`, `ünï code`, `or\"der`) VALUES (1, '{\"a\": \"\\\\u00e9\"}', 'ü', 'x,y'), (2, NULL, 'b', '')",
			async (table) => {
				const { rows } = await readTable(agent, table);
				expect(table.columns.map((column) => column.name)).toEqual(['select', 'we`ird', 'ünï code', 'or"der', 'from', 'v']);
				expect(table.columns.map((column) => column.generated ?? false)).toEqual([false, false, false, false, true, true]);
				expect(texts(rows)).toEqual([
					['1', '{"a": "\\u00e9"}', 'ü', 'x,y', '2', '2'],
					['2', null, 'b', '', '4', '3'],
				]);
			},
		));

	test('a latin1 site that keeps UTF-8 in latin1 columns is read as its visitors see it', async () => {
		const old = await site.serveWith("define( 'DB_CHARSET', 'latin1' );");
		try {
			await site.sql(
				"CREATE TABLE wp_moji (id int PRIMARY KEY, t longtext CHARACTER SET latin1, p varchar(30) CHARACTER SET latin1); INSERT INTO wp_moji VALUES (1, CONVERT(X'f09fa68ac3a9' USING latin1), CONVERT(X'c3bc' USING latin1)), (2, CONVERT(X'e9' USING latin1), 'plain')",
			);
			await site.sql("UPDATE wp_moji SET t = CONCAT(t, REPEAT(CONVERT(X'c3a9' USING latin1), 700000)) WHERE id = 1");
			await peaks();
			const legacy = new Agent(old.url, agent.keyId, agent.key);
			const table = (await allTables(legacy)).find((each) => each.name === 'wp_moji');
			if (!table) throw new Error('no table');
			const { rows } = await readTable(legacy, table, { slices: true });
			expect(text(rows[0]?.[1])).toBe(`🦊é${'é'.repeat(700_000)}`);
			expect(text(rows[0]?.[2])).toBe('ü');
			expect(texts(rows)[1]).toEqual(['2', 'é', 'plain']);
			const sessions = (await peaks()).filter((peak) => peak.verb === 'rows').map((peak) => peak.session?.[1]);
			expect(sessions.length).toBeGreaterThan(0);
			expect(new Set(sessions)).toEqual(new Set(['latin1']));
		} finally {
			await old.stop();
			await site.sql('DROP TABLE wp_moji');
		}
	});
});

describe('paging', () => {
	/** Reads a table in small pages and checks that every row came once, in one order. */
	async function everyRowOnce(table: Table, keys: readonly string[], max_rows = 7): Promise<void> {
		const { rows, pages } = await readTable(agent, table, { max_rows });
		expect(pages).toBeGreaterThan(2);
		expect(rows.length).toBe(keys.length);
		expect(table.rows).toBe(keys.length);
		const found = texts(rows).map((row) => row.join('\u0001'));
		expect(sorted(found)).toEqual(sorted(keys));
	}

	const words = (): string[] => {
		const letters = ['a', 'B', 'ä', 'z', 'Z!', 'ß', '_', '0', 'é', 'ñ', ' x', '-', 'ð', 'ÿ'];
		const all = letters.flatMap((one) => letters.map((two, i) => `${one}${two}${i}`));
		return all.filter((word, i) => i % 3 !== 1 || word.length > 2);
	};

	for (const [charset, collation] of [
		['utf8mb4', 'utf8mb4_unicode_ci'],
		['utf8mb4', 'utf8mb4_general_ci'],
		['utf8mb4', 'utf8mb4_bin'],
		['utf8mb4', 'utf8mb4_nopad_bin'],
		['latin1', 'latin1_swedish_ci'],
		['latin1', 'latin1_german2_ci'],
		['utf8mb3', 'utf8mb3_general_ci'],
	])
		test(`by a text key in ${collation}`, () =>
			withTable(
				`CREATE TABLE \`wp_ci\` (k varchar(40) CHARACTER SET ${charset} COLLATE ${collation} PRIMARY KEY)`,
				`INSERT IGNORE INTO wp_ci VALUES (''), ${words()
					.map((word) => `('${word}')`)
					.join(', ')}`,
				async (table) => {
					const keys = (await site.sql('SELECT k FROM wp_ci')).slice(0, -1).split('\n');
					expect(keys.length).toBeGreaterThan(60);
					await everyRowOnce(table, keys);
				},
			));

	test('by a composite key of mixed kinds', async () => {
		const rows = words().flatMap((word, i) => [`'${word}', ${i % 5}, X'${i.toString(16).padStart(4, '0')}'`]);
		await withTable(
			'CREATE TABLE `wp_comp` (a varchar(20) COLLATE utf8mb4_unicode_ci, b int, c varbinary(4), PRIMARY KEY (b, a, c))',
			`INSERT INTO wp_comp VALUES ${rows.map((row) => `(${row})`).join(', ')}`,
			async (table) => {
				expect(table.key).toEqual(['b', 'a', 'c']);
				const keys = (await site.sql("SELECT CONCAT(a, '\u0001', b, '\u0001', HEX(c)) FROM wp_comp")).slice(0, -1).split('\n');
				const { rows: read } = await readTable(agent, table, { max_rows: 3 });
				const found = read.map((row) => `${text(row[0])}\u0001${text(row[1])}\u0001${(row[2] as Buffer).toString('hex').toUpperCase()}`);
				expect(sorted(found)).toEqual(sorted(keys));
			},
		);
	});

	test('by enum, bit, float, timestamp and date keys, whose order is not that of their text', async () => {
		const numbers = Array.from({ length: 40 }, (_, i) => i);
		await withTable(
			"CREATE TABLE `wp_e` (k enum('z','b','a','10','9'), n bit(8), PRIMARY KEY (k, n))",
			`INSERT INTO wp_e VALUES ${numbers.map((i) => `(${(i % 5) + 1}, ${i * 6})`).join(', ')}`,
			async (table) => {
				const { rows } = await readTable(agent, table, { max_rows: 3 });
				expect(new Set(texts(rows).map(String)).size).toBe(40);
				expect(rows.length).toBe(40);
			},
		);
		await withTable(
			'CREATE TABLE `wp_f` (k float, d double, PRIMARY KEY (k, d))',
			`INSERT INTO wp_f VALUES ${numbers.map((i) => `(${i % 4} / 3, ${i} / 7)`).join(', ')}`,
			(table) => readTable(agent, table, { max_rows: 3 }).then(({ rows }) => expect(new Set(texts(rows).map(String)).size).toBe(40)),
		);
		// The hour that the clock passes twice.
		await withTable(
			'CREATE TABLE `wp_t` (k timestamp PRIMARY KEY)',
			`SET time_zone = '+00:00'; INSERT INTO wp_t VALUES ('0000-00-00 00:00:00'), ${numbers.map((i) => `('2024-10-27 0${Math.floor(i / 20)}:${10 + (i % 20)}:00')`).join(', ')}`,
			(table) => readTable(agent, table, { max_rows: 3 }).then(({ rows }) => expect(rows.length).toBe(41)),
		);
		await withTable(
			'CREATE TABLE `wp_d` (k date, t time, PRIMARY KEY (k, t))',
			`INSERT INTO wp_d VALUES ('0000-00-00', '-10:00:00'), ${numbers.map((i) => `('2024-00-${10 + (i % 9)}', '${i * 3 - 30}:00:00')`).join(', ')}`,
			(table) => readTable(agent, table, { max_rows: 3 }).then(({ rows }) => expect(new Set(texts(rows).map(String)).size).toBe(41)),
		);
	});

	test('without a key: duplicates are exact, long values that begin alike too', () =>
		withTable(
			'CREATE TABLE `wp_nokey` (a int, b longtext, c float, UNIQUE KEY (a))',
			`INSERT INTO wp_nokey SELECT NULL, CONCAT(REPEAT('x', 3000), seq % 20), seq % 3 FROM seq_1_to_200;
			INSERT INTO wp_nokey VALUES (NULL, NULL, NULL), (NULL, NULL, NULL), (NULL, '', 1.1), (7, '', 1.1)`,
			async (table) => {
				expect(table.key).toBeNull();
				const { rows, pages } = await readTable(agent, table, { max_rows: 7 });
				expect(pages).toBeGreaterThan(20);
				const counted = new Map<string, number>();
				for (const row of texts(rows)) counted.set(String(row), (counted.get(String(row)) ?? 0) + 1);
				expect(rows.length).toBe(204);
				expect(counted.get(String([null, null, null]))).toBe(2);
				expect(counted.get(String(['7', '', '1.1']))).toBe(1);
				const truth = (await site.sql('SELECT COUNT(*) FROM wp_nokey WHERE c < 5 GROUP BY a, b, c ORDER BY 1'))
					.trim()
					.split('\n')
					.map(Number);
				expect([...counted.values()].filter((_, i) => [...counted.keys()][i] !== String([null, null, null])).sort((x, y) => x - y)).toEqual(
					truth,
				);
			},
		));

	test('without a key a large value travels inline, within bounded memory', () =>
		withTable(
			'CREATE TABLE `wp_nokeybig` (a int NULL, b longblob)',
			"INSERT INTO wp_nokeybig VALUES (1, REPEAT(X'00ff41', 4000000)), (2, 'small')",
			async (table) => {
				const bare = await baseline();
				const { rows } = await readTable(agent, table, { gzip: true });
				const sizes = rows.map((row) => (row[1] as Buffer).length).sort((x, y) => x - y);
				expect(sizes).toEqual([5, 12_000_000]);
				const big = rows.map((row) => row[1] as Buffer).find((value) => value.length > 5);
				expect(big?.equals(Buffer.from('00ff41'.repeat(4_000_000), 'hex'))).toBe(true);
				for (const peak of await peaks()) expect(peak.bytes - bare).toBeLessThan(16 * 1024 * 1024);
			},
		));

	test('a unique key over columns that cannot be NULL serves where there is no primary one; a partial one does not', async () => {
		await withTable(
			'CREATE TABLE `wp_u` (a int NULL, b int NOT NULL, c int NOT NULL, UNIQUE (a), UNIQUE (c, b))',
			'INSERT INTO wp_u VALUES (1, 2, 3)',
			async (table) => {
				expect(table.key).toEqual(['c', 'b']);
			},
		);
		await withTable('CREATE TABLE `wp_p` (b varchar(99) NOT NULL, UNIQUE (b(3)))', "INSERT INTO wp_p VALUES ('abcd')", async (table) => {
			expect(table.key).toBeNull();
		});
	});

	test('rows that come and go elsewhere shift nothing', () =>
		withTable('CREATE TABLE `wp_live` (id int PRIMARY KEY)', 'INSERT INTO wp_live SELECT seq * 10 FROM seq_1_to_100', async (table) => {
			const first = await agent.call('rows', { table: table.name, max_rows: 50 });
			await site.sql('DELETE FROM wp_live WHERE id <= 300; INSERT INTO wp_live VALUES (5), (15), (805)');
			const ids: string[] = [];
			let cursor: unknown = first.data.cursor;
			while (cursor) {
				const page = await agent.call('rows', { table: table.name, max_rows: 20, cursor });
				ids.push(...Array.from({ length: page.data.rows }, (_, i) => page.payload.toString('latin1').match(/\d{3,4}/g)?.[i] ?? ''));
				cursor = page.data.cursor;
			}
			expect(ids.length).toBe(51);
			expect(ids[0]).toBe('510');
		}));
});

describe('large values', () => {
	test('20 MB and 60 MB values are read in slices, also where the server takes small packets only', async () => {
		await site.sql(
			"CREATE TABLE wp_big (k varchar(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY, t longtext, b longblob, l longtext CHARACTER SET latin1); INSERT INTO wp_big VALUES ('ä', REPEAT('aé🦊', 3000000), REPEAT(X'00ff10', 20000000), REPEAT('é', 1500000)), ('b', 'small', 'small', 'small')",
		);
		const packet = (await site.sql('SELECT @@global.max_allowed_packet')).trim();
		await site.sql('SET GLOBAL max_allowed_packet = 1048576');
		try {
			const bare = await baseline();
			const table = (await allTables(agent)).find((each) => each.name === 'wp_big');
			if (!table) throw new Error('no table');
			const { rows } = await readTable(agent, table);
			// In the key's order, ä comes before b.
			expect(rows.map((row) => row.slice(1))).toEqual([
				[{ large: 21_000_000 }, { large: 60_000_000 }, { large: 3_000_000 }],
				[Buffer.from('small'), Buffer.from('small'), Buffer.from('small')],
			]);
			const [row] = rows;
			if (!row) throw new Error('no row');
			expect((await readValue(agent, table, row, 't')).equals(Buffer.from('aé🦊'.repeat(3_000_000)))).toBe(true);
			expect((await readValue(agent, table, row, 'b')).equals(Buffer.from('00ff10'.repeat(20_000_000), 'hex'))).toBe(true);
			expect((await readValue(agent, table, row, 'l')).equals(Buffer.from('é'.repeat(1_500_000)))).toBe(true);
			for (const peak of await peaks()) {
				expect(peak.bytes - bare).toBeLessThan(16 * 1024 * 1024);
			}
		} finally {
			await site.sql(`SET GLOBAL max_allowed_packet = ${packet}; DROP TABLE wp_big`);
		}
	});

	test('a 120 MB table is read within 16 MiB a request, also with SAVEQUERIES', async () => {
		await site.sql(
			"CREATE TABLE wp_many (id bigint PRIMARY KEY AUTO_INCREMENT, k varchar(255), v longtext); INSERT INTO wp_many (k, v) SELECT CONCAT('key', seq), REPEAT(MD5(seq), IF(seq % 1000 = 0, 20000, 50)) FROM seq_1_to_55000",
		);
		const logged = await site.serveWith("define( 'SAVEQUERIES', true );");
		try {
			const bare = await baseline();
			const other = new Agent(logged.url, agent.keyId, agent.key);
			const table = (await allTables(other)).find((each) => each.name === 'wp_many');
			if (!table) throw new Error('no table');
			const { rows, largestPayload, pages } = await readTable(other, table);
			expect(rows.length).toBe(55_000);
			expect(rows.reduce((sum, row) => sum + (row[2] as Buffer).length, 0)).toBeGreaterThan(115_000_000);
			expect(largestPayload).toBeLessThanOrEqual(4 * 1024 * 1024);
			expect(largestPayload).toBeGreaterThan(3 * 1024 * 1024);
			expect(pages).toBeLessThan(50);
			for (const peak of await peaks()) {
				expect(peak.bytes - bare).toBeLessThan(16 * 1024 * 1024);
				expect(peak.queries).toBeLessThan(100);
			}
		} finally {
			await logged.stop();
			await site.sql('DROP TABLE wp_many');
		}
	});
});

describe('which tables', () => {
	test("views, other prefixes, another site's tables and our own are left out", async () => {
		await site.sql(
			`CREATE TABLE wpXfoo (a int PRIMARY KEY); CREATE TABLE other (a int);
			CREATE VIEW wp_view AS SELECT 1 AS a; CREATE SEQUENCE wp_sequence;
			CREATE TRIGGER wp_trigger BEFORE INSERT ON wpXfoo FOR EACH ROW SET NEW.a = NEW.a;
			CREATE TABLE wp_2_options (a int PRIMARY KEY); CREATE TABLE wp_2_posts (a int PRIMARY KEY);
			${['comments', 'options', 'postmeta', 'posts', 'terms', 'usermeta', 'users', 'extra'].map((name) => `CREATE TABLE wp_old_${name} (a int);`).join(' ')}
			CREATE TABLE wp_${'n'.repeat(61)} (a int PRIMARY KEY)`,
		);
		const names = (await allTables(agent)).map((table) => table.name);
		const { data } = await agent.call('tables');
		const preflight = (await agent.call('preflight')).data;
		expect(data.views).toEqual(['wp_sequence', 'wp_view']);
		expect(names).toContain('wp_options');
		expect(names).toContain('wp_2_options');
		expect(names).toContain(`wp_${'n'.repeat(61)}`);
		expect(names.filter((name) => /^(wpX|other|wp_old_|wp_custom_migrator)/.test(name))).toEqual([]);
		expect(preflight.other_tables).toEqual(expect.arrayContaining(['other', 'wpXfoo', 'wp_old_extra', 'wp_old_options', 'wp_old_users']));
		expect(preflight.other_tables).not.toContain('wp_custom_migrator_nonces');
		expect(preflight).toMatchObject({ db: { engine: 'mariadb' }, multisite: false, table_prefix: 'wp_' });
		expect(names).toEqual(sorted(names));
	});

	test('our own options are neither read nor counted, and the list of plugins does not name us', async () => {
		const options = (await allTables(agent)).find((each) => each.name === 'wp_options');
		if (!options) throw new Error('no options');
		const { rows } = await readTable(agent, options);
		const names = texts(rows).map((row) => row[1]);
		expect(names.filter((name) => name?.startsWith('custom_migrator'))).toEqual([]);
		expect(options.rows).toBe(rows.length);
		expect(Number(await site.sql("SELECT COUNT(*) FROM wp_options WHERE option_name LIKE 'custom\\_migrator%'"))).toBe(2);
		expect(texts(rows).find((row) => row[1] === 'active_plugins')?.[2]).toBe('a:0:{}');
	});

	test('no name that the database did not give reaches SQL', async () => {
		for (const table of [
			'wp_posts` WHERE 1 UNION SELECT * FROM `wp_users',
			'wp_old_options',
			'WP_POSTS',
			'mysql.user',
			'',
			'wp_custom_migrator_nonces',
		]) {
			const answer = await agent.ask('rows', { table });
			expect([answer.status, answer.code]).toEqual([404, 'no_such_table']);
		}
		for (const cursor of [{ k: ["1' OR 1=1"] }, { k: [Buffer.from('1 OR 1=1').toString('base64')] }, { k: [] }, { d: "' OR ''='" }, 'x', 7])
			expect((await agent.ask('rows', { table: 'wp_posts', cursor })).code).toBe('bad_arguments');
		expect((await agent.ask('value', { table: 'wp_posts', key: ['0 OR 1=1'], column: 'post_content' })).code).toBe('bad_arguments');
		expect((await agent.ask('value', { table: 'wp_posts', key: ['1'], column: 'post_content`, user_pass' })).code).toBe('bad_arguments');
	});

	test('a query that the database refuses, at once or half-way, is an error and not a shorter table', async () => {
		await site.sql(
			"CREATE TABLE wp_hurt (id int PRIMARY KEY, t varchar(99)) ENGINE=MyISAM ROW_FORMAT=DYNAMIC; INSERT INTO wp_hurt SELECT seq, REPEAT('a', 10 + seq % 80) FROM seq_1_to_40; FLUSH TABLES wp_hurt",
		);
		for (const bytes of [1000, 0]) {
			await truncate(`${site.db.dataDir}/wp/wp_hurt.MYD`, bytes);
			await site.sql('FLUSH TABLES wp_hurt');
			const answer = await agent.ask('rows', { table: 'wp_hurt' });
			expect([answer.ok, answer.code, answer.status]).toEqual([false, 'database_error', 503]);
			expect(answer.message).not.toContain(site.dir);
		}
		await site.sql('DROP TABLE wp_hurt');
	});

	test('the connection is left as it was', async () => {
		await peaks();
		await agent.call('tables');
		const all = await peaks();
		const sessions = ['tables', 'hello'].map((verb) => all.find((peak) => peak.verb === verb)?.session);
		expect(sessions[0]?.length).toBe(3);
		expect(sessions[0]).toEqual(sessions[1]);
	});
});

test('the frame is whole where another plugin has sent output before, and prints after', async () => {
	const plugin = `${site.dir}/wp-content/mu-plugins/early.php`;
	writeFileSync(
		plugin,
		"<?php echo 'early'; while ( ob_get_level() ) { ob_end_flush(); } flush(); register_shutdown_function( function () { echo 'late'; } );",
	);
	try {
		const raw = await agent.send('hello');
		const at = raw.body.indexOf('CMIG1\n');
		expect(raw.headers.get('content-length')).toBeNull();
		expect(raw.body.subarray(0, at).toString()).toBe('early');
		expect(openFrame({ ...raw, body: raw.body.subarray(at) }, agent.key).data.protocol).toBe(1);
	} finally {
		rmSync(plugin);
	}
});

test('a job leaves no trace in the database, and says so where it may not delete its own files', async () => {
	const folder = `${site.dir}/wp-content/plugins/custom-migrator`;
	const dump = async (): Promise<string[]> =>
		(await site.db.dump('wp')).split('\n').filter((line) => !/session_tokens|AUTO_INCREMENT=|_transient_/.test(line));
	await agent.call('remove');
	await site.wp('plugin', 'deactivate', 'custom-migrator');
	await site.wp('option', 'update', 'recently_activated', '[]', '--format=json');
	const before = await dump();
	expect(before.filter((line) => /custom.migrator/.test(line))).toEqual([]);

	await site.wp('plugin', 'activate', 'custom-migrator');
	const stuck = await registered(site, 'clone-aaaaaaaaaaaa', { uploaded: true });
	chownSync(`${folder}/includes/source`, 0, 0);
	expect(await stuck.ask('remove')).toMatchObject({ status: 500, code: 'plugin_not_deleted' });
	expect(await dump()).toEqual(before);
	expect((await stuck.send('hello')).body.toString()).not.toContain('CMIG1');

	rmSync(folder, { recursive: true });
	cpSync(PLUGIN, folder, { recursive: true });
	execFileSync('chown', ['-R', '65534:65534', folder]);
	await site.wp('plugin', 'activate', 'custom-migrator');
	const last = await registered(site, 'clone-bbbbbbbbbbbb', { uploaded: true });
	expect((await last.call('remove')).data).toEqual({ removed: 'plugin' });
	expect(existsSync(folder)).toBe(false);
	expect(await dump()).toEqual(before);
});

test('nothing of this is noticed by PHP', async () => {
	expect((await phpLog(site)).split('\n').filter((line) => line.includes('custom-migrator'))).toEqual([]);
});

/** What each request since the last call took. */
async function peaks(): Promise<Peak[]> {
	await agent.call('hello');
	return takePeaks(site.dir, 'hello');
}

/** The peak of a bare request: `hello`, which does nothing but answer, so less than any page of the site. */
async function baseline(): Promise<number> {
	await peaks();
	const hello = (await peaks()).find((peak) => peak.verb === 'hello');
	if (!hello) throw new Error('the peak was not written');
	return hello.bytes;
}
