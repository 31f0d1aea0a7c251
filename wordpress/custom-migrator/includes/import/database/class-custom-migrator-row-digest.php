<?php
/**
 * An order-independent digest of a table's rows.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Defined exactly: a row is encoded column by column. NULL is `N`; any other value is a letter for the column's storage
 * class in the clone (`i` integer, `r` real, `t` text, `b` bytes, `a` a column of mixed classes, `d` a decimal), the length as eight
 * bytes (little-endian) and the bytes, or, above 1 MiB, `#` and the SHA-256 of the bytes. Integers are decimal without
 * leading zeros, decimals without zeros at either end; reals are the 16 hex digits of the double (big-endian). The row's hash is the SHA-256 of that. A table's
 * digest is the sum of the first four 32-bit big-endian words of its rows' hashes, each word summed modulo 2^32.
 */
class Custom_Migrator_Row_Digest {

	/** Above this a value enters the row's hash by its own hash. */
	const INLINE_MAX = 1048576;

	/** @var int[] */
	private $sums;

	public function __construct( array $sums = array( 0, 0, 0, 0 ) ) {
		$this->sums = array_map( 'intval', array_values( $sums ) );
	}

	/**
	 * @param string[] $parts Encoded columns (`encode`).
	 */
	public function add( array $parts ): void {
		$words = unpack( 'N4', hash( 'sha256', implode( '', $parts ), true ) );
		for ( $i = 0; $i < 4; $i++ ) {
			$this->sums[ $i ] = ( $this->sums[ $i ] + $words[ $i + 1 ] ) & 0xffffffff;
		}
	}

	/** @return int[] Four words. */
	public function sums(): array {
		return $this->sums;
	}

	public static function encode( string $letter, ?string $value ): string {
		if ( null === $value ) {
			return 'N';
		}
		$length = strlen( $value );
		if ( $length > self::INLINE_MAX ) {
			return self::encode_hashed( $letter, $length, hash( 'sha256', $value, true ) );
		}
		return $letter . pack( 'P', $length ) . $value;
	}

	/**
	 * @param string $letter Storage class.
	 * @param int    $length Bytes of the value, above INLINE_MAX.
	 * @param string $hash   Its SHA-256, 32 bytes.
	 */
	public static function encode_hashed( string $letter, int $length, string $hash ): string {
		return $letter . pack( 'P', $length ) . '#' . $hash;
	}
}
