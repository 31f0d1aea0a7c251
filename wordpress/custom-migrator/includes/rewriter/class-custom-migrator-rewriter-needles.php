<?php
/**
 * The texts to search for: every spelling of the old hosts.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Spellings of host names.
 */
final class Custom_Migrator_Rewriter_Needles {

	/**
	 * Spellings in lower case.
	 *
	 * @var string[]
	 */
	public $texts = array();

	/**
	 * For each spelling, the ASCII host that it means.
	 *
	 * @var string[]
	 */
	public $hosts = array();

	/**
	 * For each spelling, how it writes `--` ('' when as it is): block attributes have `\u002d\u002d`.
	 *
	 * @var string[]
	 */
	public $dashes = array();

	/**
	 * What base64 makes of the hosts, at each of the three alignments.
	 *
	 * @var string[]
	 */
	public $base64 = array();

	/**
	 * Length of the shortest spelling.
	 *
	 * @var int
	 */
	public $shortest = PHP_INT_MAX;

	/**
	 * Letters by how rare they are in stored pages, rarest first; what is not listed is common.
	 */
	const RARE = 'qzjxkvywb0g97658431fum';

	/**
	 * Collects the spellings.
	 *
	 * @param array $hosts Declared spelling (any case) by ASCII host.
	 * @param int   $base64_depth How many layers of base64 to look through.
	 */
	public function __construct( array $hosts, int $base64_depth ) {
		$exact = array();
		foreach ( $hosts as $ascii => $declared ) {
			$ascii   = (string) $ascii;
			$unicode = Custom_Migrator_Rewriter_Idn::to_unicode( $ascii );
			$this->add( $ascii, $ascii, '' );
			$exact[ $ascii ]    = true;
			$exact[ $declared ] = true;
			if ( false !== strpos( $ascii, '--' ) ) {
				foreach ( array( '\u002d', '\\\\u002d', '\\\\\\\\u002d' ) as $dash ) {
					$this->add( str_replace( '--', $dash . $dash, $ascii ), $ascii, $dash . $dash );
				}
			}
			if ( $unicode !== $ascii ) {
				foreach ( self::unicode_spellings( $unicode ) as $spelling ) {
					$this->add( $spelling, $ascii, '' );
					$exact[ $spelling ] = true;
				}
			}
		}
		$layer = array_map( 'strval', array_keys( $exact ) );
		for ( $depth = 0; $depth < $base64_depth; $depth++ ) {
			$layer        = self::in_base64( $layer );
			$this->base64 = array_merge( $this->base64, $layer );
		}
	}

	/**
	 * What the pre-check looks for: each spelling from its rarest letter on, which is found faster, as strpos() looks for
	 * the first byte first.
	 *
	 * @return string[]
	 */
	public function probes(): array {
		$probes = array();
		foreach ( $this->texts as $text ) {
			$last = max( 0, strlen( $text ) - 4 );
			$best = 0;
			$rank = PHP_INT_MAX;
			for ( $i = 0; $i <= $last; $i++ ) {
				$at = strpos( self::RARE, $text[ $i ] );
				if ( false !== $at && $at < $rank ) {
					$rank = $at;
					$best = $i;
				}
			}
			$probes[ substr( $text, $best ) ] = true;
		}
		return array_map( 'strval', array_keys( $probes ) );
	}

	/**
	 * Adds one spelling.
	 *
	 * @param string $text Any case.
	 * @param string $host ASCII host.
	 * @param string $dash How it writes `--`.
	 */
	private function add( string $text, string $host, string $dash ) {
		$text = strtr( $text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz' );
		if ( ! in_array( $text, $this->texts, true ) ) {
			$this->texts[]  = $text;
			$this->hosts[]  = $host;
			$this->dashes[] = $dash;
			$this->shortest = min( $this->shortest, strlen( $text ) );
		}
	}

	/**
	 * How a host with letters outside ASCII is written in UTF-8, JSON, URLs and HTML.
	 *
	 * @param string $unicode Lower case UTF-8.
	 * @return string[]
	 */
	private static function unicode_spellings( string $unicode ): array {
		$json = '';
		$dec  = '';
		$hex  = '';
		foreach ( Custom_Migrator_Rewriter_Idn::code_points( $unicode ) as $point ) {
			if ( $point < 0x80 ) {
				$unit  = chr( $point );
				$json .= $unit;
				$dec  .= $unit;
				$hex  .= $unit;
				continue;
			}
			$dec .= '&#' . $point . ';';
			$hex .= sprintf( '&#x%x;', $point );
			if ( $point < 0x10000 ) {
				$json .= sprintf( '\u%04x', $point );
			} else {
				$json .= sprintf( '\u%04x\u%04x', 0xD7C0 + ( $point >> 10 ), 0xDC00 | $point & 0x3FF );
			}
		}
		$percent = rawurlencode( $unicode );
		return array(
			$unicode,
			$json,
			str_replace( '\\', '\\\\', $json ),
			str_replace( '\\', '\\\\\\\\', $json ),
			$percent,
			rawurlencode( $percent ),
			$dec,
			$hex,
			htmlentities( $unicode, ENT_QUOTES, 'UTF-8' ),
		);
	}

	/**
	 * The part of a text's base64 that does not depend on what stands before and after it.
	 *
	 * @param string[] $texts Texts.
	 * @return string[]
	 */
	private static function in_base64( array $texts ): array {
		$found = array();
		foreach ( $texts as $text ) {
			for ( $before = 0; $before < 3; $before++ ) {
				$bits  = 8 * ( $before + strlen( $text ) );
				$first = array( 0, 2, 3 )[ $before ];
				$part  = substr( base64_encode( str_repeat( "\0", $before ) . $text ), $first, intdiv( $bits, 6 ) - $first );
				if ( strlen( $part ) >= 3 ) {
					$found[ $part ] = true;
				}
			}
		}
		return array_map( 'strval', array_keys( $found ) );
	}
}
