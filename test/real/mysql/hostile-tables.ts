import type { Mariadb } from './mariadb.ts';

/** Tables as sites have them, beside WordPress's own; `url` is the site's address. SQL to run as utf8mb4. */
export const hostileTables = (url: string): string =>
	`SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES';
CREATE TABLE wp_h_text (id int PRIMARY KEY, a text CHARACTER SET latin1, b varchar(20) CHARACTER SET utf8mb3, c longtext CHARACTER SET utf8mb4, d char(5) CHARACTER SET ucs2, e text CHARACTER SET cp1251) ENGINE=MyISAM;
INSERT INTO wp_h_text VALUES (0, 'é€ü', 'żółw', '🦊\\0\\n''"', 'ä', 'Привет'), (2, '', '', '', '', ''), (3, NULL, NULL, NULL, NULL, NULL), (4, REPEAT('x', 60000), 'tail ', REPEAT('🦊', 500000), '', '');
CREATE TABLE wp_h_bytes (id binary(4) PRIMARY KEY, a varbinary(9), b longblob, c bit(1), d bit(64), e point);
INSERT INTO wp_h_bytes VALUES (X'00000000', X'', X'ff00fe', b'1', X'ffffffffffffffff', ST_GeomFromText('POINT(1 2)')), (X'00ff', X'00', NULL, b'0', 1, NULL), (X'01', NULL, REPEAT(X'00ff', 10000000), NULL, NULL, NULL);
CREATE TABLE wp_h_numbers (id bigint unsigned PRIMARY KEY, a bigint, b decimal(65,30), c int(9) zerofill, d year, f float, g double, m float(9,2)) ENGINE=Aria;
INSERT INTO wp_h_numbers VALUES (18446744073709551615, -9223372036854775808, '12345678901234567890123456789012345.123456789012345678901234567891', 42, 2155, 3.4028234e38, 1.7976931348623157e308, 1234567.891), (0, 9223372036854775807, '-0.000000000000000000000000000001', 0, 0, 1.4e-45, 5e-324, 0.1), (1, 0, 0, 1, 1901, 0.1, 0.30000000000000004, -1), (2, 0, 0, 1, 1901, 16777217, -0e0, 1e-3);
CREATE TABLE wp_h_dates (id datetime(6) PRIMARY KEY, a date, b time, c timestamp NULL, d time(3), e timestamp(6) NULL);
INSERT INTO wp_h_dates VALUES ('0000-00-00', '2024-00-00', '-838:59:59', NULL, '00:00:00.001', '2024-10-27 00:30:00.5'), ('2024-02-29 23:59:59.999999', '2024-02-31', '00:00:00', '2024-06-01 12:00:00', '838:59:59', NULL), ('1000-01-01', '0000-00-00', NULL, '0000-00-00 00:00:00', NULL, '1970-01-01 12:00:00');
CREATE TABLE wp_h_members (a enum('x','y''z','ü') NOT NULL, b set('u','v','w'), c json, d char(36) CHARACTER SET ascii, e uuid, f inet6, KEY (a, b));
INSERT INTO wp_h_members VALUES ('ü', 'u,w', '{"a": [1, null, "🦊"]}', UUID(), UUID(), '::ffff:1.2.3.4'), ('y''z', '', NULL, NULL, NULL, NULL);
CREATE TABLE wp_h_nokey (a varchar(10), b int);
INSERT INTO wp_h_nokey VALUES ('same', 1), ('same', 1), ('same', 1), (NULL, NULL), (NULL, NULL);
INSERT INTO wp_h_nokey SELECT CONCAT('row ', seq), seq FROM seq_1_to_2000;
CREATE TABLE wp_h_case (k varchar(20) COLLATE utf8mb4_bin NOT NULL, g int NOT NULL, id int NOT NULL, PRIMARY KEY (g, id), UNIQUE KEY (k), FULLTEXT KEY words (k));
INSERT INTO wp_h_case VALUES ('a', 1, 1), ('A', 1, 2), ('á', 2, 1);
CREATE TABLE wp_h_generated (a int, b int, sum int AS (a + b) STORED, total int DEFAULT 5);
INSERT INTO wp_h_generated (a, b) VALUES (1, 2), (NULL, 3);
CREATE TABLE wp_h_child (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES wp_h_text2 (id));
CREATE TABLE wp_h_odd (\`se"l\`\`ect\` int PRIMARY KEY, \`-- x\` varchar(9), \`ünï\` int, \`${'n'.repeat(64)}\` text);
INSERT INTO wp_h_odd VALUES (1, 'x', 2, 'y');
CREATE TABLE \`wp_h_odd\`\`name;\` (a int);
CREATE TABLE wp_h_empty (a int PRIMARY KEY AUTO_INCREMENT, t timestamp DEFAULT current_timestamp() ON UPDATE current_timestamp()) AUTO_INCREMENT = 900;
CREATE VIEW wp_h_view AS SELECT * FROM wp_h_nokey;
CREATE TABLE wp_h_rewritten (id int PRIMARY KEY, v longtext, w mediumtext CHARACTER SET latin1);
INSERT INTO wp_h_rewritten VALUES (1, '${url}/a', 's:${url.length}:"${url}";'), (2, '{"u":"${url.replaceAll('/', '\\\\/')}"}', 'é ${url}'), (3, CONCAT(REPEAT('x', 3000000), '${url}'), NULL);
`
		.replace(
			/CREATE TABLE wp_h_child .*\n/,
			'CREATE TABLE wp_h_child (id int PRIMARY KEY, parent int, FOREIGN KEY (parent) REFERENCES wp_h_text_parent (id));\n',
		)
		.replace('CREATE TABLE wp_h_child', 'CREATE TABLE wp_h_text_parent (id int PRIMARY KEY);\nCREATE TABLE wp_h_child');

/** By table, one line a row, in the order of the lines themselves. A line has each cell as the hex of its bytes. */
export type Cells = Readonly<Record<string, readonly string[]>>;

export async function allCells(db: Mariadb, database: string): Promise<Cells> {
	const columns = await db.sql(
		`SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME IS NOT NULL FROM information_schema.COLUMNS JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME) WHERE TABLE_SCHEMA = '${database}' AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME, ORDINAL_POSITION`,
	);
	const tables = new Map<string, string[]>();
	for (const line of columns.split('\n').filter((each) => each !== '')) {
		const [table = '', column = '', type = '', isText = ''] = line.split('\t');
		const quoted = `\`${column.replaceAll('`', '``')}\``;
		const value =
			isText === '1' ? `CONVERT(${quoted} USING utf8mb4)` : ['float', 'double'].includes(type) ? `FORMAT(${quoted} + 0e0, 38)` : quoted;
		const bytes = ['geometry', 'point'].includes(type) ? `ST_AsBinary(${quoted})` : type === 'bit' ? `${quoted} + 0` : value;
		const hex =
			['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'geometry', 'point'].includes(type) || isText === '1'
				? `HEX(${bytes})`
				: `CAST(${bytes} AS CHAR)`;
		// Of a large value its sum: the line must fit into a packet.
		const cell = `IF(LENGTH(${bytes}) > 100000, SHA2(${bytes}, 256), ${hex})`;
		tables.set(table, [...(tables.get(table) ?? []), `IFNULL(${cell}, 'NULL')`]);
	}
	const cells: Record<string, string[]> = {};
	for (const [table, wanted] of tables) {
		const rows = await db.sql(`SELECT CONCAT_WS('|', ${wanted.join(', ')}) FROM \`${table.replaceAll('`', '``')}\``, database);
		cells[table] = rows
			.split('\n')
			.slice(0, -1)
			.toSorted((a, b) => (a < b ? -1 : 1));
	}
	return cells;
}
