<?php
/**
 * Changes what the driver made of a table's schema.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * SQLite cannot change a column's type or collation, so the table, still empty, is dropped and made again from its own SQL.
 * What the driver knows of the table (its MySQL schema) stays as it is.
 */
class Custom_Migrator_Table_Remaker {

	/** @var PDO */
	private $pdo;

	public function __construct( PDO $pdo ) {
		$this->pdo = $pdo;
	}

	/** The driver makes every text column compare without case; a column that was `_bin` on the source must not. */
	public function compare_by_bytes( string $name, array $columns ): void {
		if ( array() === $columns ) {
			return;
		}
		$this->remake(
			$name,
			static function ( string $sql ) use ( $columns ): string {
				foreach ( $columns as $column ) {
					$sql = self::change_type( $sql, $column, 'TEXT COLLATE BINARY', 'TEXT COLLATE NOCASE' );
				}
				return $sql;
			}
		);
	}

	/** Takes the table's indexes and triggers away for now; unique indexes stay, they say which rows are wrong. */
	public function hold_back( string $name ): void {
		$keep = $this->pdo->prepare( 'INSERT INTO _custom_migrator_later (name, sql) VALUES (?, ?)' );
		foreach ( $this->parts( $name ) as $part ) {
			if ( 'trigger' === $part['type'] || 0 !== stripos( $part['sql'], 'CREATE UNIQUE' ) ) {
				$keep->execute( array( $name, $part['sql'] ) );
				$this->pdo->exec( 'DROP ' . strtoupper( $part['type'] ) . ' ' . Custom_Migrator_Import_Sqlite::quote( $part['name'] ) );
			}
		}
	}

	/**
	 * Drops a table and makes it again from its own, changed SQL. Its rows go; its indexes and next number stay.
	 */
	public function remake( string $name, callable $change, bool $loose = false ): void {
		$statement = $this->pdo->prepare( 'SELECT sql FROM sqlite_master WHERE type = \'table\' AND name = ?' );
		$statement->execute( array( $name ) );
		$sql = (string) $statement->fetchColumn();
		// An open result would keep the table from being dropped.
		$statement->closeCursor();
		$parts = $this->parts( $name );
		$seq   = false;
		if ( false !== stripos( $sql, 'AUTOINCREMENT' ) ) {
			$statement = $this->pdo->prepare( 'SELECT seq FROM sqlite_sequence WHERE name = ?' );
			$statement->execute( array( $name ) );
			$seq = $statement->fetchColumn();
			$statement->closeCursor();
		}
		$changed = $change( $sql );
		$this->pdo->exec( 'DROP TABLE ' . Custom_Migrator_Import_Sqlite::quote( $name ) );
		$this->pdo->exec( $changed );
		foreach ( $parts as $part ) {
			$this->pdo->exec( $loose ? preg_replace( '/^CREATE UNIQUE INDEX/i', 'CREATE INDEX', $part['sql'] ) : $part['sql'] );
		}
		if ( false !== $seq && ! $loose ) {
			$this->pdo->prepare( 'DELETE FROM sqlite_sequence WHERE name = ?' )->execute( array( $name ) );
			$this->pdo->prepare( 'INSERT INTO sqlite_sequence (name, seq) VALUES (?, CAST(? AS INTEGER))' )->execute( array( $name, $seq ) );
		}
	}

	/**
	 * The driver writes one column a line: two spaces, the name in backticks, the type.
	 */
	public static function change_type( string $sql, string $column, string $to, string $from = '(?:INTEGER|INT|REAL|BLOB|TEXT COLLATE NOCASE|TEXT COLLATE BINARY)' ): string {
		return (string) preg_replace_callback(
			'/^(  ' . preg_quote( Custom_Migrator_Ddl::quote( $column ), '/' ) . ' )' . $from . '\b/m',
			static function ( array $match ) use ( $to ): string {
				return $match[1] . $to;
			},
			$sql,
			1
		);
	}

	/** @return array[] `{type, name, sql}` of the table's indexes and triggers. */
	private function parts( string $name ): array {
		$statement = $this->pdo->prepare( 'SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND type IN (\'index\', \'trigger\') AND sql IS NOT NULL ORDER BY rowid' );
		$statement->execute( array( $name ) );
		return $statement->fetchAll( PDO::FETCH_ASSOC );
	}
}
