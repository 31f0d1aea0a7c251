<?php
/**
 * Small JSON files that survive a crash: written beside, flushed, renamed.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Reads and writes JSON objects atomically. A reader sees the old file or the new one, never half of one.
 */
class Custom_Migrator_Json_File {

	/**
	 * @return array|null Null when there is no such file.
	 * @throws Custom_Migrator_Import_Error `slot_damaged` when it is not JSON.
	 */
	public static function read( string $path ): ?array {
		if ( ! is_file( $path ) ) {
			return null;
		}
		$text = file_get_contents( $path );
		$data = false === $text ? null : json_decode( $text, true );
		if ( ! is_array( $data ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The file ' . basename( $path ) . ' of the clone is not readable JSON; make the clone again.' );
		}
		return $data;
	}

	/**
	 * @param string $path Where to.
	 * @param array  $data What.
	 * @param int    $mode File mode; 0600 since most of these hold a key.
	 * @throws Custom_Migrator_Import_Error `disk_full` when it cannot be written.
	 */
	public static function write( string $path, array $data, int $mode = 0600 ): void {
		$text = json_encode( $data, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE | JSON_PRESERVE_ZERO_FRACTION );
		if ( false === $text ) {
			throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The file ' . basename( $path ) . ' could not be encoded as JSON.' );
		}
		$temporary = $path . '.' . bin2hex( random_bytes( 4 ) ) . '.tmp';
		$handle    = fopen( $temporary, 'xb' );
		$written   = false;
		if ( false !== $handle ) {
			chmod( $temporary, $mode );
			$written = strlen( $text ) === fwrite( $handle, $text ) && fflush( $handle );
			self::sync( $handle );
			fclose( $handle );
		}
		if ( ! $written || ! rename( $temporary, $path ) ) {
			if ( file_exists( $temporary ) ) {
				unlink( $temporary );
			}
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not write ' . basename( $path ) . '; its disk is full or not writable.' );
		}
	}

	/**
	 * Read, change and write under a lock, so that two writers lose nothing.
	 *
	 * @param string   $path   Which file.
	 * @param callable $change Takes the array that is there (empty when none), returns the new one.
	 * @return array What was written.
	 */
	public static function update( string $path, callable $change ): array {
		$lock = fopen( $path . '.lock', 'c' );
		if ( false === $lock || ! flock( $lock, LOCK_EX ) ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not lock ' . basename( $path ) . '.' );
		}
		try {
			$current = self::read( $path );
			$data    = $change( null === $current ? array() : $current );
			self::write( $path, $data );
			return $data;
		} finally {
			flock( $lock, LOCK_UN );
			fclose( $lock );
		}
	}

	/**
	 * Flushes a file to the disk where PHP can (8.1 and later).
	 *
	 * @param resource $handle An open file.
	 */
	public static function sync( $handle ): void {
		if ( function_exists( 'fsync' ) ) {
			// Not every file system has it (php-wasm's mounted ones do not all); the rename still orders the write for a killed process.
			@fsync( $handle ); // phpcs:ignore WordPress.PHP.NoSilencedErrors.Discouraged
		}
	}
}
