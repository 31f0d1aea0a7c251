<?php
/**
 * The order of things.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** Boots the guard's parts. */
final class Clone_Guard {

	public static function boot(): void {
		self::answer_agent();

		$config = Clone_Guard_Config::load( CLONE_DIR );
		if ( null === $config ) {
			// Without it nothing of what follows could be decided: closed rather than open.
			Clone_Guard_Page::send( 503, 'This clone is not ready', 'Its configuration could not be read. Try again in a moment.' );
		}
		if ( $config->expired() ) {
			Clone_Guard_Page::send( 410, 'This clone has expired', 'It was a temporary copy of a site and is being deleted.' );
		}

		$outbox = new Clone_Guard_Outbox( CLONE_DIR . '/outbox.jsonl' );
		( new Clone_Guard_Privacy() )->register();
		( new Clone_Guard_Mail( $outbox ) )->register();
		( new Clone_Guard_Http( $config, $outbox ) )->register();
		( new Clone_Guard_Cron( $outbox, CLONE_DIR . '/cron-seen.json' ) )->register();
		( new Clone_Guard_Login_Link( $config, CLONE_DIR . '/login-link.json' ) )->register();
		( new Clone_Guard_Gate( $config ) )->register();
		( new Clone_Guard_Banner( $config ) )->register();
	}

	/** A signed call ends here; a request that is none goes on. */
	private static function answer_agent(): void {
		if ( ! isset( $_SERVER['HTTP_X_MIGRATOR_VERB'] ) ) {
			return;
		}
		$loader = CLONE_DIR . '/system/custom-migrator/includes/load.php';
		if ( is_readable( $loader ) ) {
			require_once $loader;
		}
		if ( class_exists( 'Custom_Migrator_Agent', false ) ) {
			Custom_Migrator_Agent::boot_clone();
		}
	}
}
