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

/** Says that the clone may be asked for: opt/clone/health/ready.php looks for it. */
const CLONE_WARM_FILE = '/tmp/clone-warm';
const CLONE_WARM_SECONDS = 30;

/**
 * Calls the agent once, as a worker will: PHP has to compile all that such a call runs, and the agent to make its table of
 * nonces. The first call takes half a second, every later one a tenth of that. Whatever it answers will do.
 */
function clone_drive_warm( string $dir ): void {
	$clone   = clone_drive_read( $dir . '/clone.json' );
	$time    = (string) time();
	$nonce   = bin2hex( random_bytes( 16 ) );
	$signed  = "POST\n/custom-migrator/v1/import_status\n" . hash( 'sha256', '{}' ) . "\n" . $time . "\n" . $nonce;
	$headers = array(
		'Content-Type: application/json',
		'X-Migrator-Verb: import_status',
		'X-Migrator-Key: ' . ( $clone['slot_id'] ?? '' ),
		'X-Migrator-Time: ' . $time,
		'X-Migrator-Nonce: ' . $nonce,
		'X-Migrator-Signature: ' . hash_hmac( 'sha256', $signed, (string) base64_decode( (string) ( $clone['agent_key'] ?? '' ), true ) ),
	);
	$options = array(
		'http' => array(
			'method'        => 'POST',
			'header'        => $headers,
			'content'       => '{}',
			'timeout'       => CLONE_WARM_SECONDS,
			'ignore_errors' => true,
		),
	);
	$end     = time() + CLONE_WARM_SECONDS;
	do {
		$answer = @file_get_contents( 'http://127.0.0.1:8080/wp-admin/admin-ajax.php', false, stream_context_create( $options ) );
		// The web server is just starting as well.
		if ( false === $answer ) {
			usleep( 50000 );
		}
	} while ( false === $answer && time() < $end );
	touch( CLONE_WARM_FILE );
}

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

clone_drive_warm( $clone_dir );
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
