<?php
/**
 * Plugin Name:       Custom Migrator
 * Description:       Lets the clone service that its administrator named read this site. Answers nothing but signed calls.
 * Version:           0.1.0
 * Requires at least: 5.2
 * Requires PHP:      7.4
 * License:           GPL-2.0-or-later
 * License URI:       https://www.gnu.org/licenses/gpl-2.0.html
 * Update URI:        false
 *
 * @package Custom_Migrator
 *
 * Life cycle: activation notes the list of active plugins (the activation will sort it), an administrator registers a
 * job's key, the job calls signed verbs, `remove` puts everything back. An ordinary visitor's request runs nothing but
 * custom_migrator_boot(), which reads one autoloaded number.
 *
 * Gotcha: this file can be loaded while another request deletes the plugin, so nothing is required without looking first.
 */

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

/**
 * Loads the classes.
 *
 * @return bool False while the plugin is being deleted.
 */
function custom_migrator_load() {
	if ( ! is_readable( __DIR__ . '/includes/load.php' ) ) {
		return false;
	}
	require_once __DIR__ . '/includes/load.php';
	return true;
}

/** Answers a signed call (and ends the request), or waits for a registration, or notices that the last job has expired. */
function custom_migrator_boot() {
	if ( isset( $_SERVER['HTTP_X_MIGRATOR_VERB'] ) ) {
		if ( custom_migrator_load() ) {
			Custom_Migrator_Agent::boot_source();
		}
		return;
	}

	add_action( 'rest_api_init', 'custom_migrator_rest' );
	add_action( 'wp_ajax_custom_migrator_register', 'custom_migrator_ajax' );

	$options = wp_load_alloptions();
	if ( isset( $options['custom_migrator_expires'] ) && time() >= (int) $options['custom_migrator_expires'] ) {
		add_action( 'shutdown', 'custom_migrator_expire' );
	}
}

/** Registers the route that takes a job's key. */
function custom_migrator_rest() {
	if ( custom_migrator_load() ) {
		Custom_Migrator_Registration::rest();
	}
}

/** The same by admin-ajax, for sites whose REST API is closed. */
function custom_migrator_ajax() {
	if ( custom_migrator_load() ) {
		Custom_Migrator_Registration::ajax();
	}
}

/** Forgets what has expired; the plugin goes with the last job if a job brought it. */
function custom_migrator_expire() {
	if ( custom_migrator_load() ) {
		Custom_Migrator_Remover::expire( time() );
	}
}

/** Notes what this activation is about to change. */
function custom_migrator_activate() {
	if ( custom_migrator_load() ) {
		Custom_Migrator_Remover::note_activation();
	}
}

/** An administrator switched the plugin off: every key dies. */
function custom_migrator_deactivate() {
	if ( custom_migrator_load() ) {
		Custom_Migrator_Remover::forget_everything();
	}
}

add_action( 'plugins_loaded', 'custom_migrator_boot', PHP_INT_MIN );
register_activation_hook( __FILE__, 'custom_migrator_activate' );
register_deactivation_hook( __FILE__, 'custom_migrator_deactivate' );
