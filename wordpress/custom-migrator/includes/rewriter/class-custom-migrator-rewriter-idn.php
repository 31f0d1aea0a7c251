<?php
/**
 * Host names with letters outside ASCII, in both of their spellings (RFC 3492). Without the intl extension.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Punycode.
 */
final class Custom_Migrator_Rewriter_Idn {

	/**
	 * The host in ASCII: `bücher.de` becomes `xn--bcher-kva.de`.
	 *
	 * @param string $host Lower case, valid UTF-8.
	 */
	public static function to_ascii( string $host ): string {
		$labels = explode( '.', $host );
		foreach ( $labels as $i => $label ) {
			if ( preg_match( '/[\x80-\xff]/', $label ) ) {
				$labels[ $i ] = 'xn--' . self::encode( self::code_points( $label ) );
			}
		}
		return implode( '.', $labels );
	}

	/**
	 * The host as people write it: `xn--bcher-kva.de` becomes `bücher.de`. Labels that are not punycode stay.
	 *
	 * @param string $host Lower case ASCII.
	 */
	public static function to_unicode( string $host ): string {
		$labels = explode( '.', $host );
		foreach ( $labels as $i => $label ) {
			if ( 0 === strncmp( $label, 'xn--', 4 ) ) {
				$points = self::decode( substr( $label, 4 ) );
				if ( null !== $points ) {
					$labels[ $i ] = implode( '', array_map( array( __CLASS__, 'utf8' ), $points ) );
				}
			}
		}
		return implode( '.', $labels );
	}

	/**
	 * One code point in UTF-8.
	 *
	 * @param int $point Unicode code point.
	 */
	public static function utf8( int $point ): string {
		if ( $point < 0x80 ) {
			return chr( $point );
		}
		if ( $point < 0x800 ) {
			return chr( 0xC0 | $point >> 6 ) . chr( 0x80 | $point & 0x3F );
		}
		if ( $point < 0x10000 ) {
			return chr( 0xE0 | $point >> 12 ) . chr( 0x80 | $point >> 6 & 0x3F ) . chr( 0x80 | $point & 0x3F );
		}
		return chr( 0xF0 | $point >> 18 ) . chr( 0x80 | $point >> 12 & 0x3F ) . chr( 0x80 | $point >> 6 & 0x3F ) . chr( 0x80 | $point & 0x3F );
	}

	/**
	 * The code points of a text.
	 *
	 * @param string $text Valid UTF-8.
	 * @return int[]
	 */
	public static function code_points( string $text ): array {
		$points = array();
		$length = strlen( $text );
		for ( $i = 0; $i < $length; $i += $size ) {
			$byte  = ord( $text[ $i ] );
			$size  = $byte < 0x80 ? 1 : ( $byte < 0xE0 ? 2 : ( $byte < 0xF0 ? 3 : 4 ) );
			$point = 1 === $size ? $byte : $byte & ( 0xFF >> ( $size + 1 ) );
			for ( $k = 1; $k < $size; $k++ ) {
				$point = $point << 6 | ord( $text[ $i + $k ] ) & 0x3F;
			}
			$points[] = $point;
		}
		return $points;
	}

	/**
	 * Encodes one label.
	 *
	 * @param int[] $points Code points.
	 */
	private static function encode( array $points ): string {
		$basic = array_filter(
			$points,
			function ( $point ) {
				return $point < 0x80;
			}
		);
		$out   = implode( '', array_map( 'chr', $basic ) );
		$done  = count( $basic );
		$first = $done;
		$out  .= $done > 0 ? '-' : '';
		$n     = 128;
		$delta = 0;
		$bias  = 72;
		$total = count( $points );
		while ( $done < $total ) {
			$next = min(
				array_filter(
					$points,
					function ( $point ) use ( $n ) {
						return $point >= $n;
					}
				)
			);
			$delta += ( $next - $n ) * ( $done + 1 );
			$n      = $next;
			foreach ( $points as $point ) {
				if ( $point < $n ) {
					++$delta;
				} elseif ( $point === $n ) {
					$q = $delta;
					for ( $k = 36; ; $k += 36 ) {
						$t = max( 1, min( 26, $k - $bias ) );
						if ( $q < $t ) {
							break;
						}
						$out .= self::digit( $t + ( $q - $t ) % ( 36 - $t ) );
						$q    = intdiv( $q - $t, 36 - $t );
					}
					$out  .= self::digit( $q );
					$bias  = self::adapt( $delta, $done + 1, $done === $first );
					$delta = 0;
					++$done;
				}
			}
			++$delta;
			++$n;
		}
		return $out;
	}

	/**
	 * Decodes one label.
	 *
	 * @param string $text Punycode without `xn--`.
	 * @return int[]|null Code points, null when it is not punycode.
	 */
	private static function decode( string $text ) {
		$split  = strrpos( $text, '-' );
		$points = false === $split || 0 === $split ? array() : self::code_points( substr( $text, 0, $split ) );
		$length = strlen( $text );
		$n      = 128;
		$i      = 0;
		$bias   = 72;
		for ( $at = false === $split ? 0 : $split + 1; $at < $length; ) {
			$old    = $i;
			$weight = 1;
			for ( $k = 36; ; $k += 36 ) {
				$digit = $at < $length ? strpos( 'abcdefghijklmnopqrstuvwxyz0123456789', $text[ $at++ ] ) : false;
				if ( false === $digit || $weight > 0x10FFFF * 64 ) {
					return null;
				}
				$i += $digit * $weight;
				$t  = max( 1, min( 26, $k - $bias ) );
				if ( $digit < $t ) {
					break;
				}
				$weight *= 36 - $t;
			}
			$count = count( $points ) + 1;
			$bias  = self::adapt( $i - $old, $count, 0 === $old );
			$n    += intdiv( $i, $count );
			$i    %= $count;
			if ( $n > 0x10FFFF ) {
				return null;
			}
			array_splice( $points, $i, 0, array( $n ) );
			++$i;
		}
		return $points;
	}

	/**
	 * RFC 3492, section 6.1.
	 *
	 * @param int  $delta Insertion distance.
	 * @param int  $count Code points so far.
	 * @param bool $first Whether it is the first insertion.
	 */
	private static function adapt( int $delta, int $count, bool $first ): int {
		$delta  = $first ? intdiv( $delta, 700 ) : intdiv( $delta, 2 );
		$delta += intdiv( $delta, $count );
		for ( $k = 0; $delta > 455; $k += 36 ) {
			$delta = intdiv( $delta, 35 );
		}
		return $k + intdiv( 36 * $delta, $delta + 38 );
	}

	/**
	 * One digit of base 36.
	 *
	 * @param int $value 0–35.
	 */
	private static function digit( int $value ): string {
		return 'abcdefghijklmnopqrstuvwxyz0123456789'[ $value ];
	}
}
