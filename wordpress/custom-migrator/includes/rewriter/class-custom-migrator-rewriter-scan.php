<?php
/**
 * One pass over one text: finds URLs and enclosing lengths, and notes the edits.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Scan of one text.
 */
final class Custom_Migrator_Rewriter_Scan {

	/**
	 * Counts, named as in Custom_Migrator_Rewriter::stats().
	 *
	 * @var int[]
	 */
	public $stats = array(
		'urls'       => 0,
		'serialized' => 0,
		'base64'     => 0,
		'opaque'     => 0,
	);

	/**
	 * Who scans texts found inside this one.
	 *
	 * @var Custom_Migrator_Rewriter
	 */
	private $rewriter;

	/**
	 * What to look for.
	 *
	 * @var Custom_Migrator_Rewriter_Urls
	 */
	private $urls;

	/**
	 * The text.
	 *
	 * @var string
	 */
	private $text;

	/**
	 * Of encodings around it.
	 *
	 * @var int
	 */
	private $depth;

	/**
	 * What was found.
	 *
	 * @var Custom_Migrator_Rewriter_Edits
	 */
	public $edits;

	/**
	 * Reader of base64.
	 *
	 * @var Custom_Migrator_Rewriter_Base64
	 */
	private $base64;

	/**
	 * Where a host or its base64 comes next, by needle.
	 *
	 * @var int[][]
	 */
	private $next = array( array(), array() );

	/**
	 * The text in which hosts are looked for: in lower case.
	 *
	 * @var string
	 */
	private $low;

	/**
	 * Prepares a scan.
	 *
	 * @param Custom_Migrator_Rewriter      $rewriter Who scans texts found inside.
	 * @param Custom_Migrator_Rewriter_Urls $urls     What to look for.
	 * @param string                        $text     Any bytes.
	 * @param int                           $depth    Of encodings around it.
	 * @param bool                          $collect  Whether edits are wanted rather than the new text.
	 * @param bool                          $opaque   Whether the text is a custom serialized payload.
	 */
	public function __construct( Custom_Migrator_Rewriter $rewriter, Custom_Migrator_Rewriter_Urls $urls, string $text, int $depth, bool $collect, bool $opaque ) {
		$this->rewriter = $rewriter;
		$this->urls     = $urls;
		$this->text     = $text;
		$this->depth    = $depth;
		$this->edits    = new Custom_Migrator_Rewriter_Edits( $text, $collect, $opaque );
		$this->base64   = new Custom_Migrator_Rewriter_Base64( $text );

		$this->low = $rewriter->lower( $text );
		foreach ( $urls->needles->texts as $i => $needle ) {
			$at = strpos( $this->low, $needle );
			if ( false !== $at ) {
				$this->next[0][ $i ] = $at;
			}
		}
		foreach ( $urls->needles->base64 as $i => $needle ) {
			$at = strpos( $text, $needle );
			if ( false !== $at ) {
				$this->next[1][ $i ] = $at;
			}
		}
	}

	/**
	 * Scans.
	 */
	public function run() {
		$tokens = new Custom_Migrator_Rewriter_Tokens( $this->text );
		$edits  = $this->edits;
		$at     = 0;
		$hit    = -1;
		$begin  = -1;
		while ( true ) {
			if ( $hit < $at ) {
				list( $hit, $kind, $needle ) = $this->next_hit( $at );
				if ( PHP_INT_MAX === $hit ) {
					break;
				}
			}
			if ( $begin < $at ) {
				$begin = $tokens->seek( $at, $hit, $edits->limit() );
			}
			$edits->leave( min( $begin, $hit ) );
			if ( $begin > $hit ) {
				$at = 0 === $kind ? $this->at_host( $hit, $needle ) : $this->at_base64( $hit );
				continue;
			}
			$token = $tokens->read( $begin, $edits->limit() );
			if ( null === $token ) {
				$at = $begin + 1;
			} elseif ( $token['end'] <= $hit ) {
				$at = $token['after'];
			} elseif ( isset( $token['escapes'] ) ) {
				$this->at_escaped( $token );
				$at = $token['after'];
			} else {
				$edits->enter( $token );
				$at = $token['content'];
			}
		}
		$edits->leave( PHP_INT_MAX );
		$this->stats['serialized'] += $edits->lengths;
		$this->stats['opaque']     += $edits->refused;
		$this->low                  = '';
	}

	/**
	 * The next place where a host, or base64 of one, stands.
	 *
	 * @param int $from Not before.
	 * @return int[] Place (PHP_INT_MAX: none), 0 for a host and 1 for base64, needle.
	 */
	private function next_hit( int $from ): array {
		$best = array( PHP_INT_MAX, 0, 0 );
		foreach ( $this->next as $kind => $places ) {
			foreach ( $places as $i => $at ) {
				if ( $at < $from ) {
					$at = 0 === $kind ? strpos( $this->low, $this->urls->needles->texts[ $i ], $from ) : strpos( $this->text, $this->urls->needles->base64[ $i ], $from );
					if ( false === $at ) {
						unset( $this->next[ $kind ][ $i ] );
						continue;
					}
					$this->next[ $kind ][ $i ] = $at;
				}
				if ( $at < $best[0] ) {
					$best = array( $at, $kind, $i );
				}
			}
		}
		return $best;
	}

	/**
	 * Rewrites the URL whose host stands at a place.
	 *
	 * @param int $hit    The place.
	 * @param int $needle Which spelling.
	 * @return int Where to go on.
	 */
	private function at_host( int $hit, int $needle ): int {
		$url = $this->urls->match_at( $this->text, $hit, $needle, $this->edits->floor() );
		if ( null === $url ) {
			return $hit + 1;
		}
		if ( $this->edits->add( $url[0], $url[1] - $url[0], $url[2] ) ) {
			++$this->stats['urls'];
		}
		return $url[1];
	}

	/**
	 * Rewrites the base64 text at a place.
	 *
	 * @param int $hit The place.
	 * @return int Where to go on.
	 */
	private function at_base64( int $hit ): int {
		if ( $this->depth >= Custom_Migrator_Rewriter::MAX_DEPTH ) {
			return $hit + 1;
		}
		$found = $this->base64->rewrite_at(
			$hit,
			$this->edits->floor(),
			$this->edits->limit(),
			function ( string $text ): string {
				return $this->rewriter->rewrite_nested( $text, $this->depth + 1 );
			}
		);
		if ( null === $found ) {
			return $hit + 1;
		}
		if ( $this->edits->add( $found[0], $found[1] - $found[0], $found[2] ) ) {
			++$this->stats['base64'];
		}
		return $found[1];
	}

	/**
	 * Rewrites the content of an escaped token.
	 *
	 * @param array $token The token.
	 */
	private function at_escaped( array $token ) {
		if ( $this->depth >= Custom_Migrator_Rewriter::MAX_DEPTH ) {
			return;
		}
		$edits = $this->rewriter->nested_edits( $token['decoded'], $this->depth + 1, 'C' === $token['type'] );
		if ( ! $edits[0] ) {
			return;
		}
		$count = $token['count'] + array_sum( array_map( 'strlen', $edits[2] ) ) - array_sum( $edits[1] );
		if ( $count !== $token['count'] ) {
			$this->edits->add( $token['digits'], $token['size'], (string) $count, true );
			++$this->stats['serialized'];
		}
		$edits = $token['escapes']->map_edits( $this->text, $token['content'], $edits );
		foreach ( $edits[0] as $i => $start ) {
			$this->edits->add( $start, $edits[1][ $i ], $edits[2][ $i ], true );
		}
	}
}
