<?php
/**
 * Rewrites a site's URL in database values.
 *
 * How a value is read:
 * - URLs are found by their host and edited in place, in whatever spelling they have: plain, `\/`, `\\\/`, `\u002F`,
 *   `%2F`, `%252F`, `&#x2F;`, protocol-relative. Nothing is decoded and encoded again as a whole, so every other byte stays.
 * - Length-prefixed tokens of PHP's serialize format (`s:N:"…";`, `S:`, `C:`) that enclose a URL get their length corrected,
 *   wherever they stand: as the whole value, inside each other, in JSON, HTML or URL-encoded text. They are found by bytes;
 *   nothing here calls unserialize(), so no object ever comes to life.
 * - Base64 is decoded only where a host would be, and replaced only if it is clean text that encodes back to the same bytes.
 *
 * What stays: other hosts, sub-domains and ports, hosts without `//`, e-mail addresses, URLs with user names, schemes other
 * than http and https. Array keys are rewritten like values. In broken serialized data each token that is sound by itself
 * stays sound, and URLs outside such tokens are replaced as in plain text: no reader could have trusted those lengths anyway.
 * In a custom (`C:`) payload only serialized strings, JSON, and URLs of unchanged length are touched.
 *
 * Inside base64 the host is looked for in lower case and as declared.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-idn.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-pairs.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-needles.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-boundaries.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-urls.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-escapes.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-base64.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-tokens.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-edits.php';
require_once __DIR__ . '/rewriter/class-custom-migrator-rewriter-scan.php';

/**
 * Rewrites URLs in values of any column.
 */
final class Custom_Migrator_Rewriter {

	/**
	 * How deep one encoding may lie in another (JSON in base64 in JSON …). Deeper parts are left as they are.
	 * Serialized strings inside each other do not count: they are read in one pass.
	 */
	const MAX_DEPTH = 12;

	/**
	 * What to look for and what to write.
	 *
	 * @var Custom_Migrator_Rewriter_Urls
	 */
	private $urls;

	/**
	 * Lower-case texts of which one must occur (after lower-casing) in a value that holds a URL.
	 *
	 * @var string[]
	 */
	private $probes;

	/**
	 * The same in base64, at each of the three alignments.
	 *
	 * @var string[]
	 */
	private $base64_probes;

	/**
	 * No shorter value can hold a URL.
	 *
	 * @var int
	 */
	private $min_length;

	/**
	 * No shorter value can hold a URL in base64.
	 *
	 * @var int
	 */
	private $min_base64_length;

	/**
	 * Whether strtolower() leaves bytes above 127 alone whatever the locale (PHP 8.2 on).
	 *
	 * @var bool
	 */
	private $ascii_lower;

	/**
	 * Whether mbstring.func_overload (PHP 7.4) has replaced strlen() and its kin.
	 *
	 * @var bool
	 */
	private $overloaded;

	/**
	 * How many values were seen.
	 *
	 * @var int
	 */
	private $seen = 0;

	/**
	 * Counts, see stats().
	 *
	 * @var int[]
	 */
	private $stats = array(
		'changed'    => 0,
		'urls'       => 0,
		'serialized' => 0,
		'base64'     => 0,
		'opaque'     => 0,
	);

	/**
	 * Prepares the rewriting of one URL, and more of them.
	 *
	 * @param string $from_url Absolute http(s) URL, may have a port and a path: `https://a.com/blog`. Both schemes match.
	 * @param string $to_url   Absolute http(s) URL.
	 * @param array  $options  `pairs`: further `from => to` URLs (the longest matching path wins);
	 *                         `www_twin` (false): also rewrite the same hosts with or without `www.`;
	 *                         `base64_depth` (1): how many base64 layers deep to look, 0–3.
	 * @throws InvalidArgumentException When a URL is not such a URL.
	 */
	public function __construct( string $from_url, string $to_url, array $options = array() ) {
		$pairs = array( array( $from_url, $to_url ) );
		$extra = isset( $options['pairs'] ) ? (array) $options['pairs'] : array();
		foreach ( $extra as $from => $to ) {
			$pairs[] = array( (string) $from, (string) $to );
		}
		$this->overloaded  = PHP_VERSION_ID < 80000 && 0 !== ( (int) ini_get( 'mbstring.func_overload' ) & 2 );
		$this->ascii_lower = PHP_VERSION_ID >= 80200;

		$depth = isset( $options['base64_depth'] ) ? max( 0, min( 3, (int) $options['base64_depth'] ) ) : 1;
		$this->bytewise(
			function () use ( $pairs, $options, $depth ) {
				$this->urls              = new Custom_Migrator_Rewriter_Urls( $pairs, ! empty( $options['www_twin'] ), $depth );
				$this->probes            = $this->urls->needles->probes();
				$this->base64_probes     = $this->urls->needles->base64;
				$this->min_length        = $this->urls->needles->shortest + 2;
				$this->min_base64_length = $this->base64_probes ? min( array_map( 'strlen', $this->base64_probes ) ) : PHP_INT_MAX;
			}
		);
	}

	/**
	 * Rewrites one value.
	 *
	 * @param string $value Any bytes.
	 * @return string The value with the new URLs, or the very same string.
	 */
	public function rewrite( string $value ): string {
		++$this->seen;
		if ( $this->overloaded ) {
			return $this->bytewise(
				function () use ( $value ) {
					return $this->holds( $value ) ? $this->run( $value ) : $value;
				}
			);
		}
		// Most stored values are this short.
		return strlen( $value ) < $this->min_length || ! $this->holds( $value ) ? $value : $this->run( $value );
	}

	/**
	 * Rewrites the value of a column of a kind of the protocol.
	 *
	 * @param string $value The value in the database's text form.
	 * @param string $kind  int, decimal, float, string, binary, bit or json. Only string and json are rewritten.
	 */
	public function rewrite_column( string $value, string $kind ): string {
		return 'string' === $kind || 'json' === $kind ? $this->rewrite( $value ) : $value;
	}

	/**
	 * Rewrites the values of a row: the same as each by rewrite(), with one pre-check for all.
	 *
	 * @param string[] $values By any keys; only columns of text or JSON.
	 * @return string[] By the same keys.
	 */
	public function rewrite_row( array $values ): array {
		if ( ! $this->needs_rewrite( implode( "\n", $values ) ) ) {
			$this->seen += count( $values );
			return $values;
		}
		return array_map( array( $this, 'rewrite' ), $values );
	}

	/**
	 * Whether rewrite() could change the value: fast, sometimes true in vain, never false in vain.
	 *
	 * @param string $value Any bytes.
	 */
	public function needs_rewrite( string $value ): bool {
		if ( $this->overloaded ) {
			return $this->bytewise(
				function () use ( $value ) {
					return $this->holds( $value );
				}
			);
		}
		return $this->holds( $value );
	}

	/**
	 * What was done since the object was made.
	 *
	 * @return int[] `values` seen and `changed`; `urls` replaced; `serialized` lengths and `base64` texts corrected for it;
	 *               `opaque`: URLs left in custom serialized payloads.
	 */
	public function stats(): array {
		return array( 'values' => $this->seen ) + $this->stats;
	}

	/**
	 * Rewrites a text found inside a value (decoded base64). For the scanner.
	 *
	 * @param string $text  Any bytes.
	 * @param int    $depth Of encodings around it.
	 */
	public function rewrite_nested( string $text, int $depth ): string {
		return $this->holds( $text ) ? $this->rewrite_text( $text, $depth ) : $text;
	}

	/**
	 * Finds the edits of a text found inside a value (decoded JSON or HTML). For the scanner.
	 *
	 * @param string $text   Any bytes.
	 * @param int    $depth  Of encodings around it.
	 * @param bool   $opaque Whether it is a custom serialized payload.
	 * @return array[] Starts, lengths, replacements.
	 */
	public function nested_edits( string $text, int $depth, bool $opaque ): array {
		return $this->scan( $text, $depth, true, $opaque )->edits->collected();
	}

	/**
	 * A text in lower case, bytes above 127 untouched, whatever the locale.
	 *
	 * @param string $text Any bytes.
	 */
	public function lower( string $text ): string {
		return $this->ascii_lower ? strtolower( $text ) : strtr( $text, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz' );
	}

	/**
	 * The pre-check.
	 *
	 * @param string $value Any bytes.
	 */
	private function holds( string $value ): bool {
		$length = strlen( $value );
		if ( $length < $this->min_length ) {
			return false;
		}
		$low = $this->ascii_lower ? strtolower( $value ) : $this->lower( $value );
		foreach ( $this->probes as $probe ) {
			if ( false !== strpos( $low, $probe ) ) {
				return true;
			}
		}
		if ( $length >= $this->min_base64_length ) {
			foreach ( $this->base64_probes as $probe ) {
				if ( false !== strpos( $value, $probe ) ) {
					return true;
				}
			}
		}
		return false;
	}

	/**
	 * Rewrites a value that passed the pre-check.
	 *
	 * @param string $value Any bytes.
	 */
	private function run( string $value ): string {
		$new = $this->rewrite_text( $value, 0 );
		if ( $new !== $value ) {
			++$this->stats['changed'];
		}
		return $new;
	}

	/**
	 * Rewrites a text. Where no serialized token can be, the common spellings are replaced all at once, and only what
	 * that leaves is scanned.
	 *
	 * @param string $text  Any bytes.
	 * @param int    $depth Of encodings around it.
	 */
	private function rewrite_text( string $text, int $depth ): string {
		if ( $this->urls->plain && ! Custom_Migrator_Rewriter_Tokens::may_hold( $text ) ) {
			$plain = $this->urls->plain[ false === strpos( $text, ':\/\/' ) ? '/' : '\/' ];
			$text  = str_replace( array_keys( $plain ), array_values( $plain ), $text, $count );

			$this->stats['urls'] += $count;
			if ( $count > 0 && ! $this->holds( $text ) ) {
				return $text;
			}
		}
		return $this->scan( $text, $depth )->edits->output();
	}

	/**
	 * Scans a text and takes over its counts.
	 *
	 * @param string $text    Any bytes.
	 * @param int    $depth   Of encodings around it.
	 * @param bool   $collect Whether edits are wanted rather than the new text.
	 * @param bool   $opaque  Whether it is a custom serialized payload.
	 */
	private function scan( string $text, int $depth, bool $collect = false, bool $opaque = false ): Custom_Migrator_Rewriter_Scan {
		$scan = new Custom_Migrator_Rewriter_Scan( $this, $this->urls, $text, $depth, $collect, $opaque );
		$scan->run();
		foreach ( $scan->stats as $name => $count ) {
			$this->stats[ $name ] += $count;
		}
		return $scan;
	}

	/**
	 * Calls back with strlen() and its kin counting bytes, also where mbstring has replaced them.
	 *
	 * @param callable $callback Without arguments.
	 * @return mixed What it returns.
	 */
	private function bytewise( callable $callback ) {
		if ( ! $this->overloaded ) {
			return $callback();
		}
		$encoding = mb_internal_encoding();
		mb_internal_encoding( '8bit' );
		try {
			return $callback();
		} finally {
			mb_internal_encoding( $encoding );
		}
	}
}
