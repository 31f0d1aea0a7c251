<?php
/**
 * Outgoing requests.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** Lets WordPress's HTTP functions reach WordPress.org, the clone itself and the hosts that were asked for. */
final class Clone_Guard_Http {

	/** WordPress.org and its CDN: updates, plugins, themes, translations, emoji. */
	const OWN_HOSTS = array( 'wordpress.org', '*.wordpress.org', 'w.org', '*.w.org' );

	/** @var Clone_Guard_Config */
	private $config;

	/** @var Clone_Guard_Outbox */
	private $outbox;

	public function __construct( Clone_Guard_Config $config, Clone_Guard_Outbox $outbox ) {
		$this->config = $config;
		$this->outbox = $outbox;
	}

	public function register(): void {
		add_filter( 'pre_http_request', array( $this, 'decide' ), PHP_INT_MAX, 3 );
		// A redirect is followed without asking the filter above again.
		add_action( 'requests-requests.before_redirect', array( $this, 'redirected' ), PHP_INT_MAX, 1 );
	}

	/**
	 * @param mixed  $answer False, or what another filter answered in the request's place.
	 * @param array  $args   The request's.
	 * @param string $url    Where to.
	 * @return mixed
	 */
	public function decide( $answer, $args, $url ) {
		if ( false !== $answer || $this->allows( (string) $url ) ) {
			return $answer;
		}
		$this->record( (string) $url, is_array( $args ) && isset( $args['method'] ) ? (string) $args['method'] : 'GET' );
		return new WP_Error( 'clone_guard_blocked', 'This is a temporary copy of a site: it makes no requests to other services.' );
	}

	/**
	 * @param mixed $location Where the redirect leads.
	 * @throws Exception When it leads to a host that is not allowed.
	 */
	public function redirected( $location ): void {
		if ( is_string( $location ) && ! $this->allows( $location ) ) {
			$this->record( $location, 'GET' );
			$class = class_exists( 'WpOrg\Requests\Exception' ) ? 'WpOrg\Requests\Exception' : 'Requests_Exception';
			throw new $class( 'This is a temporary copy of a site: it follows no redirect to other services.', 'clone_guard_blocked' );
		}
	}

	public function allows( string $url ): bool {
		$host = self::host( $url );
		if ( null === $host ) {
			return false;
		}
		foreach ( array( $this->config->url(), function_exists( 'home_url' ) ? home_url() : '' ) as $own ) {
			if ( '' !== $own && self::host( $own ) === $host ) {
				return true;
			}
		}
		$name = preg_replace( '/:\d+$/', '', $host );
		foreach ( array_merge( self::OWN_HOSTS, $this->config->allow_hosts() ) as $allowed ) {
			if ( $allowed === $host || $allowed === $name ) {
				return true;
			}
			if ( 0 === strpos( $allowed, '*.' ) && substr( $name, 1 - strlen( $allowed ) ) === substr( $allowed, 1 ) ) {
				return true;
			}
		}
		return false;
	}

	/**
	 * Host and port of a plain http(s) URL, lower case, the port always said; null for anything that parsers could read
	 * in two ways.
	 */
	private static function host( string $url ): ?string {
		if ( ! preg_match( '#^(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?(?:[/?\#]|$)#i', $url, $match ) ) {
			return null;
		}
		$port = isset( $match[3] ) && '' !== $match[3] ? $match[3] : ( 'https' === strtolower( $match[1] ) ? '443' : '80' );
		return strtolower( rtrim( $match[2], '.' ) ) . ':' . $port;
	}

	/** Without query and user name. */
	private function record( string $url, string $method ): void {
		$host  = self::host( $url );
		$shown = preg_replace( '/[?#].*$/s', '', $url );
		$shown = preg_replace( '#//[^/@]*@#', '//', $shown );
		$this->outbox->add(
			'http',
			array(
				'to'     => null === $host ? '' : $host,
				'url'    => $shown,
				'method' => $method,
			)
		);
	}
}
