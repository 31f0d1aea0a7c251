<?php
/**
 * Search engines.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** Says "do not index" in every way there is, without changing the site's settings. */
final class Clone_Guard_Privacy {

	const ROBOTS = "User-agent: *\nDisallow: /\n";

	public function register(): void {
		$path = isset( $_SERVER['REQUEST_URI'] ) ? (string) parse_url( (string) $_SERVER['REQUEST_URI'], PHP_URL_PATH ) : '';
		if ( '/robots.txt' === substr( $path, -11 ) ) {
			// Before the login gate: a crawler has to be able to read it.
			header( 'Content-Type: text/plain; charset=UTF-8' );
			header( 'X-Robots-Tag: noindex, nofollow, noarchive' );
			exit( self::ROBOTS ); // phpcs:ignore WordPress.Security.EscapeOutput
		}
		if ( ! headers_sent() ) {
			header( 'X-Robots-Tag: noindex, nofollow, noarchive' );
		}
		add_filter( 'wp_headers', array( $this, 'headers' ), PHP_INT_MAX );
		add_filter( 'robots_txt', array( $this, 'robots_txt' ), PHP_INT_MAX );
		add_filter( 'pre_option_blog_public', array( $this, 'not_public' ), PHP_INT_MAX );
		add_filter( 'wp_robots', array( $this, 'robots' ), PHP_INT_MAX );
		add_filter( 'wp_sitemaps_enabled', '__return_false', PHP_INT_MAX );
		add_action( 'wp_head', array( $this, 'meta' ), PHP_INT_MIN );
		add_action( 'login_head', array( $this, 'meta' ), PHP_INT_MIN );
	}

	/**
	 * @param mixed $headers Of the page.
	 */
	public function headers( $headers ): array {
		$headers                 = is_array( $headers ) ? $headers : array();
		$headers['X-Robots-Tag'] = 'noindex, nofollow, noarchive';
		return $headers;
	}

	public function robots_txt(): string {
		return self::ROBOTS;
	}

	public function not_public(): string {
		return '0';
	}

	public function robots(): array {
		return array(
			'noindex'   => true,
			'nofollow'  => true,
			'noarchive' => true,
		);
	}

	/** WordPress before 5.7 has no `wp_robots`. */
	public function meta(): void {
		if ( ! function_exists( 'wp_robots' ) ) {
			echo '<meta name="robots" content="noindex,nofollow,noarchive">', "\n";
		}
	}
}
