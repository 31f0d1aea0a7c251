<?php
/**
 * Recognises one URL at a place where its host was found, and says what to write instead.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * The old and new URLs.
 */
final class Custom_Migrator_Rewriter_Urls {

	/**
	 * How far before a host its `https://` may begin in the most escaped spelling.
	 */
	const REACH = 96;

	/**
	 * Spellings of the hosts.
	 *
	 * @var Custom_Migrator_Rewriter_Needles
	 */
	public $needles;

	/**
	 * From-to pairs by ASCII host, longest path first: `scheme` (with its colon), `port`, `path`, `to` (parsed), `id`.
	 *
	 * @var array[]
	 */
	private $pairs = array();

	/**
	 * What to replace, and by what, in the commonest spellings: with plain slashes, and with `\/`. Empty when a new URL holds
	 * an old host.
	 *
	 * @var array[]
	 */
	public $plain = array();

	/**
	 * By spelling of a host: what stands before it most often, and the replacement for both. Only for hosts whose every
	 * path is rewritten.
	 *
	 * @var string[][]
	 */
	private $quick = array();

	/**
	 * Replacements made so far.
	 *
	 * @var string[]
	 */
	private $made = array();

	/**
	 * Parses the URLs.
	 *
	 * @param array[] $pairs        Pairs of from and to.
	 * @param bool    $www_twin     Whether each host's twin with or without `www.` is meant too.
	 * @param int     $base64_depth How many layers of base64 to look through.
	 * @throws InvalidArgumentException When a URL cannot be used.
	 */
	public function __construct( array $pairs, bool $www_twin, int $base64_depth ) {
		$hosts         = array();
		$this->pairs   = Custom_Migrator_Rewriter_Pairs::by_host( $pairs, $www_twin, $hosts );
		$this->needles = new Custom_Migrator_Rewriter_Needles( $hosts, $base64_depth );
		$this->prepare();
	}

	/**
	 * Prepares the short ways for common spellings.
	 */
	private function prepare() {
		$news = '';
		foreach ( $this->needles->texts as $i => $text ) {
			$list = $this->pairs[ $this->needles->hosts[ $i ] ];
			if ( 1 !== count( $list ) || 0 !== $list[0]['port'] || '' !== $list[0]['path'] || '' !== $this->needles->dashes[ $i ] ) {
				continue;
			}
			foreach ( array( '/', '\\/' ) as $slash ) {
				$new   = $this->replacement( $list[0], true, ':', $slash, '' );
				$news .= $new . ' ';
				foreach ( array( 'https:', 'http:' ) as $scheme ) {
					$before = $scheme . $slash . $slash;

					$this->quick[ $i ][ $before ] = $new;
					if ( $scheme === $list[0]['scheme'] ) {
						$this->plain[ $slash ][ $before . $text . $slash ] = $new . $slash;
					}
				}
			}
		}
		foreach ( $this->needles->texts as $text ) {
			if ( false !== stripos( $news, $text ) ) {
				$this->plain = array();
			}
		}
	}

	/**
	 * Recognises the URL whose host stands at a place.
	 *
	 * @param string $text   The text.
	 * @param int    $host   Where the host begins.
	 * @param int    $needle Which spelling it has.
	 * @param int    $floor  The URL must not begin before.
	 * @return array|null Start, end, replacement; null when it is not one of ours.
	 */
	public function match_at( string $text, int $host, int $needle, int $floor ) {
		$end = $host + strlen( $this->needles->texts[ $needle ] );
		if ( isset( $this->quick[ $needle ], $text[ $end ] ) && ( '/' === $text[ $end ] || '"' === $text[ $end ] || '\\/' === substr( $text, $end, 2 ) ) ) {
			foreach ( $this->quick[ $needle ] as $before => $new ) {
				$start = $host - strlen( $before );
				if ( $start >= $floor && 0 === substr_compare( $text, $before, $start, strlen( $before ) ) ) {
					return array( $start, $end, $new );
				}
			}
		}
		$left = $this->left( $text, $host, $floor );
		if ( null === $left ) {
			return null;
		}
		list( $start, $scheme, $colon, $slash ) = $left;

		$port = Custom_Migrator_Rewriter_Boundaries::after_host( $text, $end );
		if ( null === $port ) {
			return null;
		}
		$own_port = '' === $scheme ? 0 : ( 'https' === $scheme ? 443 : 80 );
		foreach ( $this->pairs[ $this->needles->hosts[ $needle ] ] as $pair ) {
			if ( $pair['port'] !== ( $own_port === $port[0] ? 0 : $port[0] ) ) {
				continue;
			}
			$stop = $port[1];
			if ( '' !== $pair['path'] ) {
				$path = self::spell_path( $pair['path'], $slash );
				if ( 0 !== strncasecmp( substr( $text, $stop, strlen( $slash ) ), $slash, strlen( $slash ) )
					|| 0 !== strncmp( substr( $text, $stop + strlen( $slash ), strlen( $path ) ), substr( $path, strlen( $slash ) ), strlen( $path ) - strlen( $slash ) )
					|| ! Custom_Migrator_Rewriter_Boundaries::ends_segment( $text, $stop + strlen( $path ), '%' === $slash[0] ) ) {
					continue;
				}
				$stop += strlen( $path );
			}
			return array( $start, $stop, $this->replacement( $pair, '' !== $scheme, $colon, $slash, $this->needles->dashes[ $needle ] ) );
		}
		return null;
	}

	/**
	 * Reads backwards from a host: two slashes of one spelling, a colon, a scheme.
	 *
	 * @param string $text  The text.
	 * @param int    $host  Where the host begins.
	 * @param int    $floor Not before.
	 * @return array|null Start, scheme ('' when protocol-relative), colon and slash as spelled.
	 */
	private function left( string $text, int $host, int $floor ) {
		if ( $host - 2 < $floor ) {
			return null;
		}
		$byte = $text[ $host - 1 ];
		if ( '/' === $byte ) {
			$size = 1;
			while ( $host - $size > $floor && '\\' === $text[ $host - $size - 1 ] && $size < 40 ) {
				++$size;
			}
			$slash = substr( $text, $host - $size, $size );
			$at    = $host - 2 * $size;
			if ( $at < $floor || 0 !== substr_compare( $text, $slash, $at, $size ) ) {
				return null;
			}
		} elseif ( 'F' === $byte || 'f' === $byte || ';' === $byte ) {
			$from   = max( $floor, $host - self::REACH );
			$window = substr( $text, $from, $host - $from );
			if ( 1 !== preg_match( '~((?:%(?:25)*5C)*%(?:25)*2F|\\\\++(?:u00|x)2F|&(?:amp;)*(?:\#x0*2F|\#0*47|sol);)\1$~iD', $window, $found ) ) {
				return null;
			}
			$slash = $found[1];
			$at    = $host - 2 * strlen( $slash );
		} else {
			return null;
		}
		if ( $at === $floor ) {
			return array( $at, '', '', $slash );
		}

		$byte  = $text[ $at - 1 ];
		$colon = ':' === $byte ? ':' : '';
		if ( 'A' === $byte || 'a' === $byte || ';' === $byte ) {
			$from   = max( $floor, $at - self::REACH );
			$window = substr( $text, $from, $at - $from );
			if ( 1 === preg_match( '~(?:%(?:25)*3A|\\\\++(?:u00|x)3A|&(?:amp;)*(?:\#x0*3A|\#0*58|colon);)$~iD', $window, $found ) ) {
				$colon = $found[0];
			}
		}
		if ( '' === $colon ) {
			return Custom_Migrator_Rewriter_Boundaries::may_precede( $text, $at, $floor ) ? array( $at, '', '', $slash ) : null;
		}
		$end    = $at - strlen( $colon );
		$scheme = strtolower( substr( $text, max( $floor, $end - 5 ), $end - max( $floor, $end - 5 ) ) );
		if ( 'https' === $scheme ) {
			return array( $end - 5, 'https', $colon, $slash );
		}
		if ( 'http' === substr( $scheme, -4 ) ) {
			return array( $end - 4, 'http', $colon, $slash );
		}
		// WPBakery writes link="url:%2F%2Fhost|title:…": that colon is not a scheme's.
		return 'url' === substr( $scheme, -3 ) ? array( $at, '', '', $slash ) : null;
	}

	/**
	 * The new URL in the spelling of the old one.
	 *
	 * @param array  $pair     The pair.
	 * @param bool   $absolute Whether the old one had a scheme.
	 * @param string $colon    As spelled.
	 * @param string $slash    As spelled.
	 * @param string $dash     How the spelling writes `--`.
	 */
	private function replacement( array $pair, bool $absolute, string $colon, string $slash, string $dash ): string {
		$key = $pair['id'] . ' ' . $absolute . ' ' . $colon . ' ' . $slash . ' ' . $dash;
		if ( ! isset( $this->made[ $key ] ) ) {
			if ( count( $this->made ) > 500 ) {
				$this->made = array();
			}
			if ( '' === $colon ) {
				$colon = '/' === $slash[ strlen( $slash ) - 1 ] || ';' === $slash[ strlen( $slash ) - 1 ] ? ':' : substr( $slash, (int) max( strrpos( $slash, '%' ), strrpos( $slash, '\\' ) ), -2 ) . '3A';
			}
			$to   = $pair['to'];
			$host = self::spell_path( $to['host'], $slash );
			if ( '' !== $dash ) {
				$host = str_replace( '--', $dash, $host );
			}
			$this->made[ $key ] = ( $absolute ? $to['scheme'] . $colon : '' ) . $slash . $slash . $host
				. ( 0 !== $to['port'] ? $colon . $to['port'] : '' ) . self::spell_path( $to['path'], $slash );
		}
		return $this->made[ $key ];
	}

	/**
	 * A path with slashes in a spelling.
	 *
	 * @param string $path  With plain slashes.
	 * @param string $slash As spelled.
	 */
	private static function spell_path( string $path, string $slash ): string {
		if ( '/' === $slash ) {
			return $path;
		}
		$parts = explode( '/', $path );
		if ( '%' === $slash[0] ) {
			// `%2F` is one layer, `%252F` two.
			for ( $layer = 0; $layer <= substr_count( strstr( $slash, '%' ), '25' ) / max( 1, substr_count( $slash, '%' ) ); $layer++ ) {
				$parts = array_map( 'rawurlencode', $parts );
			}
		}
		return implode( $slash, $parts );
	}
}
