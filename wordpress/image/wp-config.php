<?php
/**
 * Configuration of a clone. The same file in every clone: what differs comes from ../clone.json, which the host and
 * the agent write. Holds no address (WP_HOME, WP_SITEURL): the import writes siteurl and home into the database, and
 * a site whose WordPress lives in a folder needs the two to differ.
 *
 * @package Clone_Image
 * @license GPL-2.0-or-later
 */

define( 'CLONE_DIR', dirname( __DIR__ ) );

// While the imported site is put in place (milliseconds; longer only when a crash interrupts it) neither site is whole.
if ( is_file( CLONE_DIR . '/import/switch.json' ) && 'cli' !== PHP_SAPI ) {
	http_response_code( 503 );
	header( 'Retry-After: 1' );
	exit( 'This clone is being put in place.' );
}

$table_prefix = ( static function (): string {
	$text  = is_readable( CLONE_DIR . '/clone.json' ) ? file_get_contents( CLONE_DIR . '/clone.json' ) : false;
	$clone = false === $text ? null : json_decode( $text, true );
	$names = array( 'AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY', 'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT' );

	$valid = is_array( $clone )
		&& isset( $clone['table_prefix'] ) && is_string( $clone['table_prefix'] )
		&& 1 === preg_match( '/\A[A-Za-z0-9_]+\z/', $clone['table_prefix'] )
		&& isset( $clone['salts'] ) && is_array( $clone['salts'] );
	foreach ( $valid ? $names : array() as $name ) {
		$salt  = isset( $clone['salts'][ $name ] ) ? $clone['salts'][ $name ] : null;
		$valid = $valid && is_string( $salt ) && strlen( $salt ) >= 32;
	}
	if ( ! $valid ) {
		// Never go on with guessed values: cookies signed with weak keys could be forged.
		http_response_code( 503 );
		header( 'Retry-After: 5' );
		exit( 'This clone is not configured yet.' );
	}
	foreach ( $names as $name ) {
		define( $name, $clone['salts'][ $name ] );
	}

	// `engine` is written by the import's switch: until then the empty template runs, which is SQLite in every clone.
	$mysql = isset( $clone['engine'], $clone['database'] ) && 'mysql' === $clone['engine'] && is_array( $clone['database'] ) ? $clone['database'] : null;
	define( 'CLONE_ENGINE', null === $mysql ? 'sqlite' : 'mysql' );
	define( 'DB_NAME', null === $mysql ? 'wordpress' : (string) $mysql['name'] );
	define( 'DB_USER', null === $mysql ? '' : (string) $mysql['user'] );
	define( 'DB_PASSWORD', null === $mysql ? '' : (string) $mysql['password'] );
	define( 'DB_HOST', null === $mysql ? '' : $mysql['host'] . ':' . (int) $mysql['port'] );
	if ( null !== $mysql && ! empty( $mysql['tls'] ) ) {
		define( 'MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL );
	}
	return $clone['table_prefix'];
} )();

define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );

// Write-ahead logging needs memory shared between processes, which PHP in WebAssembly (known by that function) has not: two writers would corrupt the file.
define( 'SQLITE_JOURNAL_MODE', function_exists( 'post_message_to_js' ) ? 'DELETE' : 'WAL' );

define( 'WP_DEBUG', false );
define( 'WP_ENVIRONMENT_TYPE', 'staging' );
define( 'DISABLE_WP_CRON', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_AUTO_UPDATE_CORE', false );
define( 'FS_METHOD', 'direct' );

// TLS ends before the clone where there is TLS.
if ( isset( $_SERVER['HTTP_X_FORWARDED_PROTO'] ) && 'https' === $_SERVER['HTTP_X_FORWARDED_PROTO'] ) {
	$_SERVER['HTTPS'] = 'on';
}

if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
