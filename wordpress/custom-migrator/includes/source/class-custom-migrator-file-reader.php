<?php
/**
 * The verb `read`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Reads parts of files that were listed, as long as they are what was listed. */
final class Custom_Migrator_File_Reader {
	/** Parts in one request. */
	const PARTS = 5000;

	/** @var Custom_Migrator_Roots */
	private $roots;

	/** @var Custom_Migrator_Budget */
	private $budget;

	public function __construct( Custom_Migrator_Roots $roots, Custom_Migrator_Budget $budget ) {
		$this->roots  = $roots;
		$this->budget = $budget;
	}

	/**
	 * `{files: [{root, path, offset, length, size, mtime}], max_bytes?, gzip?}` → `{parts: [{bytes, eof, error?}]}` and
	 * the parts. When the payload is full or time is up, the parts that are left have 0 bytes and are not at their end.
	 */
	public function read( array $args ): Custom_Migrator_Reply {
		if ( ! isset( $args['files'] ) || ! is_array( $args['files'] ) || count( $args['files'] ) > self::PARTS ) {
			throw Custom_Migrator_Arguments::bad( 'files must be a list of at most ' . self::PARTS );
		}
		$payload = new Custom_Migrator_Payload( ! empty( $args['gzip'] ) );
		$max     = Custom_Migrator_Arguments::max_bytes( $args );
		$parts   = array();
		foreach ( $args['files'] as $file ) {
			if ( ! is_array( $file ) ) {
				throw Custom_Migrator_Arguments::bad( 'files must be a list of objects' );
			}
			$parts[] = $this->part( $file, $payload, $max );
		}
		return new Custom_Migrator_Reply( array( 'parts' => $parts ), $payload );
	}

	private function part( array $file, Custom_Migrator_Payload $payload, int $max ): array {
		$root   = Custom_Migrator_Arguments::text( $file, 'root' );
		$path   = Custom_Migrator_Arguments::bytes( isset( $file['path'] ) ? $file['path'] : null, 'path' );
		$offset = Custom_Migrator_Arguments::count( $file, 'offset' );
		$length = Custom_Migrator_Arguments::count( $file, 'length' );
		$size   = Custom_Migrator_Arguments::count( $file, 'size' );
		$mtime  = isset( $file['mtime'] ) && is_int( $file['mtime'] ) ? $file['mtime'] : null;
		if ( null === $mtime ) {
			throw Custom_Migrator_Arguments::bad( 'mtime must be a whole number' );
		}
		$real   = $this->roots->resolve( $root, $path );
		if ( null === $real ) {
			return self::failed( self::is_there( $this->roots->folder( $root ) . '/' . $path ) ? 'unreadable' : 'gone' );
		}
		// Opening anything but a file (a pipe, say) could wait for ever.
		$handle = is_file( $real ) ? @fopen( $real, 'rb' ) : false; // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Told to the caller.
		if ( false === $handle ) {
			return self::failed( self::is_there( $real ) ? 'unreadable' : 'gone' );
		}
		try {
			if ( ! self::is_as_listed( $handle, $size, $mtime ) ) {
				return self::failed( 'changed' );
			}
			$bytes = $this->copy( $handle, $offset, min( $length, max( 0, $size - $offset ), $max - $payload->raw_bytes() ), $payload );
			if ( ! self::is_as_listed( $handle, $size, $mtime ) ) {
				return array( 'bytes' => $bytes ) + self::failed( 'changed' );
			}
			return array(
				'bytes' => $bytes,
				'eof'   => $offset + $bytes >= $size,
			);
		} finally {
			fclose( $handle );
		}
	}

	/**
	 * @param resource                $handle  File.
	 * @param int                     $offset  Bytes.
	 * @param int                     $length  Bytes at most.
	 * @param Custom_Migrator_Payload $payload Takes them.
	 * @return int Bytes copied.
	 */
	private function copy( $handle, int $offset, int $length, Custom_Migrator_Payload $payload ): int {
		$copied = 0;
		if ( $length <= 0 || 0 !== fseek( $handle, $offset ) ) {
			return 0;
		}
		while ( $copied < $length && ( 0 === $payload->raw_bytes() || ! $this->budget->spent() ) ) {
			$bytes = fread( $handle, min( 262144, $length - $copied ) );
			if ( false === $bytes || '' === $bytes ) {
				break;
			}
			$payload->add( $bytes );
			$copied += strlen( $bytes );
		}
		return $copied;
	}

	/** Asks the disk, not PHP's memory of it. */
	private static function is_there( string $path ): bool {
		clearstatcache( true, $path );
		return false !== @lstat( $path ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Gone is an answer.
	}

	/** @param resource $handle File. */
	private static function is_as_listed( $handle, int $size, int $mtime ): bool {
		$stat = fstat( $handle );
		return false !== $stat && $stat['size'] === $size && $stat['mtime'] === $mtime;
	}

	private static function failed( string $error ): array {
		return array(
			'bytes' => 0,
			'eof'   => false,
			'error' => $error,
		);
	}
}
