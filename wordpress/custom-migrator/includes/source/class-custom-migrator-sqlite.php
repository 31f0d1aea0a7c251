<?php
/**
 * A site's SQLite database.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * What the tables are is asked of the site's MySQL driver; rows are read from SQLite itself, in the order of the row
 * id, which every table of the driver has. SQLite keeps a type with each value, so values are taken as what they are,
 * not as what the column says.
 */
final class Custom_Migrator_Sqlite implements Custom_Migrator_Database {
	/** @var PDO */
	private $pdo;

	/** @var string SQL function that gives a value's bytes without reading it, where there is one. */
	private $length;

	public function __construct( PDO $pdo ) {
		$this->pdo    = $pdo;
		$this->length = version_compare( $this->version(), '3.43.0', '>=' ) ? 'octet_length(%s)' : 'length(CAST(%s AS BLOB))';
	}

	/** Whether the site's database is SQLite. */
	public static function is_in_use(): bool {
		return ( defined( 'DB_ENGINE' ) && 'sqlite' === DB_ENGINE ) || ( defined( 'DATABASE_TYPE' ) && 'sqlite' === DATABASE_TYPE );
	}

	/**
	 * The driver's own connection; with a driver that does not hand it out, another one to the same file.
	 *
	 * @param object $wpdb WordPress's database object.
	 */
	public static function connect( $wpdb ): PDO {
		$driver = isset( $wpdb->dbh ) ? $wpdb->dbh : null;
		if ( is_object( $driver ) && method_exists( $driver, 'get_sqlite_pdo' ) ) {
			return $driver->get_sqlite_pdo();
		}
		if ( is_object( $driver ) && method_exists( $driver, 'get_connection' ) ) {
			return $driver->get_connection()->get_pdo();
		}
		if ( is_object( $driver ) && method_exists( $driver, 'get_pdo' ) ) {
			return $driver->get_pdo();
		}
		try {
			return new PDO( 'sqlite:' . FQDB, null, null, array( PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION ) );
		} catch ( PDOException $error ) {
			throw new Custom_Migrator_Error( 'database_error', 'The site\'s SQLite database could not be opened.', 503, 5, $error );
		}
	}

	public function close(): void {
	}

	public function describe(): array {
		return array(
			'engine'  => 'sqlite',
			'version' => $this->version(),
		);
	}

	public function case_sensitive(): bool {
		return false;
	}

	public function tables(): array {
		$tables = array();
		foreach ( $this->show( 'SHOW FULL TABLES' ) as $row ) {
			list( $name, $type )   = array_values( $row );
			$tables[ 't' . $name ] = array(
				'name' => $name,
				'view' => 'BASE TABLE' !== $type,
			);
		}
		ksort( $tables, SORT_STRING );
		return array_values( $tables );
	}

	public function table_bytes( array $table ): int {
		$sum = array( '0' );
		foreach ( $table['columns'] as $column ) {
			$sum[] = 'COALESCE(' . $this->length_of( Custom_Migrator_Mysql::quote( $column['name'] ) ) . ', 0)';
		}
		return (int) $this->run( 'SELECT SUM(' . implode( ' + ', $sum ) . ') FROM ' . Custom_Migrator_Mysql::quote( $table['name'] ) )->fetchColumn();
	}

	public function total_bytes( array $names ): int {
		return (int) filesize( FQDB );
	}

	public function show_columns( string $table ): array {
		return $this->show( 'SHOW FULL COLUMNS FROM ' . Custom_Migrator_Mysql::quote( $table ) );
	}

	public function show_index( string $table ): array {
		return $this->show( 'SHOW INDEX FROM ' . Custom_Migrator_Mysql::quote( $table ) );
	}

	public function show_create( string $table ): string {
		$rows = $this->show( 'SHOW CREATE TABLE ' . Custom_Migrator_Mysql::quote( $table ) );
		if ( array() === $rows ) {
			throw new Custom_Migrator_Error( 'database_error', 'The site\'s database does not say how a table was made.', 500 );
		}
		return array_values( $rows[0] )[1];
	}

	public function count( array $table ): int {
		$sql = 'SELECT COUNT(*) FROM ' . Custom_Migrator_Mysql::quote( $table['name'] ) . ' WHERE ' . Custom_Migrator_Mysql::not_ours( $table );
		return (int) $this->run( $sql )->fetchColumn();
	}

	public function rows( array $table, ?array $cursor, Custom_Migrator_Row_Writer $writer, Custom_Migrator_Budget $budget ): ?array {
		$limit = $writer->inline_limit( $table );
		$id    = self::row_id( $table );
		$last  = null === $cursor ? null : Custom_Migrator_Arguments::text( $cursor, 'r' );
		if ( null !== $last && 1 !== preg_match( '/\A-?[0-9]{1,19}\z/', $last ) ) {
			throw Custom_Migrator_Arguments::bad( 'the cursor is not of this table' );
		}
		$select = array( $id );
		foreach ( $table['columns'] as $column ) {
			$name     = Custom_Migrator_Mysql::quote( $column['name'] );
			$length   = $this->length_of( $name );
			$select[] = "CASE WHEN typeof($name) = 'real' THEN printf('%!.17g', $name) WHEN $length <= $limit THEN $name END";
			$select[] = "CASE WHEN typeof($name) = 'real' THEN -1 ELSE $length END";
		}
		$statement = $this->run(
			'SELECT ' . implode( ', ', $select ) . ' FROM ' . Custom_Migrator_Mysql::quote( $table['name'] )
			. ' WHERE ' . ( null === $last ? '1' : "$id > $last" ) . ' AND ' . Custom_Migrator_Mysql::not_ours( $table )
			. " ORDER BY $id"
		);
		try {
			while ( true ) {
				$row = $statement->fetch( PDO::FETCH_NUM );
				if ( false === $row ) {
					return null;
				}
				$last = (string) $row[0];
				$this->write( $table, $row, $writer );
				if ( $writer->full() || $budget->spent() ) {
					break;
				}
			}
		} catch ( PDOException $error ) {
			throw self::fault( $error );
		} finally {
			$statement->closeCursor();
		}
		return array( 'r' => $last );
	}

	public function slice( array $table, array $key, string $column, int $offset, int $length, callable $take ): int {
		return $this->slice_of( $table, $this->find( $table, $key ), $column, $offset, $length, $take );
	}

	private function write( array $table, array $row, Custom_Migrator_Row_Writer $writer ): void {
		$writer->begin( count( $table['columns'] ) );
		foreach ( $table['columns'] as $i => $column ) {
			$value  = $row[ 1 + 2 * $i ];
			$length = $row[ 2 + 2 * $i ];
			if ( null !== $value ) {
				$writer->value( $i, -1 === (int) $length ? self::float_text( (string) $value ) : (string) $value );
			} elseif ( null === $length ) {
				$writer->value( $i, null );
			} elseif ( 0 === (int) $length ) {
				// PHP before 8 gives NULL for an empty BLOB.
				$writer->value( $i, '' );
			} elseif ( null !== $table['key'] ) {
				$writer->large( (int) $length );
			} else {
				$writer->begin_inline( (int) $length );
				$this->slice_of( $table, (string) $row[0], $column['name'], 0, (int) $length, array( $writer, 'inline_bytes' ) );
			}
		}
	}

	/** The row id of the row with this key. */
	private function find( array $table, array $key ): string {
		$quick  = array();
		$sure   = array();
		$values = array();
		foreach ( $table['key'] as $i => $name ) {
			$name     = Custom_Migrator_Mysql::quote( $name );
			$quick[]  = "$name = ?";
			$sure[]   = "CAST($name AS BLOB) = CAST(? AS BLOB)";
			$values[] = $key[ $i ];
		}
		$from = 'SELECT ' . self::row_id( $table ) . ' FROM ' . Custom_Migrator_Mysql::quote( $table['name'] ) . ' WHERE ';
		// The first can use the index, but ignores letter case and does not find bytes that SQLite calls BLOB.
		$id = $this->run( $from . implode( ' AND ', array_merge( $quick, $sure ) ) . ' LIMIT 1', array_merge( $values, $values ) )->fetchColumn();
		if ( false === $id ) {
			$id = $this->run( $from . implode( ' AND ', $sure ) . ' LIMIT 1', $values )->fetchColumn();
		}
		if ( false === $id ) {
			throw new Custom_Migrator_Error( 'row_gone', 'The row is gone.', 410 );
		}
		return (string) $id;
	}

	private function slice_of( array $table, string $id, string $column, int $offset, int $length, callable $take ): int {
		$name  = Custom_Migrator_Mysql::quote( $column );
		$where = ' FROM ' . Custom_Migrator_Mysql::quote( $table['name'] ) . ' WHERE ' . self::row_id( $table ) . ' = ' . $id;
		$total = $this->run( 'SELECT ' . $this->length_of( $name ) . $where )->fetchColumn();
		if ( null === $total || false === $total ) {
			throw new Custom_Migrator_Error( 'row_gone', 'The row is gone, or the value is NULL now.', 410 );
		}
		$total = (int) $total;
		$end   = min( $total, $offset + $length );
		$blob  = $offset < $end ? $this->open_blob( $table['name'], $column, (int) $id ) : null;
		if ( null !== $blob ) {
			fseek( $blob, $offset );
		}
		while ( $offset < $end ) {
			$piece = min( 262144, $end - $offset );
			$bytes = null === $blob
				? $this->run( "SELECT SUBSTR(CAST($name AS BLOB), " . ( $offset + 1 ) . ", $piece)" . $where )->fetchColumn()
				: fread( $blob, $piece );
			if ( ! is_string( $bytes ) || '' === $bytes ) {
				throw new Custom_Migrator_Error( 'row_changed', 'The value changed while it was read; read the row again.', 409 );
			}
			$take( $bytes );
			$offset += strlen( $bytes );
		}
		if ( null !== $blob ) {
			fclose( $blob );
		}
		return $total;
	}

	/**
	 * A value as a stream, so that SQLite too never holds it whole.
	 *
	 * @return resource|null Null where PHP or the value's type does not allow it.
	 */
	private function open_blob( string $table, string $column, int $id ) {
		try {
			$blob = method_exists( $this->pdo, 'openBlob' )
				? $this->pdo->openBlob( $table, $column, $id )
				: @$this->pdo->sqliteOpenBlob( $table, $column, $id ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Deprecated where the other exists.
		} catch ( Throwable $error ) {
			return null;
		}
		return is_resource( $blob ) ? $blob : null;
	}

	/** A name for the row id that no column takes. */
	private static function row_id( array $table ): string {
		$names = array_map( 'strtolower', array_column( $table['columns'], 'name' ) );
		foreach ( array( 'rowid', '_rowid_', 'oid' ) as $name ) {
			if ( ! in_array( $name, $names, true ) ) {
				return $name;
			}
		}
		throw new Custom_Migrator_Error( 'table_unreadable', 'A table has columns named rowid, _rowid_ and oid; SQLite cannot page it.', 500 );
	}

	private function length_of( string $name ): string {
		return sprintf( $this->length, $name );
	}

	/** The shortest text that gives the same double. */
	private static function float_text( string $exact ): string {
		$text = var_export( (float) $exact, true );
		return '.0' === substr( $text, -2 ) ? substr( $text, 0, -2 ) : $text;
	}

	private function version(): string {
		return (string) $this->run( 'SELECT sqlite_version()' )->fetchColumn();
	}

	private function run( string $sql, array $values = array() ): PDOStatement {
		try {
			$statement = $this->pdo->prepare( $sql );
			if ( false === $statement || ! $statement->execute( $values ) ) {
				throw self::fault( null );
			}
			return $statement;
		} catch ( PDOException $error ) {
			throw self::fault( $error );
		}
	}

	/** A SHOW statement, through the driver. */
	private function show( string $sql ): array {
		global $wpdb;
		$quiet = $wpdb->suppress_errors( true );
		$rows  = $wpdb->get_results( $sql, ARRAY_A ); // phpcs:ignore WordPress.DB.PreparedSQL -- Names come from the database and are quoted.
		$wpdb->suppress_errors( $quiet );
		if ( ! is_array( $rows ) || '' !== (string) $wpdb->last_error ) {
			throw self::fault( null );
		}
		if ( defined( 'SAVEQUERIES' ) && SAVEQUERIES ) {
			$wpdb->queries = array();
		}
		return $rows;
	}

	private static function fault( ?Throwable $cause ): Custom_Migrator_Error {
		$busy = null !== $cause && false !== stripos( $cause->getMessage(), 'locked' );
		return new Custom_Migrator_Error( 'database_error', $busy ? 'The site\'s database is locked; try again.' : 'The site\'s database refused a query.', 503, $busy ? 1 : 5, $cause );
	}
}
