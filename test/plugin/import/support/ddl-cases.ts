/** What both databases of clones are asked when a table lands in them: test/plugin/import/database.test.ts, test/real/mysql/landing.test.ts. */

export interface DdlCase {
	readonly what: string;
	/** As a source gives it, of a table `t`. */
	readonly ddl: string;
	readonly columns: Readonly<Record<string, string>>;
	/** One row, as PHP. */
	readonly row: string;
	/** What the proof names as left out. */
	readonly leftOut: readonly string[];
}

const NUMBERS = { a: 'int', b: 'int', c: 'int' } as const;

/** Tables that no database but the source's own takes as they are. */
export const DDL_CASES: readonly DdlCase[] = [
	{
		what: 'generated columns',
		ddl: 'CREATE TABLE `t` (`a` int, `b` int GENERATED ALWAYS AS ((`a` + 1)) STORED, `c` int(11) AS (a*2) VIRTUAL)',
		columns: NUMBERS,
		row: "array( '1', '2', '3' )",
		leftOut: ['generated column b is a plain one', 'generated column c is a plain one'],
	},
	{
		// The row breaks each of them.
		what: 'checks, foreign keys and engines',
		ddl: 'CREATE TABLE `t` (`a` int CHECK (`a` > 1), `b` int, `c` int, CONSTRAINT `k` CHECK (abs(`b`) > 2), CONSTRAINT `f` FOREIGN KEY (`a`) REFERENCES `o` (`id`) ON DELETE CASCADE) ENGINE=Aria PAGE_CHECKSUM=1',
		columns: NUMBERS,
		row: "array( '1', '2', '3' )",
		leftOut: ['check k left out', 'foreign key f left out'],
	},
	{
		what: 'full-text and spatial keys',
		ddl: 'CREATE TABLE `t` (`a` text, `b` geometry NOT NULL /*!80003 SRID 0 */, `c` text, FULLTEXT KEY `x` (`a`,`c`) /*!50100 WITH PARSER `ngram` */, SPATIAL KEY `y` (`b`)) ENGINE=MyISAM',
		columns: { a: 'string', b: 'binary', c: 'string' },
		row: "array( 'x', hex2bin( '000000000101000000000000000000f03f0000000000000040' ), null )",
		leftOut: [],
	},
	{
		what: 'keys on expressions',
		ddl: 'CREATE TABLE `t` (`a` varchar(20), `b` int, `c` int, KEY `e` ((lower(`a`))), KEY `d` (`b` DESC) USING BTREE)',
		columns: { a: 'string', b: 'int', c: 'int' },
		row: "array( 'A', '2', null )",
		leftOut: ['key e left out (it is on an expression)'],
	},
	{
		what: 'partitions and 0900 collations',
		ddl: "CREATE TABLE `t` (`a` int NOT NULL, `b` varchar(5) COLLATE utf8mb4_0900_ai_ci DEFAULT 'x,)', `c` int, PRIMARY KEY (`a`)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='it''s'\n/*!50100 PARTITION BY RANGE (`a`) (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB) */",
		columns: { a: 'int', b: 'string', c: 'int' },
		row: "array( '11', 'b', null )",
		leftOut: [],
	},
	{
		what: 'types of MariaDB',
		ddl: 'CREATE TABLE `t` (`a` uuid DEFAULT uuid(), `b` inet6 DEFAULT NULL, `c` datetime(6) DEFAULT current_timestamp(6) ON UPDATE current_timestamp(6))',
		columns: { a: 'string', b: 'string', c: 'string' },
		row: "array( null, '::1', null )",
		leftOut: ['default of column a left out (it is an expression)'],
	},
	{
		what: 'types that nobody knows',
		ddl: 'CREATE TABLE `t` (`a` int, `b` mystery(3) NOT NULL, `c` vector(3))',
		columns: { a: 'int', b: 'string', c: 'string' },
		row: "array( '1', 'b', null )",
		leftOut: [],
	},
	{
		what: 'system versioning',
		ddl: 'CREATE TABLE `t` (`a` int, `b` int INVISIBLE, `c` int WITHOUT SYSTEM VERSIONING, PERIOD FOR SYSTEM_TIME (`row_start`, `row_end`)) WITH SYSTEM VERSIONING',
		columns: NUMBERS,
		row: "array( '1', '2', '3' )",
		leftOut: ['clause left out'],
	},
];

/** What is done to a landed table `$t` of `id` and `s` with the rows (1, one), (2, two), (3, ''), and must not go unseen. */
export const TAMPERINGS: readonly (readonly [what: string, sql: string])[] = [
	['a changed value', "UPDATE $t SET s = 'Two' WHERE id = 2"],
	['a changed case', "UPDATE $t SET s = 'ONE' WHERE id = 1"],
	['a lost row', 'DELETE FROM $t WHERE id = 3'],
	['a doubled row', "INSERT INTO $t (id, s) VALUES (4, 'three')"],
	['swapped values', "UPDATE $t SET s = CASE id WHEN 1 THEN 'two' WHEN 2 THEN 'one' ELSE s END"],
	['null for empty', 'UPDATE $t SET s = NULL WHERE id = 3'],
];
