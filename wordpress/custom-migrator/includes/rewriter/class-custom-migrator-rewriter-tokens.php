<?php
/**
 * Finds the length-prefixed tokens of PHP's serialize format, also in JSON, HTML and URL-encoded text.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Tokens of one text. A token is an array: `type` (s, S or C), `digits` (place of its length), `size` (number of digits),
 * `count` (the length), `content` and `end` (places around the content), `after` (place behind the token), and when it is
 * escaped `escapes` and `decoded`.
 */
final class Custom_Migrator_Rewriter_Tokens {

	/**
	 * The text.
	 *
	 * @var string
	 */
	private $text;

	/**
	 * What tokens begin with, and where the next of each is.
	 *
	 * @var int[]
	 */
	private $next = array();

	/**
	 * How many bytes may still be read for escaped tokens that turn out to be none. Lying lengths could make that work
	 * quadratic; real data never comes near it.
	 *
	 * @var int
	 */
	private $budget;

	/**
	 * Escapings in use.
	 *
	 * @var Custom_Migrator_Rewriter_Escapes[]
	 */
	private static $escapes = array();

	/**
	 * Tokens of a text.
	 *
	 * @param string $text Any bytes.
	 */
	public function __construct( string $text ) {
		$this->text   = $text;
		$this->budget = 65536 + 2 * strlen( $text );

		$marks = array( 's:', 'S:', 'C:' );
		if ( false !== strpos( $text, '%' ) ) {
			array_push( $marks, 's%3A', 's%3a', 'C%3A', 'C%3a', 's%253A', 's%253a', 'C%253A', 'C%253a' );
		}
		foreach ( $marks as $mark ) {
			$at = strpos( $text, $mark );
			if ( false !== $at ) {
				$this->next[ $mark ] = $at;
			}
		}
	}

	/**
	 * Whether a text may hold a token at all: each ends in a quote and a semicolon of some spelling, or is a `C:`.
	 *
	 * @param string $text Any bytes.
	 */
	public static function may_hold( string $text ): bool {
		if ( false !== strpos( $text, 'C:' ) ) {
			return true;
		}
		if ( false !== strpos( $text, ';' ) && ( false !== strpos( $text, '";' ) || false !== strpos( $text, ';;' ) || false !== strpos( $text, '22;' ) ) ) {
			return true;
		}
		return false !== strpos( $text, '%' ) && ( false !== strpos( $text, '%3B' ) || false !== strpos( $text, '%3b' ) || false !== strpos( $text, '%253' ) );
	}

	/**
	 * Where the next token begins that has to be looked at: plain strings that end before a place are passed over.
	 *
	 * @param int $from  Not before.
	 * @param int $place The place.
	 * @param int $limit End of the innermost region.
	 */
	public function seek( int $from, int $place, int $limit ): int {
		$text = $this->text;
		while ( true ) {
			$at = $this->next( $from );
			if ( $at >= $place || $at >= $limit || ':' !== $text[ $at + 1 ] || 's' !== $text[ $at ] ) {
				return $at;
			}
			$size = strspn( $text, '0123456789', $at + 2, 10 );
			if ( 0 === $size ) {
				$from = $at + 1;
				continue;
			}
			$content = $at + $size + 4;
			$end     = $content + (int) substr( $text, $at + 2, $size );
			if ( $end > $place || $end + 1 >= $limit || '"' !== $text[ $end ] || ';' !== $text[ $end + 1 ]
				|| ':"' !== substr( $text, $content - 2, 2 ) || ( $at > 0 && ctype_alpha( $text[ $at - 1 ] ) ) ) {
				return $at;
			}
			$from = $end + 2;
		}
	}

	/**
	 * Where a token may begin next.
	 *
	 * @param int $from Not before.
	 */
	private function next( int $from ): int {
		$first = PHP_INT_MAX;
		foreach ( $this->next as $mark => $at ) {
			if ( $at < $from ) {
				$at = strpos( $this->text, $mark, $from );
				if ( false === $at ) {
					unset( $this->next[ $mark ] );
					continue;
				}
				$this->next[ $mark ] = $at;
			}
			if ( $at < $first ) {
				$first = $at;
			}
		}
		return $first;
	}

	/**
	 * Reads the token at a place.
	 *
	 * @param int $at    The place.
	 * @param int $limit It must end before.
	 * @return array|null Null when there is no sound token.
	 */
	public function read( int $at, int $limit ) {
		$text = $this->text;
		if ( ':' === $text[ $at + 1 ] ) {
			$size = strspn( $text, '0123456789', $at + 2, 10 );
			$mark = $at + 2 + $size;
			if ( 0 === $size || $mark + 1 >= $limit || ':' !== $text[ $mark ] ) {
				return null;
			}
			if ( $at > 0 && ctype_alpha( $text[ $at - 1 ] ) && ! $this->is_escape_before( $at ) ) {
				return null;
			}
			$quote = $text[ $mark + 1 ];
			if ( '"' === $quote ) {
				return $this->read_plain( $at, $size, $limit );
			}
			if ( '\\' === $quote ) {
				return $this->read_escaped( $at, $limit, array( 'j', 'jj', 'jjj', 'jjjj', 'hj', 'hjj', 'hjjj' ) );
			}
			return '&' === $quote ? $this->read_escaped( $at, $limit, array( 'h', 'jh', 'hj', 'hh', 'jjh' ) ) : null;
		}
		$digits = $at + ( '2' === $text[ $at + 2 ] ? 6 : 4 );
		if ( 0 === strspn( $text, '0123456789', $digits, 1 ) ) {
			return null;
		}
		return $this->read_escaped( $at, $limit, '2' === $text[ $at + 2 ] ? array( 'uu', 'uuj' ) : array( 'u', 'uj', 'ujj', 'ujjj', 'ju', 'uh' ) );
	}

	/**
	 * Whether the letter before a token belongs to an escape: `\n`, `%3B`.
	 *
	 * @param int $at Where the token begins.
	 */
	private function is_escape_before( int $at ): bool {
		return 1 === preg_match( '~(?:\\\\[nrtbf]|\\\\u[0-9a-f]{4}|%[0-9a-f]{2})$~iD', substr( $this->text, max( 0, $at - 6 ), min( 6, $at ) ) );
	}

	/**
	 * Reads a token that is not escaped.
	 *
	 * @param int $at    Where it begins.
	 * @param int $size  Number of digits of its length.
	 * @param int $limit It must end before.
	 */
	private function read_plain( int $at, int $size, int $limit ) {
		$text    = $this->text;
		$type    = $text[ $at ];
		$digits  = $at + 2;
		$content = $digits + $size + 2;
		$count   = (int) substr( $text, $digits, $size );
		if ( 'S' === $type ) {
			return $this->read_escaped( $at, $limit, array( 'x' ) );
		}
		if ( $count > $limit - $content - 2 ) {
			return null;
		}
		$end = $content + $count;
		if ( 'C' === $type ) {
			$digits = $end + 2;
			if ( '"' !== $text[ $end ] || ':' !== $text[ $end + 1 ] ) {
				return null;
			}
			$size    = strspn( $text, '0123456789', $digits, 10 );
			$content = $digits + $size + 2;
			if ( 0 === $size || $content >= $limit || ':' !== $text[ $content - 2 ] || '{' !== $text[ $content - 1 ] ) {
				return null;
			}
			$count = (int) substr( $text, $digits, $size );
			if ( $count > $limit - $content - 1 || '}' !== $text[ $content + $count ] ) {
				return null;
			}
			$end   = $content + $count;
			$after = $end + 1;
		} else {
			if ( '"' !== $text[ $end ] || ';' !== $text[ $end + 1 ] ) {
				return null;
			}
			$after = $end + 2;
		}
		return compact( 'type', 'digits', 'size', 'count', 'content', 'end', 'after' );
	}

	/**
	 * Reads an escaped token.
	 *
	 * @param int      $at     Where it begins.
	 * @param int      $limit  It must end before.
	 * @param string[] $stacks Escapings to try.
	 */
	private function read_escaped( int $at, int $limit, array $stacks ) {
		foreach ( $stacks as $layers ) {
			if ( $this->budget <= 0 ) {
				return null;
			}
			if ( ! isset( self::$escapes[ $layers ] ) ) {
				self::$escapes[ $layers ] = new Custom_Migrator_Rewriter_Escapes( $layers );
			}
			$token = $this->read_with( self::$escapes[ $layers ], 'x' === $layers, $at, $limit );
			if ( null !== $token ) {
				return $token;
			}
		}
		return null;
	}

	/**
	 * Reads a token under one stack of escapings.
	 *
	 * @param Custom_Migrator_Rewriter_Escapes $escapes The escapings.
	 * @param bool                             $inner   Whether they hold only for the content (`S:`).
	 * @param int                              $at      Where it begins.
	 * @param int                              $limit   It must end before.
	 */
	private function read_with( Custom_Migrator_Rewriter_Escapes $escapes, bool $inner, int $at, int $limit ) {
		$text   = $this->text;
		$type   = $text[ $at ];
		$digits = $this->skip( $escapes, $at + 1, ':' );
		$size   = null === $digits ? 0 : strspn( $text, '0123456789', $digits, 10 );
		$start  = $size > 0 ? $this->skip( $escapes, $digits + $size, ':"' ) : null;
		if ( $inner && $size > 0 ) {
			$start = $digits + $size + 2;
		}
		if ( null === $start ) {
			return null;
		}
		$content = $start;
		$count   = (int) substr( $text, $digits, $size );
		$read    = $escapes->read( $text, $content, $count, $limit );
		$end     = $read[1];
		$after   = null;
		if ( null !== $read[0] && 'C' === $type ) {
			$digits  = $this->skip( $escapes, $end, '":' );
			$size    = null === $digits ? 0 : strspn( $text, '0123456789', $digits, 10 );
			$content = $size > 0 ? $this->skip( $escapes, $digits + $size, ':{' ) : null;
			if ( null !== $content ) {
				$count = (int) substr( $text, $digits, $size );
				$read  = $escapes->read( $text, $content, $count, $limit );
				$end   = $read[1];
				$after = null === $read[0] ? null : $this->skip( $escapes, $end, '}' );
			}
		} elseif ( null !== $read[0] ) {
			$after = $inner ? ( '";' === substr( $text, $end, 2 ) ? $end + 2 : null ) : $this->skip( $escapes, $end, '";' );
		}
		if ( null === $after || $after > $limit ) {
			$this->budget -= $end - $start;
			return null;
		}
		$decoded = $read[0];
		return compact( 'type', 'digits', 'size', 'count', 'content', 'end', 'after', 'escapes', 'decoded' );
	}

	/**
	 * Skips expected characters.
	 *
	 * @param Custom_Migrator_Rewriter_Escapes $escapes  The escapings.
	 * @param int                              $at       Where they begin.
	 * @param string                           $expected What they mean.
	 * @return int|null The place behind them.
	 */
	private function skip( Custom_Migrator_Rewriter_Escapes $escapes, int $at, string $expected ) {
		foreach ( str_split( $expected ) as $byte ) {
			$unit = $escapes->unit( $this->text, $at );
			if ( null === $unit || $unit[0] !== $byte ) {
				return null;
			}
			$at = $unit[1];
		}
		return $at;
	}
}
