<?php
/**
 * Used nonces of an ordinary site.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A table with a unique key: of two requests with one nonce, one inserts. On SQLite it is made past the site's MySQL
 * driver, which would keep notes about it after it is gone.
 */
final class Custom_Migrator_Nonce_Table {
	/** Seconds: twice the accepted clock difference. */
	const KEEP = 120;

	public static function name(): string {
		global $wpdb;
		return $wpdb->prefix . 'custom_migrator_nonces';
	}

	/** Makes the table if it is not there. */
	public static function create(): void {
		self::query( 'CREATE TABLE IF NOT EXISTS `' . self::name() . '` (nonce char(32) NOT NULL PRIMARY KEY, expires bigint NOT NULL)' );
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
		if ( 1 !== preg_match( '/\A[0-9a-f]{32}\z/', $nonce ) ) {
			return false;
		}
		$table  = self::name();
		$ignore = Custom_Migrator_Sqlite::is_in_use() ? 'OR IGNORE' : 'IGNORE';
		self::query( "DELETE FROM `$table` WHERE expires < $now" );
		return 1 === self::query( "INSERT $ignore INTO `$table` (nonce, expires) VALUES ('$nonce', " . ( $now + self::KEEP ) . ')' );
	}

	/** @param string $sql Made of our own table's name, checked hex digits and numbers. */
	private static function query( string $sql ): int {
		global $wpdb;
		if ( Custom_Migrator_Sqlite::is_in_use() ) {
			try {
				$result = Custom_Migrator_Sqlite::connect( $wpdb )->exec( $sql );
			} catch ( PDOException $error ) {
				throw self::fault( $error );
			}
		} else {
			$quiet  = $wpdb->suppress_errors( true );
			$result = $wpdb->query( $sql ); // phpcs:ignore WordPress.DB.PreparedSQL -- See above.
			$wpdb->suppress_errors( $quiet );
		}
		if ( false === $result ) {
			throw self::fault( null );
		}
		return (int) $result;
	}

	private static function fault( ?Throwable $cause ): Custom_Migrator_Error {
		return new Custom_Migrator_Error( 'nonce_store_failed', 'The site\'s table of used nonces cannot be written; try again.', 503, 5, $cause );
	}
}
