<?php
/**
 * The banner.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** Says on every page what this is and until when. */
final class Clone_Guard_Banner {

	/** @var Clone_Guard_Config */
	private $config;

	/** @var bool */
	private $shown = false;

	public function __construct( Clone_Guard_Config $config ) {
		$this->config = $config;
	}

	public function register(): void {
		foreach ( array( 'wp_footer', 'admin_footer', 'login_footer' ) as $hook ) {
			add_action( $hook, array( $this, 'bar' ), PHP_INT_MAX );
		}
		add_action( 'admin_notices', array( $this, 'notice' ) );
	}

	public function bar(): void {
		if ( $this->shown ) {
			return;
		}
		$this->shown = true;
		echo '<div role="region" aria-label="', esc_attr( 'About this clone' ), '" id="clone-guard-banner" style="position:fixed;left:0;right:0;bottom:0;z-index:99999;margin:0;padding:6px 12px;background:#1d2327;color:#fff;font:13px/1.4 -apple-system,BlinkMacSystemFont,\'Segoe UI\',sans-serif;text-align:center;pointer-events:none">',
			esc_html( $this->text() ), '</div>';
	}

	public function notice(): void {
		echo '<div class="notice notice-info"><p>', esc_html( $this->text() . ' No mail, scheduled job or call to another service leaves it.' ), '</p></div>';
	}

	private function text(): string {
		$source = (string) parse_url( $this->config->source_url(), PHP_URL_HOST );
		$what   = '' === $source ? 'This is a temporary copy of a site.' : sprintf( 'This is a temporary copy of %s.', $source );
		$until  = $this->config->expires_at();
		return null === $until ? $what : $what . ' ' . sprintf( 'It is deleted on %s UTC.', gmdate( 'Y-m-d H:i', $until ) );
	}
}
