<?php
/**
 * Rewrites base64 text in place.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Base64 runs of one text. A run is rewritten only if it decodes to clean text and encodes back to the same bytes; alphabet,
 * padding, line breaks and the escaping of `/` (`\/`), `+` and `=` (`%2B`) stay as they are.
 */
final class Custom_Migrator_Rewriter_Base64 {

	const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

	/**
	 * What a run consists of, by style.
	 */
	const SETS = array(
		'lines'   => self::LETTERS . "+/=\r\n",
		'plain'   => self::LETTERS . '+/\\',
		'segment' => self::LETTERS . '+',
		'url'     => self::LETTERS . '-_',
		'percent' => self::LETTERS . '%',
	);

	/**
	 * The text.
	 *
	 * @var string
	 */
	private $text;

	/**
	 * Up to where nothing can be made of it, by style: each run is tried once.
	 *
	 * @var int[]
	 */
	private $failed = array();

	/**
	 * Runs of a text.
	 *
	 * @param string $text Any bytes.
	 */
	public function __construct( string $text ) {
		$this->text = $text;
	}

	/**
	 * Rewrites the run at a place.
	 *
	 * @param int      $at      The place.
	 * @param int      $floor   It must not begin before.
	 * @param int      $limit   It must not end after.
	 * @param callable $rewrite Rewrites the decoded text.
	 * @return array|null Start, end and new text; null when there is nothing to rewrite.
	 */
	public function rewrite_at( int $at, int $floor, int $limit, callable $rewrite ) {
		foreach ( self::SETS as $style => $set ) {
			if ( isset( $this->failed[ $style ] ) && $at < $this->failed[ $style ] ) {
				continue;
			}
			$end   = $at + strspn( $this->text, $set, $at, $limit - $at );
			$start = $this->run_start( $at, $floor, $set );
			$found = 'lines' === $style ? $this->in_lines( $at, $start, $end, $rewrite ) : $this->in_run( $style, $at, $start, $end, $limit, $rewrite );
			if ( null !== $found ) {
				return $found;
			}
			$this->failed[ $style ] = $end;
		}
		return null;
	}

	/**
	 * Where a run begins.
	 *
	 * @param int    $at    A place in it.
	 * @param int    $floor Not before.
	 * @param string $set   What it consists of.
	 */
	private function run_start( int $at, int $floor, string $set ): int {
		for ( $window = 256; $at > $floor; $window *= 2 ) {
			$size = min( $window, $at - $floor );
			$run  = strspn( strrev( substr( $this->text, $at - $size, $size ) ), $set );
			$at  -= $run;
			if ( $run < $size ) {
				break;
			}
		}
		return $at;
	}

	/**
	 * Rewrites base64 in lines of one width.
	 *
	 * @param int      $at      A place in it.
	 * @param int      $start   Where the block begins.
	 * @param int      $end     Where it ends.
	 * @param callable $rewrite Rewrites the decoded text.
	 */
	private function in_lines( int $at, int $start, int $end, callable $rewrite ) {
		$block = substr( $this->text, $start, $end - $start );
		$break = strpos( $block, "\n" );
		if ( false === $break ) {
			return null;
		}
		$break = $break > 0 && "\r" === $block[ $break - 1 ] ? "\r\n" : "\n";
		$lines = explode( $break, $block );
		$count = count( $lines );
		for ( $hit = 0, $from = $start; $from + strlen( $lines[ $hit ] ) < $at; $hit++ ) {
			$from += strlen( $lines[ $hit ] . $break );
		}
		$width = strlen( $lines[ $hit ] );
		if ( $hit > 0 && strlen( $lines[ $hit - 1 ] ) > $width ) {
			$width = strlen( $lines[ $hit - 1 ] );
		}
		for ( $first = $hit; $first > 0 && strlen( $lines[ $first - 1 ] ) === $width; $first-- ) {
			$from -= $width + strlen( $break );
		}
		for ( $last = $hit; $last + 1 < $count && strlen( $lines[ $last ] ) === $width && '' !== $lines[ $last + 1 ] && strlen( $lines[ $last + 1 ] ) <= $width; ) {
			++$last;
		}
		if ( $last === $first || $width < 16 ) {
			return null;
		}
		$old = implode( $break, array_slice( $lines, $first, $last - $first + 1 ) );
		$new = $this->recode( str_replace( $break, '', $old ), true, $rewrite );
		return null === $new ? null : array( $from, $from + strlen( $old ), substr( chunk_split( $new, $width, $break ), 0, -strlen( $break ) ) );
	}

	/**
	 * Rewrites base64 in one run.
	 *
	 * @param string   $style   Of the run.
	 * @param int      $at      A place in it.
	 * @param int      $start   Where it begins.
	 * @param int      $end     Where it ends.
	 * @param int      $limit   Nothing belongs to it from here.
	 * @param callable $rewrite Rewrites the decoded text.
	 */
	private function in_run( string $style, int $at, int $start, int $end, int $limit, callable $rewrite ) {
		$run    = substr( $this->text, $start, $end - $start );
		$escape = 'plain' === $style ? '\\' : ( 'percent' === $style ? '%' : '' );
		if ( '' !== $escape && false !== strpos( $run, $escape ) ) {
			// The run ends where an escape means something else: `\n` before it, `%22` behind it.
			$other = '\\' === $escape ? '~\\\\++(?!/)(?:u[0-9a-f]{4}|.|$)~iDs' : '~%(?!2B|2F|3D)(?:..|.?$)~iDs';
			if ( false === preg_match_all( $other, $run, $found, PREG_OFFSET_CAPTURE ) ) {
				throw new RuntimeException( 'The rewriter could not read a base64 text: ' . preg_last_error() );
			}
			$offset = $start;
			foreach ( $found[0] as $cut ) {
				if ( $offset + $cut[1] > $at ) {
					$end = $offset + $cut[1];
					break;
				}
				$start = $offset + $cut[1] + strlen( $cut[0] );
			}
			if ( $start > $at ) {
				return null;
			}
			$run = substr( $this->text, $start, $end - $start );
		}

		$spelled = array();
		$plain   = $run;
		if ( 'percent' === $style ) {
			preg_match_all( '~%..~', $run, $found );
			foreach ( array_unique( $found[0] ) as $code ) {
				$spelled += array( rawurldecode( $code ) => $code );
			}
			$spelled += array(
				'+' => '%2B',
				'/' => '%2F',
				'=' => '%3D',
			);
			$plain    = rawurldecode( $run );
		} elseif ( '' !== $escape && 1 === preg_match( '~\\\\++/~', $run, $found ) ) {
			$spelled['/'] = $found[0];
			$plain        = str_replace( $found[0], '/', $run );
		} elseif ( 'url' === $style ) {
			$spelled = array(
				'+' => '-',
				'/' => '_',
			);
			$plain   = strtr( $run, '-_', '+/' );
		}
		if ( 'percent' !== $style && 1 === preg_match( '~\G(?:=|%3D|\\\\+u003d){1,2}~i', substr( $this->text, $end, min( 40, $limit - $end ) ), $found ) ) {
			$end   += strlen( $found[0] );
			$padded = preg_match_all( '~=|%3D|\\\\+u003d~i', $found[0], $each );
			$run   .= $found[0];
			$plain .= str_repeat( '=', $padded );

			$spelled['='] = $each[0][0];
		}
		// Only what is spelled the same throughout comes back byte for byte.
		if ( strtr( $plain, $spelled ) !== $run ) {
			return null;
		}
		$new = $this->recode( $plain, 'url' !== $style, $rewrite );
		return null === $new ? null : array( $start, $end, strtr( $new, $spelled ) );
	}

	/**
	 * Decodes, rewrites, encodes.
	 *
	 * @param string   $base64  In the standard alphabet.
	 * @param bool     $pads    Whether the style pads where the old text shows neither padding nor the lack of it.
	 * @param callable $rewrite Rewrites the decoded text.
	 * @return string|null Null when it is not clean text, does not come back the same, or needs no change.
	 */
	private function recode( string $base64, bool $pads, callable $rewrite ) {
		$size = strlen( $base64 );
		$text = base64_decode( $base64, true );
		if ( false === $text || '' === $text ) {
			return null;
		}
		$again = base64_encode( $text );
		if ( 0 !== $size % 4 ) {
			$pads  = false;
			$again = rtrim( $again, '=' );
		} elseif ( '=' === $base64[ $size - 1 ] ) {
			$pads = true;
		}
		if ( $again !== $base64 || ! self::is_clean( $text ) ) {
			return null;
		}
		$new = $rewrite( $text );
		if ( $new === $text ) {
			return null;
		}
		$new = base64_encode( $new );
		return $pads ? $new : rtrim( $new, '=' );
	}

	/**
	 * Whether decoded bytes are text: UTF-8 without control characters (NUL is fine in serialized data).
	 *
	 * @param string $text Any bytes.
	 * @throws RuntimeException When PCRE fails.
	 */
	private static function is_clean( string $text ): bool {
		$control = "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f\x7f";
		if ( strcspn( $text, $control ) !== strlen( $text ) ) {
			return false;
		}
		if ( false !== strpos( $text, "\0" ) && 1 !== preg_match( '~^[aOCs]:\d+:~', $text ) ) {
			return false;
		}
		$valid = preg_match( '//u', $text );
		if ( false === $valid && PREG_BAD_UTF8_ERROR !== preg_last_error() ) {
			throw new RuntimeException( 'The rewriter could not check a base64 text: ' . preg_last_error() );
		}
		return 1 === $valid;
	}
}
