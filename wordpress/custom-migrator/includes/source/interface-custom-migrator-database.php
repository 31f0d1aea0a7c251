<?php
/**
 * What the source role needs of a database.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A site's database, read only. A table is an array as Custom_Migrator_Schema::table() gives it; its names come from
 * the database itself, never from a caller.
 *
 * Every method throws Custom_Migrator_Error when the database does.
 */
interface Custom_Migrator_Database {
	/** @return array `{engine: "mysql"|"mariadb"|"sqlite", version}` */
	public function describe(): array;

	/** @return array[] All of the database's tables and views: `{name, view: bool}`, in the order of the names' bytes. */
	public function tables(): array;

	/** About how many bytes a table's rows take. */
	public function table_bytes( array $table ): int;

	/**
	 * About how many bytes these tables take together.
	 *
	 * @param string[] $names Table names.
	 */
	public function total_bytes( array $names ): int;

	/** Whether table names differ by letter case. */
	public function case_sensitive(): bool;

	/** @return array[] Rows of SHOW FULL COLUMNS. */
	public function show_columns( string $table ): array;

	/** @return array[] Rows of SHOW INDEX. */
	public function show_index( string $table ): array;

	public function show_create( string $table ): string;

	/** Exact number of rows, without the ones of our own. */
	public function count( array $table ): int;

	/**
	 * Reads rows on from a cursor, in an order that stays the same, until the writer is full.
	 *
	 * @param array                      $table  Table.
	 * @param array|null                 $cursor As this method returned it before.
	 * @param Custom_Migrator_Row_Writer $writer Takes the rows.
	 * @param Custom_Migrator_Budget     $budget Time.
	 * @return array|null Where to go on; null at the end.
	 */
	public function rows( array $table, ?array $cursor, Custom_Migrator_Row_Writer $writer, Custom_Migrator_Budget $budget ): ?array;

	/**
	 * A slice of one value.
	 *
	 * @param array    $table  Table, which has a key.
	 * @param string[] $key    The row's key values, as rows() sent them.
	 * @param string   $column Column name.
	 * @param int      $offset Bytes.
	 * @param int      $length Bytes at most.
	 * @param callable $take   Is given the bytes, in pieces.
	 * @return int The value's whole length in bytes.
	 */
	public function slice( array $table, array $key, string $column, int $offset, int $length, callable $take ): int;

	/** Puts the connection back to how WordPress had it. */
	public function close(): void;
}
