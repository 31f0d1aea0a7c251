<?php
/**
 * The login gate.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/**
 * Shows nothing to anybody who is not logged in, unless the clone is public.
 *
 * Scripts of their own (admin-ajax.php, xmlrpc.php, …) are stopped at `plugins_loaded`; index.php and wp-login.php at
 * `init`, because a plugin that moves the login page has said by then where it is. An application password is looked at
 * where WordPress looks at it, in the REST API.
 *
 * Static files below wp-content/uploads are the web server's and never reach this.
 */
final class Clone_Guard_Gate {

	/** What wp-login.php may do for a visitor. Registering is not among it. */
	const LOGIN_ACTIONS = array( '', 'login', 'logout', 'lostpassword', 'retrievepassword', 'rp', 'resetpass', 'confirm_admin_email', 'checkemail' );

	/** @var Clone_Guard_Config */
	private $config;

	public function __construct( Clone_Guard_Config $config ) {
		$this->config = $config;
	}

	public function register(): void {
		if ( $this->config->is_public() || 'cli' === PHP_SAPI && defined( 'WP_CLI' ) ) {
			return;
		}
		add_action( 'plugins_loaded', array( $this, 'guard_scripts' ), PHP_INT_MIN );
		add_action( 'init', array( $this, 'guard_pages' ), PHP_INT_MIN + 1 );
	}

	public function guard_scripts(): void {
		if ( ! in_array( self::script(), array( 'index.php', 'wp-login.php' ), true ) && ! self::has_session() ) {
			$this->refuse();
		}
	}

	public function guard_pages(): void {
		if ( self::has_session() || $this->is_login_page() ) {
			return;
		}
		if ( 'index.php' === self::script() && self::is_rest() && self::has_credentials() ) {
			add_filter( 'rest_authentication_errors', array( $this, 'guard_rest' ), PHP_INT_MAX );
			// The REST API ends the request before this; whatever is still here is not REST.
			add_action( 'parse_request', array( $this, 'guard_rest_missed' ), PHP_INT_MAX );
			return;
		}
		$this->refuse();
	}

	/**
	 * @param mixed $error What others found.
	 * @return mixed
	 */
	public function guard_rest( $error ) {
		if ( is_wp_error( $error ) || is_user_logged_in() ) {
			return $error;
		}
		return new WP_Error( 'clone_guard_401', 'This clone is not public: log in first.', array( 'status' => 401 ) );
	}

	public function guard_rest_missed(): void {
		if ( ! is_user_logged_in() ) {
			$this->refuse();
		}
	}

	/** The cookie itself, checked: other plugins' ideas of who is logged in do not count. */
	private static function has_session(): bool {
		return function_exists( 'wp_validate_auth_cookie' ) && (bool) wp_validate_auth_cookie( '', 'logged_in' );
	}

	private static function has_credentials(): bool {
		return isset( $_SERVER['PHP_AUTH_USER'] ) || ! empty( $_SERVER['HTTP_AUTHORIZATION'] ) || ! empty( $_SERVER['REDIRECT_HTTP_AUTHORIZATION'] );
	}

	private static function is_rest(): bool {
		$prefix = function_exists( 'rest_get_url_prefix' ) ? rest_get_url_prefix() : 'wp-json';
		return isset( $_GET['rest_route'] ) || 1 === preg_match( '#/' . preg_quote( $prefix, '#' ) . '(/|$)#', self::path() ); // phpcs:ignore WordPress.Security.NonceVerification
	}

	private function is_login_page(): bool {
		$action = isset( $_REQUEST['action'] ) && is_string( $_REQUEST['action'] ) ? $_REQUEST['action'] : ''; // phpcs:ignore WordPress.Security
		$path   = parse_url( wp_login_url(), PHP_URL_PATH );
		$there  = 'wp-login.php' === self::script() || ( is_string( $path ) && '/' !== $path && '' !== trim( $path, '/' ) && trim( $path, '/' ) === trim( self::path(), '/' ) );
		return $there && in_array( $action, self::LOGIN_ACTIONS, true );
	}

	private static function script(): string {
		return basename( isset( $_SERVER['SCRIPT_NAME'] ) ? (string) $_SERVER['SCRIPT_NAME'] : '' );
	}

	private static function path(): string {
		return isset( $_SERVER['REQUEST_URI'] ) ? (string) parse_url( (string) $_SERVER['REQUEST_URI'], PHP_URL_PATH ) : '';
	}

	private function refuse(): void {
		$method = isset( $_SERVER['REQUEST_METHOD'] ) ? $_SERVER['REQUEST_METHOD'] : 'GET';
		$in_page = in_array( self::script(), array( 'index.php', 'wp-login.php' ), true ) || self::is_admin_page();
		if ( $in_page && ! self::is_rest() && in_array( $method, array( 'GET', 'HEAD' ), true ) ) {
			header( 'Cache-Control: no-store' );
			header( 'Location: ' . wp_login_url( $this->current_url() ), true, 302 );
			exit;
		}
		Clone_Guard_Page::send( 401, 'This clone is not public', 'Log in first.', self::is_rest() || 'admin-ajax.php' === self::script() );
	}

	private static function is_admin_page(): bool {
		return is_admin() && ! in_array( self::script(), array( 'admin-ajax.php', 'admin-post.php', 'async-upload.php' ), true );
	}

	/** Only the path of the request is taken over: the host is the clone's own. */
	private function current_url(): string {
		$uri = isset( $_SERVER['REQUEST_URI'] ) ? (string) $_SERVER['REQUEST_URI'] : '/';
		return ( '' === $this->config->url() ? home_url() : $this->config->url() ) . '/' . ltrim( $uri, '/' );
	}
}
