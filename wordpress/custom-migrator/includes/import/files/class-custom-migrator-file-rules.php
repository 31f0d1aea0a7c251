<?php
/**
 * Where a file of the source goes in the clone, if anywhere.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * The source leaves most of this out by itself; a hostile or older one may not, so it is refused here again.
 */
class Custom_Migrator_File_Rules {

	/** Drop-ins of WordPress (`_get_dropins()`): they would take the clone's database, cache or error pages over. */
	const DROP_INS = array( 'advanced-cache.php', 'blog-deleted.php', 'blog-inactive.php', 'blog-suspended.php', 'db-error.php', 'db.php', 'fatal-error-handler.php', 'install.php', 'maintenance.php', 'object-cache.php', 'php-error.php', 'sunrise.php' );

	/** Never removed from the slot, even if the source has none: without them nothing is served, not even the guard's page. */
	const CORE_KEPT = array( 'index.php', 'wp-load.php', 'wp-settings.php', 'wp-blog-header.php', 'wp-login.php' );

	/**
	 * @param string $root content, core or uploads.
	 * @param string $path As the source names it.
	 * @return string|null Why it is left out; null when it is taken.
	 */
	public static function refused( string $root, string $path ): ?string {
		$fault = Custom_Migrator_Jailed_Writer::fault( $path );
		if ( null !== $fault ) {
			return 'refused: ' . $fault;
		}
		if ( 'content' === $root ) {
			$folded = strtolower( $path );
			if ( in_array( $folded, self::DROP_INS, true ) ) {
				return 'drop-in';
			}
			if ( in_array( $folded, Custom_Migrator_Slot::FIXTURES, true ) || 0 === strpos( $folded, 'database/.ht.' ) ) {
				return 'the clone has its own';
			}
			return null;
		}
		if ( 'core' === $root ) {
			// A robots.txt of the source's would invite search engines past the guard.
			if ( in_array( strtolower( $path ), array( 'wp-config.php', 'robots.txt' ), true ) ) {
				return 'the clone has its own';
			}
			$in_core = preg_match( '#^(wp-admin|wp-includes)/#', $path ) || preg_match( '#^[^/]+\.(php|txt|html?)$#i', $path );
			return $in_core ? null : 'not a core file';
		}
		return 'uploads' === $root ? null : 'an unknown root';
	}

	/** Relative to the folder where the root is staged. */
	public static function target( string $root, string $path ): string {
		return 'uploads' === $root ? 'uploads/' . $path : $path;
	}
}
