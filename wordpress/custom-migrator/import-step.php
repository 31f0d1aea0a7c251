<?php
/**
 * One step of a clone's import: `php import-step.php CLONE_DIR BUDGET_SECONDS`.
 *
 * Loads no WordPress. Prints one line, `{"state":"idle|running|done|failed","progress":0-100,"wait_ms":n}`, and is called
 * again after `wait_ms` until the state is done or failed. Where there is no command line (php-wasm's `run`), the two
 * arguments are taken from `$GLOBALS['custom_migrator_step']`, `[clone_dir, budget]`, or from the constants CLONE_DIR and
 * IMPORT_STEP_BUDGET.
 *
 * Needs memory_limit 512M for values up to 64 MiB, and asks for it.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

// Reached over the web (an ordinary site has this file too): nothing to see. A query string can fill argv, so it counts on the
// command line only.
$custom_migrator_cli = in_array( PHP_SAPI, array( 'cli', 'phpdbg' ), true );
if ( defined( 'ABSPATH' ) || ( ! $custom_migrator_cli && ( 'wasm' !== PHP_SAPI || ( ! isset( $GLOBALS['custom_migrator_step'] ) && ! defined( 'CLONE_DIR' ) ) ) ) ) {
	exit;
}

ini_set( 'display_errors', 'cli' === PHP_SAPI ? 'stderr' : '0' );
ini_set( 'memory_limit', '512M' );
set_time_limit( 0 );
error_reporting( E_ALL );

require_once __DIR__ . '/includes/import/load.php';

/**
 * @return array{0:string,1:float} Folder and seconds.
 */
function custom_migrator_step_arguments(): array {
	$given = in_array( PHP_SAPI, array( 'cli', 'phpdbg' ), true ) ? array_slice( $_SERVER['argv'], 1 ) : array();
	if ( count( $given ) < 2 && isset( $GLOBALS['custom_migrator_step'] ) && is_array( $GLOBALS['custom_migrator_step'] ) ) {
		$given = array_values( $GLOBALS['custom_migrator_step'] );
	}
	if ( count( $given ) < 2 && defined( 'CLONE_DIR' ) ) {
		$given = array( CLONE_DIR, defined( 'IMPORT_STEP_BUDGET' ) ? IMPORT_STEP_BUDGET : 10 );
	}
	if ( count( $given ) < 2 || ! is_numeric( $given[1] ) ) {
		throw Custom_Migrator_Import_Error::permanent( 'bad_request', 'Usage: import-step.php CLONE_DIR BUDGET_SECONDS' );
	}
	return array( (string) $given[0], max( 0.5, (float) $given[1] ) );
}

/**
 * @return Custom_Migrator_Transport The host's where there is one; else curl.
 */
function custom_migrator_step_transport( array $request ): Custom_Migrator_Transport {
	if ( Custom_Migrator_Transport_Host::available() && 'wasm' === PHP_SAPI ) {
		return new Custom_Migrator_Transport_Host();
	}
	return new Custom_Migrator_Transport_Curl( ! empty( $request['allow_private'] ) );
}

try {
	list( $custom_migrator_dir, $custom_migrator_budget ) = custom_migrator_step_arguments();

	$custom_migrator_slot = new Custom_Migrator_Slot( $custom_migrator_dir );
	$custom_migrator_step = new Custom_Migrator_Step( $custom_migrator_slot, new Custom_Migrator_Switch( $custom_migrator_slot ), 'custom_migrator_step_transport' );
	$custom_migrator_line = $custom_migrator_step->run( $custom_migrator_budget );
} catch ( Throwable $custom_migrator_error ) {
	error_log( 'custom-migrator import step: ' . get_class( $custom_migrator_error ) . ': ' . $custom_migrator_error->getMessage() );
	$custom_migrator_line = array(
		'state'    => 'running',
		'progress' => 0,
		'wait_ms'  => 2000,
	);
}
echo json_encode( $custom_migrator_line ), "\n";
