<?php
/**
 * Reads back what has landed in a SQLite file.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Pages by SQLite's own row number; a table whose columns take all of that number's names is read at once.
 */
class Custom_Migrator_Verifier_Sqlite extends Custom_Migrator_Verifier {

	protected function widened( array $table ): array {
		$reasons = array();
		foreach ( $table['widened'] as $column ) {
			$reasons[] = sprintf( 'column %s holds values that SQLite\'s numbers cannot, kept as text', $column );
		}
		return $reasons;
	}

	protected function lossy( string $column, int $count ): string {
		return sprintf( 'column %s: %d decimals have more than %d digits and keep that many', $column, $count, Custom_Migrator_Table_Writer_Sqlite::EXACT_DIGITS );
	}

	protected function some( array $table ): void {
		$pdo     = $this->database->pdo();
		$types   = $this->database->column_types( $table['name'] );
		$columns = array();
		foreach ( $table['info']['columns'] as $i => $column ) {
			$columns[ $i ] = array( $column['name'], Custom_Migrator_Table_Writer_Sqlite::letter( isset( $types[ $column['name'] ] ) ? $types[ $column['name'] ] : 'TEXT' ) );
		}
		$number = Custom_Migrator_Staging_Sqlite::row_number( array_keys( $types ) );
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
