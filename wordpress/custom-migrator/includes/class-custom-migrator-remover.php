<?php
/**
 * Leaving the site as it was.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Forgets jobs; with the last one the table and options go, and the plugin itself if a job brought it.
 *
 * Order: the list of active plugins first, the plugin's files next (the main file last: a visitor's request that has
 * read the old list still finds it, and finds that there is nothing to load), table and options at the end.
 */
final class Custom_Migrator_Remover {
	/** Noted before the activation, so that its order comes back too. */
	const ACTIVE = 'active_plugins';

	/** Lies in a copy that a job uploaded, and in no other. */
	const UPLOADED = 'uploaded.txt';

	/** Seconds that an uploaded copy waits for its first job. */
	const WAIT = 7200;

	/** Runs while the plugin is being activated, before WordPress writes the list. */
	public static function note_activation(): void {
		$jobs = new Custom_Migrator_Jobs();
		$raw  = Custom_Migrator_Jobs::raw_option( self::ACTIVE );
		if ( null !== $raw && false === strpos( $raw, '"' . self::basename() . '"' ) ) {
			$jobs->note_before( self::ACTIVE, $raw );
		}
		if ( is_file( self::folder() . '/' . self::UPLOADED ) ) {
			$jobs->expect_job( time() + self::WAIT );
		}
	}

	/**
	 * The `remove` verb.
	 *
	 * @param string $job_id The caller's own.
	 * @return string `key`, or `plugin` when that was the last job of a plugin brought by us.
	 */
	public static function forget( string $job_id ): string {
		return self::forget_jobs(
			static function ( string $id ) use ( $job_id ) {
				return $id === $job_id;
			}
		);
	}

	/** Forgets what has expired. Runs at the end of a visitor's request: a fault is left for the next one. */
	public static function expire( int $now ): void {
		try {
			self::forget_jobs(
				static function ( string $id, array $job ) use ( $now ) {
					return $job['expires_at'] <= $now;
				}
			);
		} catch ( Custom_Migrator_Error $error ) {
			// Not the visitor's business; the marker is still there, so the next request tries again.
			return;
		}
	}

	/** Deletes the table and both options. */
	public static function forget_everything(): void {
		Custom_Migrator_Nonce_Table::drop();
		( new Custom_Migrator_Jobs() )->delete();
	}

	/**
	 * A list of active plugins as it would be without us: what was noted before the activation if only we were added
	 * since, else the list without our entry.
	 *
	 * @param string      $raw  The option's serialized text, now.
	 * @param string|null $then Its text before the activation.
	 * @return string Serialized text; $raw itself when it is no plain list of strings.
	 */
	public static function active_plugins_without_us( string $raw, ?string $then ): string {
		$now = self::list_of_strings( $raw );
		if ( null === $now || ! in_array( self::basename(), $now, true ) ) {
			return $raw;
		}
		$without = array_values( array_diff( $now, array( self::basename() ) ) );
		$before  = null === $then ? null : self::list_of_strings( $then );
		if ( null !== $before ) {
			$one = $without;
			$two = array_values( $before );
			sort( $one );
			sort( $two );
			if ( $one === $two ) {
				return (string) $then;
			}
		}
		$text = 'a:' . count( $without ) . ':{';
		foreach ( $without as $i => $name ) {
			$text .= 'i:' . $i . ';s:' . strlen( $name ) . ':"' . $name . '";';
		}
		return $text . '}';
	}

	/** Our entry in the list of active plugins, e.g. `custom-migrator/custom-migrator.php`. */
	public static function basename(): string {
		return basename( self::folder() ) . '/custom-migrator.php';
	}

	/** The plugin's folder. */
	public static function folder(): string {
		return dirname( __DIR__ );
	}

	private static function forget_jobs( callable $gone ): string {
		$jobs  = new Custom_Migrator_Jobs();
		$state = $jobs->forget( $gone );
		if ( array() !== $state['jobs'] || ( null !== $state['until'] && $state['until'] > time() ) ) {
			return 'key';
		}
		if ( ! $state['uploaded'] ) {
			self::forget_everything();
			return 'key';
		}
		self::deactivate( $jobs );
		self::drop_dead_cleanups();
		$left = self::delete_folder( self::folder() );
		self::forget_everything();
		if ( $left > 0 ) {
			throw new Custom_Migrator_Error( 'plugin_not_deleted', 'The plugin is switched off, but the site may not delete its own files: delete wp-content/plugins/' . basename( self::folder() ) . ' by hand.', 500 );
		}
		return 'plugin';
	}

	private static function deactivate( Custom_Migrator_Jobs $jobs ): void {
		global $wpdb;
		$raw = Custom_Migrator_Jobs::raw_option( self::ACTIVE );
		if ( null === $raw ) {
			return;
		}
		$restored = self::active_plugins_without_us( $raw, $jobs->before( self::ACTIVE ) );
		if ( $restored !== $raw ) {
			$quiet  = $wpdb->suppress_errors( true );
			$result = $wpdb->query( $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = %s WHERE option_name = %s", $restored, self::ACTIVE ) );
			$wpdb->suppress_errors( $quiet );
			if ( false === $result ) {
				throw new Custom_Migrator_Error( 'database_error', 'The site\'s list of active plugins could not be written; try again.', 503, 5 );
			}
			Custom_Migrator_Jobs::forget_cached( self::ACTIVE );
		}
		$recent = get_option( 'recently_activated' );
		if ( is_array( $recent ) && isset( $recent[ self::basename() ] ) ) {
			unset( $recent[ self::basename() ] );
			update_option( 'recently_activated', $recent );
		}
	}

	/**
	 * Uploading a plugin makes WordPress schedule a clean-up of the uploaded archive for two hours later, although it
	 * deletes the archive at once. Events whose archive is gone do nothing but stay in the list.
	 */
	private static function drop_dead_cleanups(): void {
		$crons = _get_cron_array();
		foreach ( is_array( $crons ) ? $crons : array() as $time => $hooks ) {
			if ( ! isset( $hooks['upgrader_scheduled_cleanup'] ) || ! is_array( $hooks['upgrader_scheduled_cleanup'] ) ) {
				continue;
			}
			foreach ( $hooks['upgrader_scheduled_cleanup'] as $event ) {
				if ( isset( $event['args'][0] ) && is_int( $event['args'][0] ) && null === get_post( $event['args'][0] ) ) {
					wp_unschedule_event( $time, 'upgrader_scheduled_cleanup', $event['args'] );
				}
			}
		}
	}

	/**
	 * Only ever called with the plugin's own folder. Links are deleted, never followed.
	 *
	 * @return int How many entries could not be deleted.
	 */
	private static function delete_folder( string $folder ): int {
		if ( is_link( $folder ) || 1 !== preg_match( '/\A[^.\/\\\\][^\/\\\\]*\z/', basename( $folder ) ) ) {
			return 1;
		}
		$left = self::delete_entries( $folder, $folder . '/custom-migrator.php' );
		$left = $left + self::delete_file( $folder . '/custom-migrator.php' );
		if ( 0 === $left && is_dir( $folder ) && ! @rmdir( $folder ) && is_dir( $folder ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Counted.
			++$left;
		}
		return $left;
	}

	private static function delete_entries( string $folder, string $except ): int {
		$left  = 0;
		$names = @scandir( $folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Counted.
		if ( false === $names ) {
			return is_dir( $folder ) ? 1 : 0;
		}
		foreach ( array_diff( $names, array( '.', '..' ) ) as $name ) {
			$path = $folder . '/' . $name;
			if ( $path === $except ) {
				continue;
			}
			if ( is_dir( $path ) && ! is_link( $path ) ) {
				$left += self::delete_entries( $path, $except );
				if ( ! @rmdir( $path ) && is_dir( $path ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Counted.
					++$left;
				}
			} else {
				$left += self::delete_file( $path );
			}
		}
		return $left;
	}

	private static function delete_file( string $path ): int {
		if ( function_exists( 'opcache_invalidate' ) ) {
			@opcache_invalidate( $path, true ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- May be restricted; then nothing is lost.
		}
		return @unlink( $path ) || ! file_exists( $path ) ? 0 : 1; // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Counted.
	}

	/**
	 * Reads a PHP-serialized flat list of strings by its bytes; nothing is ever unserialized.
	 *
	 * @return string[]|null Null when it is anything else.
	 */
	private static function list_of_strings( string $raw ): ?array {
		if ( 1 !== preg_match( '/\Aa:(\d{1,6}):\{/', $raw, $found ) ) {
			return null;
		}
		$at   = strlen( $found[0] );
		$list = array();
		for ( $i = 0; $i < (int) $found[1]; $i++ ) {
			if ( 1 !== preg_match( '/\Gi:\d{1,9};s:(\d{1,6}):"/', $raw, $item, 0, $at ) ) {
				return null;
			}
			$at    += strlen( $item[0] );
			$list[] = substr( $raw, $at, (int) $item[1] );
			$at    += (int) $item[1];
			if ( '";' !== substr( $raw, $at, 2 ) ) {
				return null;
			}
			$at += 2;
		}
		return '}' === substr( $raw, $at ) ? $list : null;
	}
}
