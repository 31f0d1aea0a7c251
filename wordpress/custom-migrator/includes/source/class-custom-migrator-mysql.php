<?php
/**
 * A site's MySQL or MariaDB.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Reads through WordPress's own connection, past wpdb: results are streamed, nothing is logged, filtered or kept.
 * For as long as it is open the session has no SQL mode and speaks utf8mb4.
 */
final class Custom_Migrator_Mysql implements Custom_Migrator_Database {
	/** @var mysqli */
	private $link;

	/** @var string[] What close() puts back. */
	private $before;

	/** @var int[]|null Bytes by table name. */
	private $sizes = null;

	/** @param mysqli $link WordPress's connection. */
	public function __construct( mysqli $link ) {
		$this->link   = $link;
		$this->before = $this->row( 'SELECT @@SESSION.sql_mode, @@SESSION.character_set_client, @@SESSION.collation_connection' );
		$this->run( "SET SESSION sql_mode = ''" );
		$this->run( 'SET NAMES utf8mb4' );
	}

	public function close(): void {
		list( $mode, $charset, $collation ) = $this->before;
		if ( 1 === preg_match( '/\A[A-Za-z_0-9,]*\z/', $mode ) ) {
			$this->run( "SET SESSION sql_mode = '$mode'" );
		}
		if ( 1 === preg_match( '/\A\w+ \w+\z/', $charset . ' ' . $collation ) ) {
			$this->run( "SET NAMES $charset COLLATE $collation" );
		}
	}

	/** A site that speaks latin1 to its database keeps UTF-8 in columns that are called latin1. */
	public function speaks_latin1(): bool {
		return 'latin1' === $this->before[1];
	}

	public function describe(): array {
		list( $version, $comment ) = $this->row( 'SELECT VERSION(), @@version_comment' );
		return array(
			'engine'  => false === stripos( $version . $comment, 'mariadb' ) ? 'mysql' : 'mariadb',
			'version' => $version,
		);
	}

	public function case_sensitive(): bool {
		return '0' === $this->row( 'SELECT @@lower_case_table_names' )[0];
	}

	public function tables(): array {
		$tables = array();
		foreach ( $this->rows_of( 'SHOW FULL TABLES' ) as $row ) {
			list( $name, $type )      = array_values( $row );
			$tables[ 't' . $name ] = array(
				'name' => $name,
				'view' => ! in_array( $type, array( 'BASE TABLE', 'SYSTEM VERSIONED' ), true ),
			);
		}
		ksort( $tables, SORT_STRING );
		return array_values( $tables );
	}

	public function table_bytes( array $table ): int {
		return $this->total_bytes( array( $table['name'] ) );
	}

	public function total_bytes( array $names ): int {
		if ( null === $this->sizes ) {
			$this->sizes = array();
			foreach ( $this->rows_of( 'SELECT TABLE_NAME AS n, DATA_LENGTH AS b FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()' ) as $row ) {
				$this->sizes[ $row['n'] ] = (int) $row['b'];
			}
		}
		return array_sum( array_intersect_key( $this->sizes, array_flip( $names ) ) );
	}

	public function show_columns( string $table ): array {
		return $this->rows_of( 'SHOW FULL COLUMNS FROM ' . self::quote( $table ) );
	}

	public function show_index( string $table ): array {
		return $this->rows_of( 'SHOW INDEX FROM ' . self::quote( $table ) );
	}

	public function show_create( string $table ): string {
		return $this->row( 'SHOW CREATE TABLE ' . self::quote( $table ) )[1];
	}

	public function count( array $table ): int {
		return (int) $this->row( 'SELECT COUNT(*) FROM ' . self::quote( $table['name'] ) . ' WHERE ' . self::not_ours( $table ) )[0];
	}

	public function rows( array $table, ?array $cursor, Custom_Migrator_Row_Writer $writer, Custom_Migrator_Budget $budget ): ?array {
		return ( new Custom_Migrator_Mysql_Rows( $this, $table ) )->read( $cursor, $writer, $budget );
	}

	public function slice( array $table, array $key, string $column, int $offset, int $length, callable $take ): int {
		$columns = Custom_Migrator_Mysql_Column::all( $table, $this->speaks_latin1() );
		$where   = array();
		foreach ( $table['key'] as $i => $name ) {
			$where[] = $columns[ $name ]->is( $key[ $i ] );
		}
		return $this->slice_where( $table, implode( ' AND ', $where ), $columns[ $column ], $offset, $length, $take );
	}

	/**
	 * A slice of one value of the first row that a condition finds.
	 *
	 * @param array                        $table  Table.
	 * @param string                       $where  Condition.
	 * @param Custom_Migrator_Mysql_Column $column Column.
	 * @param int                          $offset Bytes.
	 * @param int                          $length Bytes at most.
	 * @param callable                     $take   Is given the bytes, in pieces.
	 * @return int The value's whole length.
	 */
	public function slice_where( array $table, string $where, Custom_Migrator_Mysql_Column $column, int $offset, int $length, callable $take ): int {
		$from  = ' FROM ' . self::quote( $table['name'] ) . ' WHERE ' . $where . ' AND ' . self::not_ours( $table ) . ' LIMIT 1';
		$found = $this->rows_of( 'SELECT ' . $column->length() . ' AS n' . $from );
		if ( array() === $found || null === $found[0]['n'] || (int) $found[0]['n'] < 0 ) {
			throw new Custom_Migrator_Error( 'row_gone', 'The row is gone, or the value is NULL now.', 410 );
		}
		$total = (int) $found[0]['n'];
		$end   = min( $total, $offset + $length );
		while ( $offset < $end ) {
			$piece = min( 1048576, $end - $offset );
			$row   = $this->rows_of( 'SELECT SUBSTRING(' . $column->bytes() . ', ' . ( $offset + 1 ) . ", $piece) AS v" . $from );
			if ( array() === $row || strlen( (string) $row[0]['v'] ) !== $piece ) {
				throw new Custom_Migrator_Error( 'row_changed', 'The value changed while it was read; read the row again.', 409 );
			}
			$take( $row[0]['v'] );
			$offset += $piece;
		}
		return $total;
	}

	/** Condition that leaves out our own options. */
	public static function not_ours( array $table ): string {
		return $table['options'] ? "`option_name` NOT IN ('" . implode( "', '", Custom_Migrator_Jobs::OPTIONS ) . "')" : '1';
	}

	/** An identifier that came from the database. */
	public static function quote( string $name ): string {
		return '`' . str_replace( '`', '``', $name ) . '`';
	}

	/**
	 * Runs a query row by row. Nothing else can be asked on the connection until the last row is taken.
	 *
	 * @param string $sql    Query.
	 * @param bool   $keyed  Rows by column name; else by place.
	 * @param bool   $stored Fetch everything first, so that other queries can run between the rows.
	 * @return Generator
	 */
	public function each( string $sql, bool $keyed = false, bool $stored = false ) {
		try {
			$sent   = mysqli_real_query( $this->link, $sql );
			$result = $sent ? ( $stored ? mysqli_store_result( $this->link ) : mysqli_use_result( $this->link ) ) : false;
			if ( ! $result instanceof mysqli_result ) {
				throw $this->fault();
			}
		} catch ( mysqli_sql_exception $error ) {
			throw $this->fault( $error );
		}
		try {
			while ( true ) {
				$row = $keyed ? mysqli_fetch_assoc( $result ) : mysqli_fetch_row( $result );
				if ( ! is_array( $row ) ) {
					break;
				}
				yield $row;
			}
			if ( 0 !== mysqli_errno( $this->link ) ) {
				throw $this->fault();
			}
		} catch ( mysqli_sql_exception $error ) {
			throw $this->fault( $error );
		} finally {
			mysqli_free_result( $result );
		}
	}

	private function rows_of( string $sql ): array {
		return iterator_to_array( $this->each( $sql, true ), false );
	}

	private function row( string $sql ): array {
		$rows = iterator_to_array( $this->each( $sql ), false );
		if ( 1 !== count( $rows ) ) {
			throw new Custom_Migrator_Error( 'database_error', 'The database gave no answer where it always has one.', 503, 5 );
		}
		return array_map( 'strval', $rows[0] );
	}

	private function run( string $sql ): void {
		try {
			$done = mysqli_query( $this->link, $sql );
		} catch ( mysqli_sql_exception $error ) {
			throw $this->fault( $error );
		}
		if ( true !== $done ) {
			throw $this->fault();
		}
	}

	/** The server's text may quote a row, so only its number is told. */
	private function fault( ?Throwable $cause = null ): Custom_Migrator_Error {
		$number = mysqli_errno( $this->link );
		return new Custom_Migrator_Error( 'database_error', "The site's database refused a query (MySQL error $number).", 503, 5, $cause );
	}
}
