<?php
/**
 * SQL about one column.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * How a column's values are read without loss, compared in the order of its index, and written as literals. Values
 * only ever enter SQL as hexadecimal or as checked numbers.
 */
final class Custom_Migrator_Mysql_Column {
	/** @var string */
	private $name;

	/** @var string int, decimal, float, string, binary, bit, json. */
	private $kind;

	/** @var string First word of the type. */
	private $base;

	/** @var string */
	private $collation;

	/** @var bool */
	private $large;

	/** @var bool UTF-8 may be kept in it under the name of latin1. */
	private $disguised;

	private function __construct( array $column, bool $site_speaks_latin1 ) {
		$this->name      = Custom_Migrator_Mysql::quote( $column['name'] );
		$this->kind      = $column['kind'];
		$this->base      = Custom_Migrator_Schema::base_type( $column['type'] );
		$this->collation = 1 === preg_match( '/\A[a-z0-9_]+\z/i', $column['collation'] ) ? $column['collation'] : '';
		$this->large     = Custom_Migrator_Row_Writer::may_be_large( $column );
		$this->disguised = $site_speaks_latin1 && 'latin1' === $this->charset();
	}

	/**
	 * A table's columns.
	 *
	 * @return Custom_Migrator_Mysql_Column[] By name.
	 */
	public static function all( array $table, bool $site_speaks_latin1 ): array {
		$all = array();
		foreach ( $table['columns'] as $column ) {
			$all[ $column['name'] ] = new self( $column, $site_speaks_latin1 );
		}
		return $all;
	}

	public function is_large(): bool {
		return $this->large;
	}

	/** A FLOAT's text has six digits, too few to find the value again. */
	public function is_short_float(): bool {
		return 'float' === $this->base;
	}

	/** A FLOAT as the exact double. */
	public function as_double(): string {
		return $this->name . ' + 0e0';
	}

	/**
	 * Expression: the value as it travels. Text is utf8mb4 bytes; where a latin1 site keeps UTF-8 in a latin1 column,
	 * the bytes as they are if they are UTF-8, which is what its visitors see.
	 *
	 * Gotcha: CAST(… AS BINARY) would be NULL for a value longer than max_allowed_packet; CONVERT(… USING binary) is not.
	 */
	public function bytes(): string {
		switch ( $this->kind ) {
			case 'string':
				if ( '' === $this->collation ) {
					return $this->name;
				}
				if ( $this->disguised ) {
					$raw = "CONVERT({$this->name} USING binary)";
					return "IF(CONVERT(CONVERT($raw USING utf8mb4) USING binary) <=> $raw, $raw, CONVERT(CONVERT({$this->name} USING utf8mb4) USING binary))";
				}
				return in_array( $this->charset(), array( 'utf8mb4', 'utf8mb3', 'utf8', 'ascii' ), true )
					? "CONVERT({$this->name} USING binary)"
					: "CONVERT(CONVERT({$this->name} USING utf8mb4) USING binary)";
			case 'json':
				return "CONVERT(CONVERT({$this->name} USING utf8mb4) USING binary)";
			case 'bit':
				return $this->name . ' + 0';
			default:
				return $this->name;
		}
	}

	/** Expression: how many bytes that is; NULL for NULL, -1 where the server cannot tell (so that NULL always means NULL). */
	public function length(): string {
		return "IF({$this->name} IS NULL, NULL, IFNULL(LENGTH(" . $this->bytes() . '), -1))';
	}

	/** Condition: the value, as it travels, is this. */
	public function is( string $value ): string {
		switch ( $this->kind ) {
			case 'int':
			case 'decimal':
				return $this->name . ' = ' . self::number( $value );
			case 'bit':
				return $this->name . ' + 0 = ' . self::number( $value );
			case 'float':
				return $this->as_double() . ' = ' . self::number( $this->is_short_float() ? self::as_stored_float( $value ) : $value ) . ' + 0e0';
			case 'binary':
				return $this->name . ' = ' . self::hex( $value );
		}
		if ( '' === $this->collation ) {
			return $this->name . ' = ' . self::plain( $value );
		}
		$same = $this->bytes() . ' = ' . self::hex( $value );
		if ( $this->disguised || 'enum' === $this->base || 'set' === $this->base ) {
			return $same;
		}
		// The first half lets the index find it; the second tells letter cases apart.
		$text = '' === $value ? "_utf8mb4 ''" : '_utf8mb4 ' . self::hex( $value );
		return $this->name . " = CONVERT($text USING " . $this->charset() . ') COLLATE ' . $this->collation . ' AND ' . $same;
	}

	/** Expression: what a cursor keeps of a key column. */
	public function position(): string {
		switch ( $this->ordered_as() ) {
			case 'text':
				return "CONVERT({$this->name} USING binary)";
			default:
				return $this->comparable();
		}
	}

	/** Expression that is compared with a position. It orders rows as ORDER BY the column does. */
	public function comparable(): string {
		switch ( $this->ordered_as() ) {
			case 'ordinal':
				return $this->name . ' + 0';
			case 'double':
				return $this->as_double();
			case 'instant':
				// Local time runs back once a year; this does not.
				return "UNIX_TIMESTAMP({$this->name})";
			default:
				return $this->name;
		}
	}

	/** Literal of a position: in the column's own character set and collation, so that the index's own order holds. */
	public function literal( string $position ): string {
		switch ( $this->ordered_as() ) {
			case 'text':
				return '_' . $this->charset() . ( '' === $position ? " ''" : ' ' . self::hex( $position ) ) . ' COLLATE ' . $this->collation;
			case 'bytes':
				return self::hex( $position );
			case 'plain':
				return self::plain( $position );
			case 'double':
				return self::number( $position ) . ' + 0e0';
			default:
				return self::number( $position );
		}
	}

	public function name(): string {
		return $this->name;
	}

	/**
	 * A FLOAT's text that gives the same FLOAT again: the database's own if it does, else the shortest that does.
	 *
	 * @param string $text  The database's.
	 * @param string $exact The double.
	 */
	public static function float_text( string $text, string $exact ): string {
		$value = (float) $exact;
		$most  = 3.4028234663852886e38; // A text just above it would be refused.
		if ( self::single( (float) $text ) === $value ) {
			return $text;
		}
		for ( $digits = 6; $digits < 9; $digits++ ) {
			$text = str_replace( ',', '.', sprintf( '%.' . $digits . 'e', $value ) );
			if ( abs( (float) $text ) <= $most && self::single( (float) $text ) === $value ) {
				return $text;
			}
		}
		return $exact;
	}

	private function ordered_as(): string {
		if ( 'enum' === $this->base || 'set' === $this->base || 'bit' === $this->kind ) {
			return 'ordinal';
		}
		if ( 'timestamp' === $this->base ) {
			return 'instant';
		}
		if ( 'float' === $this->kind ) {
			return 'double';
		}
		if ( 'binary' === $this->kind ) {
			return 'bytes';
		}
		if ( 'string' === $this->kind ) {
			return '' === $this->collation ? 'plain' : 'text';
		}
		return 'number';
	}

	/** A collation's name begins with its character set's. */
	private function charset(): string {
		return explode( '_', $this->collation )[0];
	}

	private static function single( float $value ): float {
		return unpack( 'g', pack( 'g', $value ) )[1];
	}

	private static function as_stored_float( string $text ): string {
		return str_replace( ',', '.', sprintf( '%.17e', self::single( (float) $text ) ) );
	}

	private static function number( string $value ): string {
		if ( 1 !== preg_match( '/\A-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]{1,3})?\z/i', $value ) ) {
			throw Custom_Migrator_Arguments::bad( 'a key value must be a number' );
		}
		return $value;
	}

	private static function hex( string $value ): string {
		return "X'" . bin2hex( $value ) . "'";
	}

	/** Dates, times, addresses, UUIDs. */
	private static function plain( string $value ): string {
		if ( 1 !== preg_match( '/\A[0-9a-fA-F:. -]{0,64}\z/', $value ) ) {
			throw Custom_Migrator_Arguments::bad( 'a key value must be a date, a time or an address' );
		}
		return "'" . $value . "'";
	}
}
