<?php
/**
 * Beside the web server for as long as the container runs: carries an import on from step to step, and ends the clone when
 * its time is up. Ends with 0 then, and never otherwise.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

declare( strict_types=1 );

/** What the service told this slot; the kubelet brings changes here, within a minute or two. */
const CLONE_SLOT = '/run/clone/slot.json';
/** Seconds that one step of an import may take, about. */
const CLONE_STEP_SECONDS = 10;
/** Seconds after its time before the clone ends itself: an orderly deletion goes first. Also the most a step is waited for. */
const CLONE_GRACE_SECONDS = 60;

/**
 * @return array Members of a JSON file; empty when it is missing, unreadable or no object.
 */
function clone_drive_read( string $path ): array {
	$text  = is_readable( $path ) ? file_get_contents( $path ) : false;
	$value = false === $text ? null : json_decode( $text, true );
	return is_array( $value ) ? $value : array();
}

/**
 * Whether the clone's time is up. A clone that is not open yet has none: the cluster's own deadline bounds it.
 */
function clone_drive_expired( string $dir ): bool {
	$clone = clone_drive_read( $dir . '/clone.json' );
	return isset( $clone['expires_at'] ) && is_int( $clone['expires_at'] ) && time() > $clone['expires_at'] + CLONE_GRACE_SECONDS;
}

/**
 * Takes over a new password of the clone's database: the service sets one whenever it starts the slot again.
 */
function clone_drive_refresh_database( string $dir ): void {
	$slot  = clone_drive_read( CLONE_SLOT );
	$clone = clone_drive_read( $dir . '/clone.json' );
	if ( ! isset( $slot['database'] ) || ( isset( $clone['database'] ) && $clone['database'] === $slot['database'] ) ) {
		return;
	}
	require_once $dir . '/system/custom-migrator/includes/import/load.php';
	( new Custom_Migrator_Slot( $dir ) )->update_clone( array( 'database' => $slot['database'] ) );
}

/**
 * Runs one step in a process of its own, so that whatever it does to memory ends with it.
 *
 * @return array `{state, wait_ms}`; state `running` when the step ended without a word.
 */
function clone_drive_step( string $dir ): array {
	$command = array( PHP_BINARY, $dir . '/system/custom-migrator/import-step.php', $dir, (string) CLONE_STEP_SECONDS );
	$process = proc_open( $command, array( 0 => array( 'file', '/dev/null', 'r' ), 1 => array( 'pipe', 'w' ) ), $pipes );
	if ( ! is_resource( $process ) ) {
		return array( 'state' => 'running', 'wait_ms' => 2000 );
	}
	$output = (string) stream_get_contents( $pipes[1] );
	fclose( $pipes[1] );
	proc_close( $process );
	$lines = explode( "\n", trim( $output ) );
	$line  = json_decode( (string) end( $lines ), true );
	return is_array( $line ) && isset( $line['state'] ) ? $line : array( 'state' => 'running', 'wait_ms' => 2000 );
}

$clone_dir = (string) getenv( 'CLONE_DIR' );
$request   = $clone_dir . '/import/request.json';
// What the last finished import's request looked like.
$finished   = null;
$look_again = 0;

while ( true ) {
	if ( time() >= $look_again ) {
		$look_again = time() + 5;
		if ( clone_drive_expired( $clone_dir ) ) {
			fwrite( STDERR, "The clone's time is up.\n" );
			exit( 0 );
		}
		try {
			clone_drive_refresh_database( $clone_dir );
		} catch ( Throwable $error ) {
			fwrite( STDERR, 'The new password of the database could not be taken over: ' . $error->getMessage() . "\n" );
		}
	}
	clearstatcache();
	$seen = is_file( $request ) ? filemtime( $request ) . ':' . fileinode( $request ) : null;
	if ( null === $seen || $seen === $finished ) {
		usleep( 100000 );
		continue;
	}
	$line = clone_drive_step( $clone_dir );
	if ( 'running' !== $line['state'] ) {
		clearstatcache();
		// A finished import's request is written anew without its secrets.
		$finished = is_file( $request ) ? filemtime( $request ) . ':' . fileinode( $request ) : null;
		continue;
	}
	usleep( 1000 * max( 0, min( 10000, (int) ( $line['wait_ms'] ?? 0 ) ) ) );
}
