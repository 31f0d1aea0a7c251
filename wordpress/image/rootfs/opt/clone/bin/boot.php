<?php
/**
 * Makes the slot on disk (docs/migrator-protocol.md) before anything is served: CLONE_DIR is an empty volume at the first
 * start, and has a site in it at any later one.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

declare( strict_types=1 );

const CLONE_IMAGE = '/opt/clone';
const CLONE_SLOT  = '/run/clone/slot.json';

/**
 * @param string $message What is wrong; goes to the container's log.
 */
function clone_image_fail( string $message ): void {
	fwrite( STDERR, $message . "\n" );
	exit( 1 );
}

/**
 * Writes a file that is there entirely or not at all.
 */
function clone_image_write( string $path, string $content ): void {
	$temporary = $path . '.new';
	$file      = fopen( $temporary, 'wb' );
	if ( false === $file || ! chmod( $temporary, 0600 ) || strlen( $content ) !== fwrite( $file, $content ) || ! fsync( $file ) || ! fclose( $file ) || ! rename( $temporary, $path ) ) {
		clone_image_fail( 'Could not write ' . $path . '.' );
	}
}

/**
 * Eight salts of a clone's own, as its wp-config.php wants them.
 */
function clone_image_salts(): array {
	$salts = array();
	foreach ( array( 'AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE' ) as $name ) {
		$salts[ $name . '_KEY' ]  = base64_encode( random_bytes( 48 ) );
		$salts[ $name . '_SALT' ] = base64_encode( random_bytes( 48 ) );
	}
	return $salts;
}

/**
 * Copies the template beside its place and renames it there: a container that was killed meanwhile starts over. Files keep
 * their times: what was written less than two seconds ago PHP compiles at every request (opcache.file_update_protection).
 */
function clone_image_copy_template( string $dir ): void {
	if ( is_dir( $dir . '/wordpress' ) ) {
		return;
	}
	$making = $dir . '/making';
	$from   = CLONE_IMAGE . '/template/wordpress';
	passthru( 'rm -rf ' . escapeshellarg( $making ) . ' && cp -R --preserve=timestamps ' . escapeshellarg( $from ) . ' ' . escapeshellarg( $making ), $status );
	if ( 0 !== $status || ! rename( $making, $dir . '/wordpress' ) ) {
		clone_image_fail( 'WordPress could not be copied: is the disk full?' );
	}
}

/**
 * Tells the template's database where it is. An import brings a database of its own, with its addresses.
 */
function clone_image_set_address( string $dir, string $url ): void {
	$database = new PDO( 'sqlite:' . $dir . '/wordpress/wp-content/database/.ht.sqlite', null, null, array( PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION ) );
	$update   = $database->prepare( "UPDATE wp_options SET option_value = ? WHERE option_name IN ('siteurl', 'home')" );
	$update->execute( array( $url ) );
}

/**
 * The clone's own MySQL database as the slot's file names it; null on SQLite.
 */
function clone_image_database( array $slot ): ?array {
	return isset( $slot['database'] ) && is_array( $slot['database'] ) ? $slot['database'] : null;
}

$clone_dir = getenv( 'CLONE_DIR' );
if ( ! is_string( $clone_dir ) || ! is_dir( $clone_dir ) ) {
	clone_image_fail( 'CLONE_DIR names no folder.' );
}
$text = is_readable( CLONE_SLOT ) ? file_get_contents( CLONE_SLOT ) : false;
$slot = false === $text ? null : json_decode( $text, true );
if ( ! is_array( $slot ) || ! isset( $slot['slot_id'], $slot['agent_key'], $slot['url'] ) ) {
	clone_image_fail( CLONE_SLOT . ' does not say which clone this is.' );
}

foreach ( array( 'import', 'tmp' ) as $name ) {
	if ( ! is_dir( $clone_dir . '/' . $name ) && ! mkdir( $clone_dir . '/' . $name, 0700 ) ) {
		clone_image_fail( 'Could not make ' . $name . '.' );
	}
}
// The image's own and read-only, so that nothing a site does changes it; the link alone lies on the volume.
if ( ! is_link( $clone_dir . '/system' ) || readlink( $clone_dir . '/system' ) !== CLONE_IMAGE . '/system' ) {
	if ( ( file_exists( $clone_dir . '/system' ) && ! unlink( $clone_dir . '/system' ) ) || ! symlink( CLONE_IMAGE . '/system', $clone_dir . '/system' ) ) {
		clone_image_fail( 'Could not link the system folder.' );
	}
}
clone_image_copy_template( $clone_dir );

// The last thing made: until it is there, the site answers 503.
if ( ! is_file( $clone_dir . '/clone.json' ) ) {
	clone_image_set_address( $clone_dir, (string) $slot['url'] );
	clone_image_write(
		$clone_dir . '/clone.json',
		(string) json_encode(
			array(
				'slot_id'      => $slot['slot_id'],
				'agent_key'    => $slot['agent_key'],
				'url'          => $slot['url'],
				'table_prefix' => 'wp_',
				'salts'        => clone_image_salts(),
				'access'       => 'login',
				'allow_hosts'  => array(),
				'expires_at'   => null,
				'admin_user'   => null,
				'php_version'  => PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION,
				'source_url'   => null,
				'database'     => clone_image_database( $slot ),
				'engine'       => 'sqlite',
			)
		)
	);
}
