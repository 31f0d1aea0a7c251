<?php
/**
 * Deletes what the plugin kept: an option, its expiry marker and the table of nonces.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

if ( ! defined( 'WP_UNINSTALL_PLUGIN' ) ) {
	exit;
}

require_once __DIR__ . '/includes/load.php';
Custom_Migrator_Remover::forget_everything();
