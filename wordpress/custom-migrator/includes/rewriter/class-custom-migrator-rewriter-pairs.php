<?php
/**
 * The declared from-to URLs, parsed and put in order.
 *
 * @package custom-migrator
 * @license GPL-2.0-or-later
 */

/**
 * Pairs of URLs.
 */
final class Custom_Migrator_Rewriter_Pairs {

	/**
	 * Parses pairs and sorts them by host, the longest path first. Of pairs that say different things about the same URL
	 * the first counts.
	 *
	 * @param array[]  $pairs    Pairs of from and to.
	 * @param bool     $www_twin Whether each host's twin with or without `www.` is meant too.
	 * @param string[] $hosts    Receives the spelling of each host as declared, by ASCII host.
	 * @return array[] By ASCII host: lists of `scheme` (with its colon), `port`, `path`, `to` (parsed), `id`.
	 * @throws InvalidArgumentException When a URL cannot be used.
	 */
	public static function by_host( array $pairs, bool $www_twin, array &$hosts ): array {
		$lists = array();
		foreach ( $pairs as $id => $pair ) {
			$from = self::parse( $pair[0] );
			self::add( $lists, $hosts, $from, self::parse( $pair[1] ), $id );
		}
		// After the declared ones, so that a declared twin comes first.
		foreach ( $www_twin ? $pairs : array() as $id => $pair ) {
			$from             = self::parse( $pair[0] );
			$from['host']     = 0 === strncmp( $from['host'], 'www.', 4 ) ? substr( $from['host'], 4 ) : 'www.' . $from['host'];
			$from['declared'] = $from['host'];
			self::add( $lists, $hosts, $from, self::parse( $pair[1] ), $id );
		}
		foreach ( $lists as $host => $list ) {
			usort(
				$list,
				function ( $a, $b ) {
					return strlen( $b['path'] ) - strlen( $a['path'] );
				}
			);
			$lists[ $host ] = self::without_implied( $list );
		}
		return $lists;
	}

	/**
	 * Adds a pair, unless the same URL was declared before.
	 *
	 * @param array[]  $lists Pairs by host.
	 * @param string[] $hosts Declared spellings by host.
	 * @param array    $from  Parsed.
	 * @param array    $to    Parsed.
	 * @param int      $id    Of the pair.
	 */
	private static function add( array &$lists, array &$hosts, array $from, array $to, int $id ) {
		$hosts += array( $from['host'] => $from['declared'] );
		foreach ( isset( $lists[ $from['host'] ] ) ? $lists[ $from['host'] ] : array() as $pair ) {
			if ( $pair['port'] === $from['port'] && $pair['path'] === $from['path'] ) {
				return;
			}
		}
		$lists[ $from['host'] ][] = array(
			'scheme' => $from['scheme'] . ':',
			'port'   => $from['port'],
			'path'   => $from['path'],
			'to'     => $to,
			'id'     => $id,
		);
	}

	/**
	 * Leaves out pairs that a shorter path implies: `/wp-content` where the whole site goes to the same place.
	 *
	 * @param array[] $list Pairs of one host, longest path first.
	 * @return array[]
	 */
	private static function without_implied( array $list ): array {
		$kept = array();
		foreach ( array_reverse( $list ) as $pair ) {
			$implied = '';
			foreach ( $kept as $shorter ) {
				if ( $shorter['port'] === $pair['port'] && 0 === strncmp( $pair['path'], $shorter['path'] . '/', strlen( $shorter['path'] ) + 1 ) ) {
					$implied = $shorter['to']['origin'] . $shorter['to']['path'] . substr( $pair['path'], strlen( $shorter['path'] ) );
				}
			}
			if ( $implied !== $pair['to']['origin'] . $pair['to']['path'] ) {
				$kept[] = $pair;
			}
		}
		return array_reverse( $kept );
	}

	/**
	 * Parses a site URL.
	 *
	 * @param string $url Absolute.
	 * @return array `scheme`, `host` (ASCII, lower case), `declared` (host as given), `port` (0: the scheme's own), `path` (no slash at its end), `origin` (for comparing).
	 * @throws InvalidArgumentException When it is not http(s), or has a user, query or fragment.
	 */
	private static function parse( string $url ): array {
		if ( 1 !== preg_match( '~^(https?)://([^\s/\\\\"\'<>:@%?#\[\]]++|\[[0-9a-f:.]++\])(?::([0-9]{1,5}+))?(/[^\s\\\\"\'<>?#]*+)?$~iD', $url, $found ) || 1 !== preg_match( '//u', $url ) ) {
			throw new InvalidArgumentException( 'The rewriter needs absolute http or https URLs without user name, query and fragment.' );
		}
		$scheme   = strtolower( $found[1] );
		$declared = $found[2];
		$low      = preg_match( '/[\x80-\xff]/', $declared ) && function_exists( 'mb_strtolower' ) ? mb_strtolower( $declared, 'UTF-8' ) : strtolower( $declared );
		$port     = isset( $found[3] ) ? (int) $found[3] : 0;
		$port = ( 'https' === $scheme ? 443 : 80 ) === $port ? 0 : $port;
		$host = Custom_Migrator_Rewriter_Idn::to_ascii( $low );
		return array(
			'scheme'   => $scheme,
			'host'     => $host,
			'declared' => $declared,
			'port'     => $port,
			'path'     => rtrim( isset( $found[4] ) ? $found[4] : '', '/' ),
			'origin'   => "$scheme://$host:$port",
		);
	}
}
