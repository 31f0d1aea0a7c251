<?php
/**
 * The edits of one text, and the lengths that they change.
 *
 * Open regions (contents of serialized strings) form a stack, so that strings inside each other need neither recursion nor
 * a second pass. An edit inside a region is held back until the region closes and its length is known.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Edits, in order.
 */
final class Custom_Migrator_Rewriter_Edits {

	/**
	 * How many lengths were corrected.
	 *
	 * @var int
	 */
	public $lengths = 0;

	/**
	 * How many edits a custom payload did not allow.
	 *
	 * @var int
	 */
	public $refused = 0;

	/**
	 * The text.
	 *
	 * @var string
	 */
	private $text;

	/**
	 * Whether edits are wanted rather than the new text.
	 *
	 * @var bool
	 */
	private $collect;

	/**
	 * Whether the text is a custom serialized payload.
	 *
	 * @var bool
	 */
	private $opaque;

	/**
	 * Edits held back: starts, lengths, replacements (null: no change).
	 *
	 * @var array[]
	 */
	private $held = array( array(), array(), array() );

	/**
	 * Open regions: `content`, `end`, `opaque`, `count`, `size`, `edit` (index of the edit of its length), `delta` (growth).
	 *
	 * @var array[]
	 */
	private $open = array();

	/**
	 * The new text so far.
	 *
	 * @var string
	 */
	private $out = '';

	/**
	 * How much of the old text went into it.
	 *
	 * @var int
	 */
	private $done = 0;

	/**
	 * Where the last edit ended.
	 *
	 * @var int
	 */
	private $edited = 0;

	/**
	 * No edits yet.
	 *
	 * @param string $text    The text.
	 * @param bool   $collect Whether edits are wanted rather than the new text.
	 * @param bool   $opaque  Whether the text is a custom serialized payload.
	 */
	public function __construct( string $text, bool $collect, bool $opaque ) {
		$this->text    = $text;
		$this->collect = $collect;
		$this->opaque  = $opaque && ! self::is_json( $text, 0, strlen( $text ) );
	}

	/**
	 * Leaves the regions that end at or before a place.
	 *
	 * @param int $at The place; PHP_INT_MAX for all.
	 */
	public function leave( int $at ) {
		while ( $this->open && $this->open[ count( $this->open ) - 1 ]['end'] <= $at ) {
			$this->close();
		}
	}

	/**
	 * Nothing before this place belongs to the next edit.
	 */
	public function floor(): int {
		return $this->open ? max( $this->edited, $this->open[ count( $this->open ) - 1 ]['content'] ) : $this->edited;
	}

	/**
	 * Where the innermost region ends.
	 */
	public function limit(): int {
		return $this->open ? $this->open[ count( $this->open ) - 1 ]['end'] : strlen( $this->text );
	}

	/**
	 * Goes into the content of a token.
	 *
	 * @param array $token The token.
	 */
	public function enter( array $token ) {
		$this->held[0][] = $token['digits'];
		$this->held[1][] = $token['size'];
		$this->held[2][] = null;
		$this->open[]     = array(
			'content' => $token['content'],
			'end'     => $token['end'],
			'opaque'  => 'C' === $token['type'] && ! self::is_json( $this->text, $token['content'], $token['end'] ),
			'count'   => $token['count'],
			'size'    => $token['size'],
			'edit'    => count( $this->held[2] ) - 1,
			'delta'   => 0,
		);
	}

	/**
	 * Makes one edit, or holds it back.
	 *
	 * @param int    $start Where.
	 * @param int    $size  How many bytes go.
	 * @param string $new   What comes.
	 * @param bool   $safe  Whether a custom payload allows it in any case.
	 * @return bool False when the place is in a custom payload that must not change its length.
	 */
	public function add( int $start, int $size, string $new, bool $safe = false ): bool {
		$last  = count( $this->open ) - 1;
		$delta = strlen( $new ) - $size;
		if ( ! $safe && 0 !== $delta && ( $last >= 0 ? $this->open[ $last ]['opaque'] : $this->opaque ) ) {
			++$this->refused;
			return false;
		}
		$this->edited = $start + $size;
		if ( $last >= 0 ) {
			$this->open[ $last ]['delta'] += $delta;
		} elseif ( ! $this->collect ) {
			$this->apply( $start, $size, $new );
			return true;
		}
		$this->held[0][] = $start;
		$this->held[1][] = $size;
		$this->held[2][] = $new;
		return true;
	}

	/**
	 * The new text; the very same string when nothing changed.
	 */
	public function output(): string {
		return 0 === $this->done ? $this->text : $this->out . substr( $this->text, $this->done );
	}

	/**
	 * The edits, when they were wanted.
	 *
	 * @return array[] Starts, lengths, replacements, in order.
	 */
	public function collected(): array {
		$keep = array_filter( $this->held[2], 'is_string' );
		return array(
			array_values( array_intersect_key( $this->held[0], $keep ) ),
			array_values( array_intersect_key( $this->held[1], $keep ) ),
			array_values( $keep ),
		);
	}

	/**
	 * Leaves the innermost region and corrects its length.
	 */
	private function close() {
		$region = array_pop( $this->open );
		if ( 0 !== $region['delta'] ) {
			$digits = (string) ( $region['count'] + $region['delta'] );

			$this->held[2][ $region['edit'] ] = $digits;
			++$this->lengths;
			if ( $this->open ) {
				$this->open[ count( $this->open ) - 1 ]['delta'] += $region['delta'] + strlen( $digits ) - $region['size'];
			}
		}
		if ( ! $this->open && ! $this->collect ) {
			foreach ( $this->held[0] as $i => $start ) {
				if ( null !== $this->held[2][ $i ] ) {
					$this->apply( $start, $this->held[1][ $i ], $this->held[2][ $i ] );
				}
			}
			$this->held = array( array(), array(), array() );
		}
	}

	/**
	 * Writes up to the end of one edit.
	 *
	 * @param int    $start Where.
	 * @param int    $size  How many bytes go.
	 * @param string $new   What comes.
	 */
	private function apply( int $start, int $size, string $new ) {
		$this->out .= substr( $this->text, $this->done, $start - $this->done );
		$this->out .= $new;
		$this->done = $start + $size;
	}

	/**
	 * Whether a custom payload looks like JSON, which holds no lengths.
	 *
	 * @param string $text  The text.
	 * @param int    $start Of the payload.
	 * @param int    $end   Of the payload.
	 */
	private static function is_json( string $text, int $start, int $end ): bool {
		return $end > $start && in_array( $text[ $start ] . $text[ $end - 1 ], array( '{}', '[]', '""' ), true );
	}
}
