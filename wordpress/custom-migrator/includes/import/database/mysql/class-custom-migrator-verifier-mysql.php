<?php
/**
 * Reads back what has landed in a MySQL database.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Pages by a whole number that is the table's key; any other table is read at once, row by row. Values above 1 MiB are
 * not fetched: the server sums them up.
 */
class Custom_Migrator_Verifier_Mysql extends Custom_Migrator_Verifier {

	protected function widened( array $table ): array {
		$reasons = array();
		if ( isset( $table['info']['way'] ) && '' !== $table['info']['way'] ) {
			$reasons[] = $table['info']['way'];
		}
		foreach ( $table['widened'] as $column => $type ) {
			$reasons[] = sprintf( 'column %s is %s: it holds values that its type on the source cannot hold here', $column, preg_replace( '/\(.*?\)/s', '', $type ) );
		}
		return $reasons;
	}

	protected function lossy( string $column, int $count ): string {
		return sprintf( 'column %s: %d decimals are cut', $column, $count );
	}

	protected function some( array $table ): void {
		$types = $this->database->types( $table['name'] );
		$parts = array();
		$exprs = array();
		foreach ( $table['info']['columns'] as $column ) {
			$reading = $types[ $column['name'] ]->reading();
			$parts[] = array( $types[ $column['name'] ], count( $exprs ), count( $reading ) );
			$exprs   = array_merge( $exprs, $reading );
		}
		$key    = $this->number_key( $table, $types );
		$digest = new Custom_Migrator_Row_Digest( $table['verify_digest'] );
		$count  = $table['verify_rows'];
		$last   = $table['verify_from'];
		$read   = 0;
		foreach ( $this->rows( $table['name'], $exprs, $key, $last ) as $row ) {
			++$read;
			$encoded = array();
			foreach ( $parts as list( $type, $from, $length ) ) {
				$encoded[] = $type->part( array_slice( $row, $from, $length ) );
			}
			$digest->add( $encoded );
			$last = null === $key ? null : (string) end( $row );
		}
		$this->database->save_progress(
			$table['name'],
			array(
				'verify_from'   => $last,
				'verify_rows'   => $count + $read,
				'verify_digest' => $digest->sums(),
				'verified'      => null === $key || $read < self::ROWS ? 1 : 0,
			)
		);
	}

	/**
	 * @param string      $name  Table.
	 * @param string[]    $exprs What to select.
	 * @param string|null $key   Quoted column to page by; its value comes last in each row.
	 * @param string|null $after Its value in the last row that was read.
	 */
	private function rows( string $name, array $exprs, ?string $key, ?string $after ): Generator {
		$pdo   = $this->database->pdo();
		$where = '';
		if ( null !== $key ) {
			$exprs[] = $key;
			// As a literal: bound as text it would be compared as a double.
			$where = ( null !== $after && preg_match( '/^-?[0-9]+$/D', $after ) ? " WHERE $key > $after" : '' ) . " ORDER BY $key LIMIT " . self::ROWS;
		}
		$buffered = constant( ( class_exists( 'Pdo\Mysql' ) ? 'Pdo\Mysql::ATTR_' : 'PDO::MYSQL_ATTR_' ) . 'USE_BUFFERED_QUERY' );
		$from     = $this->database->quoted( $name );
		// Rows as they come: a table may be larger than the memory.
		$pdo->setAttribute( $buffered, false );
		try {
			$query = $pdo->prepare( 'SELECT ' . implode( ', ', $exprs ) . " FROM $from" . $where );
			$query->execute();
			while ( true ) {
				$row = $query->fetch( PDO::FETCH_NUM );
				if ( false === $row ) {
					break;
				}
				yield $row;
			}
			$query->closeCursor();
		} finally {
			$pdo->setAttribute( $buffered, true );
		}
	}

	private function number_key( array $table, array $types ): ?string {
		$key = $table['info']['key'];
		if ( 1 === $table['loose'] || ! is_array( $key ) || 1 !== count( $key ) || 'i' !== $types[ $key[0] ]->letter() ) {
			return null;
		}
		return Custom_Migrator_Ddl::quote( $key[0] );
	}
}
