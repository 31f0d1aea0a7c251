<?php
/**
 * Reads back what has landed.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Sums the staged tables up again from the database file and compares with what was summed up while landing, and with
 * what the source counted.
 */
class Custom_Migrator_Verifier {

	/** Rows read between two looks at the clock. */
	const ROWS = 500;

	/** @var Custom_Migrator_Staging_Database */
	private $database;

	public function __construct( Custom_Migrator_Staging_Database $database ) {
		$this->database = $database;
	}

	/**
	 * @param float $until When to stop for now.
	 * @return bool Whether every table is done.
	 */
	public function run( float $until ): bool {
		foreach ( $this->database->all_progress() as $table ) {
			while ( 1 !== $table['verified'] ) {
				if ( microtime( true ) >= $until ) {
					return false;
				}
				$this->some( $table );
				$table = $this->database->progress( $table['name'] );
			}
		}
		return true;
	}

	/**
	 * @return array{tables:int,rows:int,differences:array[]}
	 */
	public function outcome(): array {
		$tables      = $this->database->all_progress();
		$rows        = 0;
		$differences = array();
		foreach ( $tables as $table ) {
			$rows += $table['verify_rows'];
			foreach ( $this->faults( $table ) as $reason ) {
				$differences[] = array(
					'table'  => $table['name'],
					'reason' => $reason,
				);
			}
		}
		return array(
			'tables'      => count( $tables ),
			'rows'        => $rows,
			'differences' => $differences,
		);
	}

	/** @return string[] */
	private function faults( array $table ): array {
		$faults = array();
		$notes  = is_array( $table['notes'] ) ? $table['notes'] : array();
		if ( $table['verify_rows'] !== $table['rows'] || $table['verify_digest'] !== $table['digest'] ) {
			$faults[] = 'what was read back from the clone is not what was written';
		}
		if ( isset( $table['info']['rows'] ) && (int) $table['info']['rows'] !== $table['rows'] ) {
			$faults[] = sprintf( 'changed on the source during the copy: %d rows counted, %d copied', $table['info']['rows'], $table['rows'] );
		}
		if ( 1 === $table['loose'] ) {
			$faults[] = 'its rows break its unique keys, which were left out';
		}
		foreach ( $table['widened'] as $column ) {
			$faults[] = sprintf( 'column %s holds values that SQLite\'s numbers cannot, kept as text', $column );
		}
		foreach ( isset( $notes['lossy'] ) ? $notes['lossy'] : array() as $column => $count ) {
			$faults[] = sprintf( 'column %s: %d decimals have more than %d digits and keep that many', $column, $count, Custom_Migrator_Table_Writer::EXACT_DIGITS );
		}
		if ( isset( $notes['kept'] ) ) {
			$faults[] = sprintf( '%d rows keep the source\'s address: with the clone\'s they would break a unique key', $notes['kept'] );
		}
		if ( isset( $notes['huge'] ) ) {
			$faults[] = sprintf( '%d values above %d MiB were not rewritten', $notes['huge'], Custom_Migrator_Table_Writer::REWRITE_MAX >> 20 );
		}
		return $faults;
	}

	private function some( array $table ): void {
		$pdo     = $this->database->pdo();
		$types   = $this->database->column_types( $table['name'] );
		$columns = array();
		foreach ( $table['info']['columns'] as $i => $column ) {
			$columns[ $i ] = array( $column['name'], Custom_Migrator_Table_Writer::letter( isset( $types[ $column['name'] ] ) ? $types[ $column['name'] ] : 'TEXT' ) );
		}
		$number = Custom_Migrator_Staging_Database::row_number( array_keys( $types ) );
		$large  = $this->large( $table['name'] );
		$select = $this->select( $table['name'], $columns, $number, $large );
		$digest = new Custom_Migrator_Row_Digest( $table['verify_digest'] );
		$count  = $table['verify_rows'];
		$last   = null === $table['verify_from'] ? null : (int) $table['verify_from'];
		$query  = $pdo->prepare( $select );
		if ( null !== $number ) {
			$query->bindValue( 1, null === $last ? PHP_INT_MIN : $last, PDO::PARAM_INT );
		}
		$query->execute();
		$read = 0;
		while ( true ) {
			$row = $query->fetch( PDO::FETCH_NUM );
			if ( false === $row ) {
				break;
			}
			++$read;
			$last  = null === $number ? null : (int) array_pop( $row );
			$parts = array();
			foreach ( $row as $i => $value ) {
				$parts[] = isset( $large[ $last ][ $i ] )
					? $this->large_part( $table['name'], $columns[ $i ], (string) $number, (int) $last, $large[ $last ][ $i ] )
					: Custom_Migrator_Row_Digest::encode( $columns[ $i ][1], null === $value ? null : (string) $value );
			}
			$digest->add( $parts );
			++$count;
		}
		$query->closeCursor();
		$this->database->save_progress(
			$table['name'],
			array(
				'verify_from'   => $last,
				'verify_rows'   => $count,
				'verify_digest' => $digest->sums(),
				'verified'      => null === $number || $read < self::ROWS ? 1 : 0,
			)
		);
	}

	private function select( string $name, array $columns, ?string $number, array $large ): string {
		$wanted = array();
		foreach ( $columns as $i => $column ) {
			$quoted = Custom_Migrator_Import_Sqlite::quote( $column[0] );
			// PHP before 8.1 reads an empty blob as null.
			$blob   = "CASE WHEN typeof($quoted) = 'blob' AND length($quoted) = 0 THEN '' ELSE $quoted END";
			$expr   = 'r' === $column[1] ? "custom_migrator_hex($quoted)" : ( in_array( $column[1], array( 'b', 'a' ), true ) ? $blob : $quoted );
			$rows   = array();
			foreach ( $large as $row => $of_row ) {
				if ( isset( $of_row[ $i ] ) ) {
					$rows[] = (int) $row;
				}
			}
			$wanted[] = array() === $rows || null === $number ? $expr : "CASE WHEN $number IN (" . implode( ', ', $rows ) . ") THEN NULL ELSE $expr END";
		}
		$from = ' FROM ' . Custom_Migrator_Import_Sqlite::quote( $name );
		if ( null === $number ) {
			return 'SELECT ' . implode( ', ', $wanted ) . $from;
		}
		return 'SELECT ' . implode( ', ', $wanted ) . ", $number" . $from . " WHERE $number > ? ORDER BY $number LIMIT " . self::ROWS;
	}

	/** @return array<int,array<int,int>> Row and column number to bytes, of values that are read in slices. */
	private function large( string $name ): array {
		$query = $this->database->pdo()->prepare( 'SELECT row, col, bytes FROM _custom_migrator_large WHERE name = ?' );
		$query->execute( array( $name ) );
		$large = array();
		foreach ( $query->fetchAll( PDO::FETCH_NUM ) as $entry ) {
			$large[ (int) $entry[0] ][ (int) $entry[1] ] = (int) $entry[2];
		}
		return $large;
	}

	private function large_part( string $name, array $column, string $number, int $row, int $bytes ): string {
		$quoted = Custom_Migrator_Import_Sqlite::quote( $column[0] );
		$query  = $this->database->pdo()->prepare( "SELECT substr(CAST($quoted AS BLOB), ?, ?) FROM " . Custom_Migrator_Import_Sqlite::quote( $name ) . " WHERE $number = ?" );
		$hash   = hash_init( 'sha256' );
		$read   = 0;
		do {
			$query->bindValue( 1, $read + 1, PDO::PARAM_INT );
			$query->bindValue( 2, Custom_Migrator_Table_Writer::SLICE, PDO::PARAM_INT );
			$query->bindValue( 3, $row, PDO::PARAM_INT );
			$query->execute();
			$slice = (string) $query->fetchColumn();
			$query->closeCursor();
			hash_update( $hash, $slice );
			$read += strlen( $slice );
		} while ( '' !== $slice && $read <= $bytes );
		return Custom_Migrator_Row_Digest::encode_hashed( $column[1], $read, hash_final( $hash, true ) );
	}
}
