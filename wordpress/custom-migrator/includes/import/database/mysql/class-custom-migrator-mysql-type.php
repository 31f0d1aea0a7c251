<?php
/**
 * One column of a staged MySQL table.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * How a value is bound, what the column cannot hold and which type could, and the one form of a value that what was sent and
 * what is read back are compared in.
 *
 * A column that cannot hold a value byte for byte becomes one that can, and the proof names it: a clone whose rows are
 * the source's is worth more than one whose types are.
 */
class Custom_Migrator_Mysql_Type {

	/** Larger values are read back as their SHA-256, found by the server. */
	const INLINE_MAX = Custom_Migrator_Row_Digest::INLINE_MAX;

	const INTEGERS = array( 'tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year' );

	/** Character sets that are sent as they are stored. */
	const UTF8 = array( 'utf8mb4', 'utf8mb3', 'utf8', 'ascii' );

	/** @var string First word, e.g. `varchar`. */
	private $base;

	/** @var string What is between the parentheses. */
	private $arguments;

	/** @var string The whole type, e.g. `decimal(10,2) unsigned`. */
	private $type;

	/** @var string Quoted name. */
	private $quoted;

	/** @var string Of a text; else empty. */
	private $charset;

	/**
	 * @param string      $name      Column.
	 * @param string      $type      As SHOW FULL COLUMNS writes it.
	 * @param string|null $collation The same.
	 */
	public function __construct( string $name, string $type, ?string $collation ) {
		preg_match( '/^([a-z0-9]+)(?:\((.*)\))?/is', $type, $match );
		$this->type      = $type;
		$this->base      = strtolower( $match[1] );
		$this->arguments = isset( $match[2] ) ? $match[2] : '';
		$this->quoted    = Custom_Migrator_Ddl::quote( $name );
		$this->charset   = null === $collation ? '' : explode( '_', strtolower( $collation ) )[0];
		if ( 'uca1400' === $this->charset ) {
			$this->charset = 'utf8mb4';
		}
	}

	/** Kind of value, as Custom_Migrator_Row_Digest names them; `d` is a decimal. */
	public function letter(): string {
		if ( in_array( $this->base, self::INTEGERS, true ) || 'bit' === $this->base ) {
			return 'i';
		}
		if ( 'decimal' === $this->base ) {
			return 'd';
		}
		if ( 'float' === $this->base || 'double' === $this->base ) {
			return 'r';
		}
		return '' === $this->charset && ! preg_match( '/^(date|datetime|time|timestamp|uuid|inet4|inet6)$/', $this->base ) ? 'b' : 't';
	}

	public function is_geometry(): bool {
		return (bool) preg_match( '/^(geometry|point|linestring|polygon|multi|geom)/', $this->base );
	}

	/** Whether text is what it holds, to be rewritten. */
	public function takes_text(): bool {
		return in_array( $this->letter(), array( 't', 'b' ), true );
	}

	/** What stands for a value in an INSERT. A bit's text would be taken for its bytes. */
	public function mark( string $value = '?' ): string {
		if ( 'bit' === $this->base ) {
			return "CAST($value AS UNSIGNED)";
		}
		return $value;
	}

	/** What stands for a value that was gathered, as bytes, in a variable of the session. */
	public function mark_of_bytes( string $variable ): string {
		return '' === $this->charset ? $variable : "CONVERT($variable USING utf8mb4)";
	}

	/**
	 * A type that holds the value, when this one is known not to; null when it may.
	 */
	public function unfit( string $value ): ?string {
		switch ( $this->letter() ) {
			case 'i':
				if ( ! preg_match( '/^-?[0-9]+$/D', $value ) ) {
					return 'varchar(255)';
				}
				return null;
			case 'd':
				$fits = preg_match( '/^-?[0-9]+(?:\.([0-9]*))?$/D', $value, $match )
					&& strlen( isset( $match[1] ) ? rtrim( $match[1], '0' ) : '' ) <= (int) substr( strrchr( ',' . $this->arguments, ',' ), 1 );
				return $fits ? null : 'varchar(255)';
			case 'r':
				return is_numeric( $value ) && is_finite( (float) $value ) ? null : 'varchar(255)';
			case 'b':
				return 'binary' === $this->base && strlen( $value ) !== (int) $this->arguments ? 'varbinary(' . max( 255, strlen( $value ) ) . ')' : null;
		}
		$fraction = (int) $this->arguments > 0 ? '\.[0-9]{' . (int) $this->arguments . '}' : '';
		$forms    = array(
			'date'      => '[0-9]{4}-[0-9]{2}-[0-9]{2}',
			'datetime'  => '[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}' . $fraction,
			'timestamp' => '[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}' . $fraction,
			'time'      => '-?[0-9]{2,3}:[0-9]{2}:[0-9]{2}' . $fraction,
		);
		if ( isset( $forms[ $this->base ] ) && ! preg_match( '/^' . $forms[ $this->base ] . '$/D', $value ) ) {
			return 'varchar(64)';
		}
		if ( 'char' === $this->base && ' ' === substr( $value, -1 ) ) {
			return 'varchar(' . $this->arguments . ')' . $this->spelled();
		}
		if ( 'enum' === $this->base && '' === $value && false === strpos( ',' . $this->arguments . ',', ",''," ) ) {
			return "enum($this->arguments,'')" . $this->spelled();
		}
		return null;
	}

	/**
	 * A type that holds more, after the server refused a value.
	 *
	 * @param int    $number MySQL's error.
	 * @param string $value  What was refused.
	 */
	public function wider( int $number, string $value ): string {
		if ( 1048 === $number ) {
			return $this->type . $this->spelled() . ' NULL';
		}
		$letter = $this->letter();
		if ( 'i' === $letter ) {
			if ( in_array( $this->base, self::INTEGERS, true ) && 'bigint' !== $this->base && '-' !== $value[0] && strlen( $value ) < 19 ) {
				return 'bigint';
			}
			return 'varchar(255)';
		}
		if ( 'd' === $letter || 'r' === $letter ) {
			return 'varchar(255)';
		}
		if ( 'timestamp' === $this->base ) {
			return 'datetime' . ( '' === $this->arguments ? '' : "($this->arguments)" );
		}
		if ( 'b' === $letter ) {
			return 'longblob';
		}
		if ( 1366 !== $number ) {
			return 1406 === $number || 1265 === $number ? ( 'enum' === $this->base || 'set' === $this->base ? 'varchar(255)' : 'longtext' ) : 'varchar(255)';
		}
		// The character set has no such character; utf8mb4 has every one, but not every byte.
		if ( 'utf8mb4' !== $this->charset && 1 === preg_match( '//u', $value ) ) {
			return $this->type . ' CHARACTER SET utf8mb4';
		}
		return preg_match( '/^(var)?char$/', $this->base ) && (int) $this->arguments <= 255 ? 'varbinary(' . 4 * (int) $this->arguments . ')' : 'longblob';
	}

	/** @return string[] Expressions that `part` is given the values of. */
	public function reading(): array {
		if ( 'bit' === $this->base ) {
			return array( $this->quoted . ' + 0' );
		}
		if ( 'r' === $this->letter() ) {
			return array( $this->quoted . ' + 0e0' );
		}
		$value = '' !== $this->charset && ! in_array( $this->charset, self::UTF8, true ) ? "CONVERT($this->quoted USING utf8mb4)" : $this->quoted;
		if ( ! preg_match( '/^(medium|long)(text|blob)$/', $this->base ) ) {
			return array( $value );
		}
		$long = "LENGTH($value) > " . self::INLINE_MAX;
		return array( "IF($long, NULL, $value)", "LENGTH($value)", "IF($long, SHA2($value, 256), NULL)" );
	}

	/**
	 * A value read back, encoded for the digest.
	 *
	 * @param array $read What the expressions of `reading` gave.
	 */
	public function part( array $read ): string {
		list( $value ) = $read;
		if ( isset( $read[2] ) ) {
			return Custom_Migrator_Row_Digest::encode_hashed( $this->letter(), (int) $read[1], (string) hex2bin( $read[2] ) );
		}
		return Custom_Migrator_Row_Digest::encode( $this->letter(), null === $value ? null : $this->canonical( $value ) );
	}

	/**
	 * @param string|int|float $value As it was sent, or as it was read.
	 */
	public function canonical( $value ): string {
		switch ( $this->letter() ) {
			case 'i':
			case 'd':
				return preg_match( '/^(-?)0*([0-9]+?)(?:\.([0-9]*?)0*)?$/D', (string) $value, $match ) ? self::plain( $match ) : (string) $value;
			case 'r':
				$number = 'float' === $this->base ? self::single( (float) $value ) : (float) $value;
				return bin2hex( pack( 'E', 0.0 === $number ? 0.0 : $number ) );
		}
		return (string) $value;
	}

	private static function plain( array $match ): string {
		$fraction = isset( $match[3] ) ? $match[3] : '';
		$number   = $match[2] . ( '' === $fraction ? '' : '.' . $fraction );
		return '0' === $number ? '0' : $match[1] . $number;
	}

	private static function single( float $value ): float {
		return unpack( 'g', pack( 'g', $value ) )[1];
	}

	private function spelled(): string {
		return '' === $this->charset ? '' : ' CHARACTER SET ' . $this->charset;
	}
}
