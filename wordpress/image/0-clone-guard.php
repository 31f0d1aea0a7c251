<?php
/**
 * Loads what makes a WordPress a clone, before any other plugin: the guard, then the agent. Both live outside the
 * document root, so that nothing the site does to its own plugins removes them.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

foreach ( array( 'clone-guard/clone-guard.php', 'custom-migrator/custom-migrator.php' ) as $clone_system_file ) {
	if ( is_file( CLONE_DIR . '/system/' . $clone_system_file ) ) {
		require_once CLONE_DIR . '/system/' . $clone_system_file;
	}
}
unset( $clone_system_file );
