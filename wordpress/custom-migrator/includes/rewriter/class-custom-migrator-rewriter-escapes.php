<?php
/**
 * Text under one or more escapings, read byte by byte, so that lengths and edits can be carried through.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * A stack of escapings, outermost first: `j` JSON or slashes, `h` HTML entities, `u` URL encoding, `x` `S:` strings of PHP.
 */
final class Custom_Migrator_Rewriter_Escapes {

	/**
	 * Bytes with a meaning in each escaping: what begins an escape, and what cannot stand in it.
	 */
	const SPECIAL = array(
		'j' => '\\"',
		'h' => '&"<>',
		'u' => "%+\"<> \t\r\n",
		'x' => '\\',
	);

	/**
	 * The escapings.
	 *
	 * @var string
	 */
	private $layers;

	/**
	 * All their special bytes.
	 *
	 * @var string
	 */
	private $special = '';

	/**
	 * A stack of escapings.
	 *
	 * @param string $layers Outermost first.
	 */
	public function __construct( string $layers ) {
		$this->layers = $layers;
		foreach ( str_split( $layers ) as $layer ) {
			$this->special .= self::SPECIAL[ $layer ];
		}
	}

	/**
	 * Reads one character.
	 *
	 * @param string   $text  The text.
	 * @param int      $at    Where it begins.
	 * @param int|null $layer How many layers to take off; all by default.
	 * @return array|null What it means and the place behind it; null where the escaped text ends.
	 */
	public function unit( string $text, int $at, $layer = null ) {
		$layer = null === $layer ? strlen( $this->layers ) : $layer;
		if ( 0 === $layer ) {
			return isset( $text[ $at ] ) ? array( $text[ $at ], $at + 1 ) : null;
		}
		$unit = $this->unit( $text, $at, $layer - 1 );
		if ( null === $unit ) {
			return null;
		}
		$kind = $this->layers[ $layer - 1 ];
		if ( 1 !== strlen( $unit[0] ) || false === strpos( self::SPECIAL[ $kind ], $unit[0] ) ) {
			return $unit;
		}
		if ( '\\' === $unit[0] ) {
			return 'j' === $kind ? $this->json( $text, $unit[1], $layer - 1 ) : $this->hex( $text, $unit, $layer - 1 );
		}
		if ( '%' === $unit[0] ) {
			return $this->hex( $text, $unit, $layer - 1 );
		}
		if ( '&' === $unit[0] ) {
			return $this->entity( $text, $unit, $layer - 1 );
		}
		return '+' === $unit[0] ? array( ' ', $unit[1] ) : null;
	}

	/**
	 * Reads a number of bytes.
	 *
	 * @param string     $text    The text.
	 * @param int        $at      Where they begin.
	 * @param int        $count   How many, unescaped.
	 * @param int        $limit   Where the text ends at the latest.
	 * @param array|null $spelled Receives how each special character and `/:+=` was spelled at first.
	 * @return array Unescaped bytes (null when there are not so many) and the place behind them.
	 */
	public function read( string $text, int $at, int $count, int $limit, &$spelled = null ): array {
		$read = '';
		while ( $count > 0 ) {
			$run = $at < $limit ? strcspn( $text, $this->special, $at, min( $count, $limit - $at ) ) : 0;
			if ( $run > 0 ) {
				$part   = substr( $text, $at, $run );
				$read  .= $part;
				$at    += $run;
				$count -= $run;
				if ( null !== $spelled ) {
					foreach ( array( '/', ':', '+', '=' ) as $byte ) {
						if ( false !== strpos( $part, $byte ) ) {
							$spelled += array( $byte => $byte );
						}
					}
				}
				continue;
			}
			$unit = $at < $limit ? $this->unit( $text, $at ) : null;
			if ( null === $unit || $unit[1] > $limit || strlen( $unit[0] ) > $count ) {
				return array( null, $at );
			}
			if ( null !== $spelled ) {
				$spelled += array( $unit[0] => substr( $text, $at, $unit[1] - $at ) );
			}
			$read  .= $unit[0];
			$count -= strlen( $unit[0] );
			$at     = $unit[1];
		}
		return array( $read, $at );
	}

	/**
	 * Carries edits of unescaped text over to the escaped text. New text is spelled as the text it replaces.
	 *
	 * @param string  $text  The escaped text.
	 * @param int     $at    Where it begins.
	 * @param array[] $edits Starts, lengths, replacements, in order.
	 * @return array[] The same, for the escaped text.
	 */
	public function map_edits( string $text, int $at, array $edits ): array {
		$end  = strlen( $text );
		$seen = 0;
		foreach ( $edits[0] as $i => $start ) {
			$spelled       = array();
			$at            = $this->read( $text, $at, $start - $seen, $end )[1];
			$seen          = $start + $edits[1][ $i ];
			$edits[0][ $i ] = $at;
			$at            = $this->read( $text, $at, $edits[1][ $i ], $end, $spelled )[1];
			$edits[1][ $i ] = $at - $edits[0][ $i ];
			$edits[2][ $i ] = $this->spell( $edits[2][ $i ], $spelled );
		}
		return $edits;
	}

	/**
	 * Escapes text.
	 *
	 * @param string   $text    ASCII.
	 * @param string[] $spelled Preferred spelling of some characters.
	 */
	private function spell( string $text, array $spelled ): string {
		$map = array();
		foreach ( str_split( count_chars( $text, 3 ) ) as $byte ) {
			$new = isset( $spelled[ $byte ] ) ? $spelled[ $byte ] : $byte;
			if ( ! isset( $spelled[ $byte ] ) ) {
				for ( $i = strlen( $this->layers ) - 1; $i >= 0; $i-- ) {
					$new = self::escape( $new, $this->layers[ $i ] );
				}
			}
			if ( $new !== (string) $byte ) {
				$map[ $byte ] = $new;
			}
		}
		return $map ? strtr( $text, $map ) : $text;
	}

	/**
	 * Escapes text in the usual way.
	 *
	 * @param string $text  ASCII.
	 * @param string $layer The escaping.
	 */
	private static function escape( string $text, string $layer ): string {
		if ( 'j' === $layer ) {
			return addcslashes( $text, '"\\' );
		}
		if ( 'h' === $layer ) {
			return htmlspecialchars( $text, ENT_QUOTES, 'UTF-8' );
		}
		return 'u' === $layer ? rawurlencode( $text ) : str_replace( '\\', '\\5c', $text );
	}

	/**
	 * Reads what follows a backslash in JSON; other escapes are read as addslashes() writes them.
	 *
	 * @param string $text  The text.
	 * @param int    $at    Behind the backslash.
	 * @param int    $layer Layers to take off first.
	 */
	private function json( string $text, int $at, int $layer ) {
		$unit = $this->unit( $text, $at, $layer );
		if ( null === $unit ) {
			return null;
		}
		if ( 'u' !== $unit[0] ) {
			$control = strpos( 'bfnrt', $unit[0] );
			return array( false === $control ? $unit[0] : "\x08\f\n\r\t"[ $control ], $unit[1] );
		}
		$code = $this->digits( $text, $unit[1], 4, $layer );
		if ( null === $code ) {
			return null;
		}
		list( $point, $at ) = $code;
		if ( 0xD800 === ( $point & 0xFC00 ) ) {
			$slash = $this->unit( $text, $at, $layer );
			$mark  = null === $slash ? null : $this->unit( $text, $slash[1], $layer );
			$low   = null === $mark || '\\u' !== $slash[0] . $mark[0] ? null : $this->digits( $text, $mark[1], 4, $layer );
			if ( null === $low || 0xDC00 !== ( $low[0] & 0xFC00 ) ) {
				return null;
			}
			$point = 0x10000 + ( ( $point & 0x3FF ) << 10 | $low[0] & 0x3FF );
			$at    = $low[1];
		}
		return array( Custom_Migrator_Rewriter_Idn::utf8( $point ), $at );
	}

	/**
	 * Reads two hexadecimal digits behind `%` or a backslash; without them it stands for itself.
	 *
	 * @param string $text  The text.
	 * @param array  $mark  The unit before.
	 * @param int    $layer Layers to take off first.
	 */
	private function hex( string $text, array $mark, int $layer ): array {
		$code = $this->digits( $text, $mark[1], 2, $layer );
		return null === $code ? $mark : array( chr( $code[0] ), $code[1] );
	}

	/**
	 * Reads an HTML entity; an `&` that begins none stands for itself.
	 *
	 * @param string $text  The text.
	 * @param array  $mark  The unit `&`.
	 * @param int    $layer Layers to take off first.
	 */
	private function entity( string $text, array $mark, int $layer ): array {
		$name = '&';
		$at   = $mark[1];
		while ( strlen( $name ) < 12 ) {
			$unit = $this->unit( $text, $at, $layer );
			if ( null === $unit || ( ! ctype_alnum( $unit[0] ) && '#' !== $unit[0] && ';' !== $unit[0] ) ) {
				break;
			}
			$name .= $unit[0];
			$at    = $unit[1];
			if ( ';' === $unit[0] ) {
				$meant = html_entity_decode( $name, ENT_QUOTES | ENT_HTML5, 'UTF-8' );
				return $meant === $name ? $mark : array( $meant, $at );
			}
		}
		return $mark;
	}

	/**
	 * Reads hexadecimal digits.
	 *
	 * @param string $text  The text.
	 * @param int    $at    Where they begin.
	 * @param int    $count How many.
	 * @param int    $layer Layers to take off first.
	 * @return array|null Their value and the place behind them.
	 */
	private function digits( string $text, int $at, int $count, int $layer ) {
		$hex = '';
		for ( $i = 0; $i < $count; $i++ ) {
			$unit = $this->unit( $text, $at, $layer );
			if ( null === $unit || ! ctype_xdigit( $unit[0] ) ) {
				return null;
			}
			$hex .= $unit[0];
			$at   = $unit[1];
		}
		return array( (int) hexdec( $hex ), $at );
	}
}
