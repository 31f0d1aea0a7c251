<?php
/**
 * Paging without a key.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Orders rows by a digest over all their columns. Sorting by the columns themselves would not do: MySQL compares only
 * the first 1024 bytes of a long value when it sorts, and leaves the order of equal rows open, so that pages would
 * overlap. Rows with one digest are equal, whichever of them comes first.
 *
 * A cursor is `{"d": digest, "o": rows of that digest already sent}`. Each page reads the whole table: slow on a large
 * one, but right.
 */
final class Custom_Migrator_Mysql_Digest {
	/** @var string */
	private $digest;

	/** @param Custom_Migrator_Mysql_Column[] $columns All of the table's. */
	public function __construct( array $columns ) {
		$parts = array();
		foreach ( $columns as $column ) {
			$value   = $column->is_short_float() ? $column->as_double() : $column->bytes();
			$parts[] = "IFNULL(SHA2($value, 256), '-')";
		}
		$this->digest = "SHA2(CONCAT_WS(',', " . implode( ', ', $parts ) . '), 256)';
	}

	/** @return string[] */
	public function select(): array {
		return array( $this->digest );
	}

	public function order(): string {
		return $this->digest;
	}

	public function where( ?array $cursor ): string {
		return null === $cursor ? '1' : $this->digest . " >= '" . self::digest_of( $cursor ) . "'";
	}

	/** Condition: rows equal to the one that select() gave this with. */
	public function same( string $digest ): string {
		return $this->digest . " = '" . self::digest_of( array( 'd' => $digest ) ) . "'";
	}

	public function offset( ?array $cursor ): int {
		return null === $cursor ? 0 : Custom_Migrator_Arguments::count( $cursor, 'o' );
	}

	public function after( ?array $cursor, array $selected ): array {
		$again = null !== $cursor && $cursor['d'] === $selected[0];
		return array(
			'd' => $selected[0],
			'o' => $again ? $this->offset( $cursor ) + 1 : 1,
		);
	}

	private static function digest_of( array $cursor ): string {
		if ( ! isset( $cursor['d'] ) || ! is_string( $cursor['d'] ) || 1 !== preg_match( '/\A[0-9a-f]{64}\z/', $cursor['d'] ) ) {
			throw Custom_Migrator_Arguments::bad( 'the cursor is not of this table' );
		}
		return $cursor['d'];
	}
}
