<?php
/**
 * Writes files below one folder, and nowhere else.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Paths come from the source and are hostile until shown otherwise: relative, no `..`, no NUL, no backslash, and no link
 * on the way (each parent is looked at with lstat before the first write into it).
 */
class Custom_Migrator_Jailed_Writer {

	/** Longest path and longest name that Linux takes. */
	const PATH_MAX = 3500;
	const NAME_MAX = 255;

	/** @var string */
	private $root;

	/** @var array<string,true> Folders known to be real ones. */
	private $folders = array();

	public function __construct( string $root ) {
		Custom_Migrator_Slot::ensure_dir( $root );
		$this->root = $root;
	}

	/**
	 * @return string|null Why a path is refused, in words; null when it is good.
	 */
	public static function fault( string $path ): ?string {
		if ( '' === $path || '/' === $path[0] || strlen( $path ) > self::PATH_MAX ) {
			return 'not a relative path';
		}
		if ( false !== strpos( $path, "\0" ) || false !== strpos( $path, '\\' ) ) {
			return 'a character that file names here cannot have';
		}
		foreach ( explode( '/', $path ) as $name ) {
			if ( '' === $name || '.' === $name || '..' === $name ) {
				return 'a path that leaves its folder';
			}
			if ( strlen( $name ) > self::NAME_MAX ) {
				return 'a name that is too long';
			}
		}
		return null;
	}

	/**
	 * The absolute path, its folders made.
	 *
	 * @throws Custom_Migrator_Import_Error `unsafe_path` when the path is refused or a link is on the way.
	 */
	public function place( string $path ): string {
		$fault = self::fault( $path );
		if ( null !== $fault ) {
			throw Custom_Migrator_Import_Error::permanent( 'unsafe_path', 'The source named a file with ' . $fault . '.' );
		}
		$parent = dirname( $path );
		if ( '.' !== $parent ) {
			$this->folder( $parent );
		}
		$target = $this->root . '/' . $path;
		if ( is_link( $target ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'unsafe_path', 'A link lies where a file of the source should go.' );
		}
		return $target;
	}

	/** Makes a folder and those above it. */
	public function folder( string $path ): void {
		if ( isset( $this->folders[ $path ] ) ) {
			return;
		}
		$fault = self::fault( $path );
		if ( null !== $fault ) {
			throw Custom_Migrator_Import_Error::permanent( 'unsafe_path', 'The source named a folder with ' . $fault . '.' );
		}
		$current = $this->root;
		$walked  = '';
		foreach ( explode( '/', $path ) as $name ) {
			$walked   = '' === $walked ? $name : $walked . '/' . $name;
			$current .= '/' . $name;
			if ( isset( $this->folders[ $walked ] ) ) {
				continue;
			}
			clearstatcache( true, $current );
			$stat = @lstat( $current ); // phpcs:ignore WordPress.PHP.NoSilencedErrors.Discouraged -- That there is none is an answer.
			if ( false === $stat ) {
				Custom_Migrator_Slot::ensure_dir( $current );
			} elseif ( 0040000 !== ( $stat['mode'] & 0170000 ) ) {
				throw Custom_Migrator_Import_Error::permanent( 'unsafe_path', 'Something that is no folder lies where a folder of the source should go.' );
			}
			$this->folders[ $walked ] = true;
		}
	}

	/**
	 * Writes bytes at an offset, making the file if need be.
	 */
	public function write_at( string $path, int $offset, string $bytes ): void {
		$target = $this->place( $path );
		$file   = fopen( $target, 'cb' );
		$good   = false !== $file && 0 === fseek( $file, $offset ) && fwrite( $file, $bytes ) === strlen( $bytes );
		if ( false !== $file ) {
			$good = fclose( $file ) && $good;
		}
		if ( ! $good ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not write a file; its disk may be full.' );
		}
	}

	/**
	 * Cuts the file to its size, sets mode and time, and reads it back.
	 *
	 * @return string SHA-256 of what is on the disk, hex.
	 */
	public function seal( string $path, int $size, int $mtime ): string {
		$target = $this->place( $path );
		clearstatcache( true, $target );
		if ( ! is_file( $target ) || filesize( $target ) !== $size ) {
			$file = fopen( $target, 'cb' );
			if ( false === $file || ! ftruncate( $file, $size ) || ! fclose( $file ) ) {
				throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not write a file; its disk may be full.' );
			}
		}
		chmod( $target, 0644 );
		touch( $target, $mtime );
		return (string) hash_file( 'sha256', $target );
	}

	/** SHA-256 of a part of the file as it is on the disk, hex; empty when it is not all there. */
	public function hash_part( string $path, int $offset, int $length ): string {
		$file = fopen( $this->place( $path ), 'rb' );
		if ( false === $file || 0 !== fseek( $file, $offset ) ) {
			return '';
		}
		$hash = hash_init( 'sha256' );
		$read = hash_update_stream( $hash, $file, $length );
		fclose( $file );
		return $read === $length ? hash_final( $hash ) : '';
	}

	public function remove( string $path ): void {
		$target = $this->place( $path );
		if ( is_file( $target ) ) {
			unlink( $target );
		}
	}
}
