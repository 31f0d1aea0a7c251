<?php
/**
 * Where a URL may begin, and where its host and its path end.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Boundaries of URLs in text of any escaping.
 */
final class Custom_Migrator_Rewriter_Boundaries {

	/**
	 * Bytes that may follow a host, and end it for sure.
	 */
	const STOP = "/\"'<> \t\r\n?#()[]{},;!|=*`+~^&\0";

	/**
	 * Whether a protocol-relative URL may begin at a place: not inside a path or a name.
	 *
	 * @param string $text  The text.
	 * @param int    $at    Where its slashes begin.
	 * @param int    $floor What stands before is not looked at.
	 */
	public static function may_precede( string $text, int $at, int $floor ): bool {
		$byte = $text[ $at - 1 ];
		if ( ctype_alnum( $byte ) ) {
			$from   = max( $floor, $at - 40 );
			$window = substr( $text, $from, $at - $from );
			if ( 1 === preg_match( '~(?:%(?:25)*|\\\\(?:u00|x))([0-9a-f]{2})$~iD', $window, $found ) ) {
				$byte = chr( (int) hexdec( $found[1] ) );
			} else {
				return 1 === preg_match( '~\\\\[nrtbf]$~D', $window );
			}
		}
		return ! ctype_alnum( $byte ) && false === strpos( '._-~/:@\\%+$?#', $byte );
	}

	/**
	 * Whether a host ends at a place, and which port follows.
	 *
	 * @param string $text The text.
	 * @param int    $at   Behind the host.
	 * @return array|null Port (0: none) and the place behind it; null when the host goes on or was a user name.
	 */
	public static function after_host( string $text, int $at ) {
		if ( ! isset( $text[ $at ] ) || false !== strpos( self::STOP, $text[ $at ] ) ) {
			return array( 0, $at );
		}
		list( $byte, $next ) = self::logical( $text, $at );
		if ( ctype_alnum( $byte ) || '@' === $byte ) {
			return null;
		}
		if ( ':' === $byte ) {
			$digits = strspn( $text, '0123456789', $next, 6 );
			$after  = self::logical( $text, $next + $digits );
			if ( '@' === $after[0] || ( 0 === $digits && 1 === preg_match( '~\G[^\s/@"\'<>\\\\%]{1,64}+@~', $text, $found, 0, $next ) ) ) {
				return null;
			}
			return $digits > 0 ? array( (int) substr( $text, $next, $digits ), $next + $digits ) : array( 0, $at );
		}
		if ( '.' === $byte || '-' === $byte || '_' === $byte ) {
			for ( $i = 0; $i < 64; $i++ ) {
				$before              = $byte;
				list( $byte, $next ) = self::logical( $text, $next );
				if ( ctype_alnum( $byte ) || $byte >= "\x80" ) {
					return null;
				}
				// No host has two dots in a row: that is the end of a sentence.
				if ( ( '.' !== $byte && '-' !== $byte && '_' !== $byte ) || '..' === $before . $byte ) {
					break;
				}
			}
			return array( 0, $at );
		}
		// Letters outside ASCII: after `.com` the text goes on, after `.рф` the name may.
		if ( $byte >= "\x80" && $text[ $at - 1 ] >= "\x80" && ! self::is_punctuation( $text, $at ) ) {
			return null;
		}
		return array( 0, $at );
	}

	/**
	 * Whether a path segment ends at a place.
	 *
	 * @param string $text    The text.
	 * @param int    $at      Behind the segment.
	 * @param bool   $percent Whether the URL is percent-encoded, slashes and all.
	 */
	public static function ends_segment( string $text, int $at, bool $percent ): bool {
		if ( ! isset( $text[ $at ] ) ) {
			return true;
		}
		if ( '%' === $text[ $at ] && ! $percent ) {
			return 1 === preg_match( '~\G%(?:2F|3F|23)~i', $text, $found, 0, $at );
		}
		list( $byte, $next ) = self::logical( $text, $at );
		if ( '.' === $byte ) {
			return ! ctype_alnum( self::logical( $text, $next )[0] );
		}
		if ( $byte >= "\x80" ) {
			return self::is_punctuation( $text, $at );
		}
		return ! ctype_alnum( $byte ) && ( '' === $byte || false === strpos( '_-~+@%$=', $byte ) );
	}

	/**
	 * The byte that is meant at a place, through `%2E`, `\u002e` and `\x2e`.
	 *
	 * @param string $text The text.
	 * @param int    $at   The place.
	 * @return array Byte ('' at the end; a non-ASCII letter as its first byte) and the place behind it.
	 */
	public static function logical( string $text, int $at ): array {
		if ( ! isset( $text[ $at ] ) ) {
			return array( '', $at );
		}
		$byte = $text[ $at ];
		if ( ( '%' === $byte || '\\' === $byte )
			&& 1 === preg_match( '~\G(?:%(?:25){0,8}([0-9a-f]{2})|\\\\{1,40}+(?:u([0-9a-f]{4})|x([0-9a-f]{2})))~i', $text, $found, 0, $at ) ) {
			$code = (int) hexdec( end( $found ) );
			return array( $code < 0x80 ? chr( $code ) : "\x80", $at + strlen( $found[0] ) );
		}
		return array( $byte, $at + 1 );
	}

	/**
	 * Whether a character outside ASCII is punctuation: U+00A0–BF, U+2000–206F, U+3000–303F, U+FF00–FF0F and the like.
	 *
	 * @param string $text The text.
	 * @param int    $at   The place.
	 */
	public static function is_punctuation( string $text, int $at ): bool {
		return 1 === preg_match( '~\G(?:\xC2[\xA0-\xBF]|\xE2[\x80\x81].|\xE3\x80.|\xEF\xBC[\x80-\x8F\x9A-\x9F])~s', $text, $found, 0, $at );
	}
}
