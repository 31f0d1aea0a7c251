<?php
/**
 * Which addresses the importer may connect to.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Global unicast addresses only, by IANA's special-purpose registries (RFC 6890 and its updates).
 */
class Custom_Migrator_Public_Address {

	const CLOSED_V4 = array(
		'0.0.0.0/8',
		'10.0.0.0/8',
		'100.64.0.0/10',
		'127.0.0.0/8',
		'169.254.0.0/16',
		'172.16.0.0/12',
		'192.0.0.0/24',
		'192.0.2.0/24',
		'192.31.196.0/24',
		'192.52.193.0/24',
		'192.88.99.0/24',
		'192.168.0.0/16',
		'192.175.48.0/24',
		'198.18.0.0/15',
		'198.51.100.0/24',
		'203.0.113.0/24',
		'224.0.0.0/4',
		'240.0.0.0/4',
	);

	/** Within 2000::/3, the only block that is open at all. */
	const CLOSED_V6 = array( '2001::/23', '2001:db8::/32', '2002::/16', '2620:4f:8000::/48', '3fff::/20' );

	public static function is_public( string $address ): bool {
		$bytes = inet_pton( $address );
		if ( false === $bytes ) {
			return false;
		}
		if ( 4 === strlen( $bytes ) ) {
			return ! self::in_any( $bytes, self::CLOSED_V4 );
		}
		return self::in( $bytes, '2000::/3' ) && ! self::in_any( $bytes, self::CLOSED_V6 );
	}

	private static function in_any( string $bytes, array $ranges ): bool {
		foreach ( $ranges as $range ) {
			if ( self::in( $bytes, $range ) ) {
				return true;
			}
		}
		return false;
	}

	private static function in( string $bytes, string $range ): bool {
		list( $base, $length ) = explode( '/', $range );
		$base                  = (string) inet_pton( $base );
		$whole                 = intdiv( (int) $length, 8 );
		$bits                  = (int) $length % 8;
		if ( substr( $bytes, 0, $whole ) !== substr( $base, 0, $whole ) ) {
			return false;
		}
		if ( 0 === $bits ) {
			return true;
		}
		$mask = ( 0xff << ( 8 - $bits ) ) & 0xff;
		return ( ord( $bytes[ $whole ] ) & $mask ) === ( ord( $base[ $whole ] ) & $mask );
	}
}
