<?php
/**
 * The one-time login link.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/**
 * `?clone_login=TOKEN` logs the clone's own administrator in, once, within the link's time. The file holds the token's
 * hash only; renaming it is what uses it up, so of two requests with the right token one wins. A wrong token uses nothing
 * up. The token has 256 bits: guessing needs no counting.
 */
final class Clone_Guard_Login_Link {

	/** @var Clone_Guard_Config */
	private $config;

	/** @var string */
	private $file;

	public function __construct( Clone_Guard_Config $config, string $file ) {
		$this->config = $config;
		$this->file   = $file;
	}

	public function register(): void {
		if ( isset( $_GET['clone_login'] ) ) { // phpcs:ignore WordPress.Security.NonceVerification
			add_action( 'init', array( $this, 'use_link' ), PHP_INT_MIN );
		}
	}

	public function use_link(): void {
		$token  = $_GET['clone_login']; // phpcs:ignore WordPress.Security
		$method = isset( $_SERVER['REQUEST_METHOD'] ) ? $_SERVER['REQUEST_METHOD'] : '';
		header( 'Cache-Control: no-store' );
		header( 'Referrer-Policy: no-referrer' );
		if ( 'GET' !== $method || ! is_string( $token ) || ! preg_match( '/^[0-9a-f]{64}$/D', $token ) || ! $this->spend( $token ) ) {
			Clone_Guard_Page::send( 403, 'This login link is no longer good', 'It works once, within 15 minutes. Ask for another one, or log in with user name and password.' );
		}
		$user = get_user_by( 'login', $this->config->admin_user() );
		// Only the account that was made for the clone: nobody of the site is ever logged in this way.
		if ( ! $user || '1' !== (string) get_user_meta( $user->ID, 'clone_guard_admin', true ) ) {
			Clone_Guard_Page::send( 403, 'This clone has no administrator of its own any more', 'Log in with an account of the site.' );
		}
		wp_set_auth_cookie( $user->ID, false, is_ssl() );
		header( 'Location: ' . admin_url(), true, 302 );
		exit;
	}

	private function spend( string $token ): bool {
		if ( ! $this->matches( $this->file, $token ) ) {
			return false;
		}
		$used = $this->file . '.' . bin2hex( random_bytes( 8 ) );
		if ( ! @rename( $this->file, $used ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors.Discouraged -- Another request was first.
			return false;
		}
		$good = $this->matches( $used, $token );
		unlink( $used );
		return $good;
	}

	private function matches( string $file, string $token ): bool {
		$text = is_file( $file ) ? file_get_contents( $file ) : false;
		$link = false === $text ? null : json_decode( $text, true );
		return is_array( $link ) && isset( $link['hash'], $link['expires'] ) && is_string( $link['hash'] ) && is_int( $link['expires'] )
			&& hash_equals( $link['hash'], hash( 'sha256', $token ) ) && time() < $link['expires'];
	}
}
