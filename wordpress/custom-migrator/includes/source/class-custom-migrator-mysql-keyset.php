<?php
/**
 * Paging by a key.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Rows after a position in the key's order. A cursor is `{"k": [base64 of each key column's position]}`. Inserted and
 * deleted rows elsewhere shift nothing.
 */
final class Custom_Migrator_Mysql_Keyset {
	/** @var Custom_Migrator_Mysql_Column[] */
	private $key = array();

	/**
	 * @param array                          $table   Table with a key.
	 * @param Custom_Migrator_Mysql_Column[] $columns By name.
	 */
	public function __construct( array $table, array $columns ) {
		foreach ( $table['key'] as $name ) {
			$this->key[] = $columns[ $name ];
		}
	}

	/** @return string[] Expressions to select with each row, for after(). */
	public function select(): array {
		$select = array();
		foreach ( $this->key as $column ) {
			$select[] = $column->position();
		}
		return $select;
	}

	public function order(): string {
		$order = array();
		foreach ( $this->key as $column ) {
			$order[] = $column->name();
		}
		return implode( ', ', $order );
	}

	public function where( ?array $cursor ): string {
		if ( null === $cursor ) {
			return '1';
		}
		$at = $this->positions( $cursor );
		// (a > x) OR (a = x AND b > y) ...; the leading a >= x lets the index find the beginning.
		$equal = '';
		$parts = array();
		foreach ( $this->key as $i => $column ) {
			$parts[] = $equal . $column->comparable() . ' > ' . $column->literal( $at[ $i ] );
			$equal  .= $column->comparable() . ' = ' . $column->literal( $at[ $i ] ) . ' AND ';
		}
		return $this->key[0]->comparable() . ' >= ' . $this->key[0]->literal( $at[0] ) . ' AND (' . implode( ' OR ', $parts ) . ')';
	}

	public function offset( ?array $cursor ): int {
		return 0;
	}

	/**
	 * @param array|null $cursor   Where the row's page began.
	 * @param string[]   $selected What select() gave with the row.
	 */
	public function after( ?array $cursor, array $selected ): array {
		return array( 'k' => array_map( 'base64_encode', $selected ) );
	}

	/** @return string[] */
	private function positions( array $cursor ): array {
		if ( ! isset( $cursor['k'] ) || ! is_array( $cursor['k'] ) || count( $cursor['k'] ) !== count( $this->key ) ) {
			throw Custom_Migrator_Arguments::bad( 'the cursor is not of this table' );
		}
		$at = array();
		foreach ( $cursor['k'] as $encoded ) {
			$position = is_string( $encoded ) ? base64_decode( $encoded, true ) : false;
			if ( false === $position ) {
				throw Custom_Migrator_Arguments::bad( 'the cursor is not of this table' );
			}
			$at[] = $position;
		}
		return $at;
	}
}
