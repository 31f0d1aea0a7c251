<?php
/**
 * Used nonces of an ordinary site.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** A table with a unique key: of two requests with one nonce, one inserts. */
final class Custom_Migrator_Nonce_Table {
	/** Seconds: twice the accepted clock difference. */
	const KEEP = 120;

	public static function name(): string {
		global $wpdb;
		return $wpdb->prefix . 'custom_migrator_nonces';
	}

	/** Makes the table if it is not there. */
	public static function create(): void {
		global $wpdb;
		$table = self::name();
		self::query( "CREATE TABLE IF NOT EXISTS `$table` (nonce char(32) NOT NULL, expires bigint(20) NOT NULL, PRIMARY KEY  (nonce)) " . $wpdb->get_charset_collate() );
	}

	public static function drop(): void {
		self::query( 'DROP TABLE IF EXISTS `' . self::name() . '`' );
	}

	/**
	 * @param string $nonce 32 hex digits.
	 * @param int    $now   Unix seconds.
	 * @return bool False when it was used before.
	 */
	public static function use_once( string $nonce, int $now ): bool {
		global $wpdb;
		$table = self::name();
		self::query( $wpdb->prepare( "DELETE FROM `$table` WHERE expires < %d", $now ) );
		return 1 === self::query( $wpdb->prepare( "INSERT IGNORE INTO `$table` (nonce, expires) VALUES (%s, %d)", $nonce, $now + self::KEEP ) );
	}

	private static function query( string $sql ): int {
		global $wpdb;
		$quiet  = $wpdb->suppress_errors( true );
		$result = $wpdb->query( $sql ); // phpcs:ignore WordPress.DB.PreparedSQL -- Only our own table's name, and prepared values.
		$wpdb->suppress_errors( $quiet );
		if ( false === $result ) {
			throw new Custom_Migrator_Error( 'nonce_store_failed', 'The site\'s table of used nonces cannot be written; try again.', 503, 5 );
		}
		return (int) $result;
	}
}
