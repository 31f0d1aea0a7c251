<?php
/**
 * What the slot has on its disk already.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * The bundled core and the bundled themes and plugins, so that they need not travel.
 */
class Custom_Migrator_Local_Files {

	/** @var Custom_Migrator_Slot */
	private $slot;

	/** @var array<string,string>|null Hashes of the bundled core, when the host gave them. */
	private $core = null;

	/** @var bool|null */
	private $any_name = null;

	public function __construct( Custom_Migrator_Slot $slot ) {
		$this->slot = $slot;
		// `{files: {path: sha256}}`, made by the host when it unpacked the bundle: saves hashing 3,000 files again.
		foreach ( array( 'core.json', 'system/core.json' ) as $name ) {
			$known = Custom_Migrator_Json_File::read( $slot->path( $name ) );
			if ( null !== $known && isset( $known['files'] ) && is_array( $known['files'] ) ) {
				$this->core = $known['files'];
				break;
			}
		}
	}

	/** Whether the slot's core has this very file. */
	public function core_is( string $path, int $size, string $sha256 ): bool {
		$file = $this->slot->wordpress() . '/' . $path;
		clearstatcache( true, $file );
		$stat = @lstat( $file ); // phpcs:ignore WordPress.PHP.NoSilencedErrors.Discouraged -- No such file is an answer.
		if ( false === $stat || 0100000 !== ( $stat['mode'] & 0170000 ) || $stat['size'] !== $size ) {
			return false;
		}
		$hash = null !== $this->core && isset( $this->core[ $path ] ) && is_string( $this->core[ $path ] ) ? $this->core[ $path ] : (string) hash_file( 'sha256', $file );
		return '' !== $hash && hash_equals( $sha256, $hash );
	}

	/** The version of the bundled core; empty when it cannot be told. */
	public function core_version(): string {
		$file = $this->slot->wordpress() . '/wp-includes/version.php';
		$text = is_file( $file ) ? (string) file_get_contents( $file ) : '';
		return preg_match( '/\$wp_version\s*=\s*[\'"]([^\'"]+)/', $text, $match ) ? $match[1] : '';
	}

	/**
	 * @param array<string,int> $but Paths to pass over, as keys.
	 * @return Generator Paths of the bundled core, relative to ABSPATH.
	 */
	public function core_paths( array $but ): Generator {
		if ( null !== $this->core ) {
			foreach ( array_keys( array_diff_key( $this->core, $but ) ) as $path ) {
				if ( null === Custom_Migrator_File_Rules::refused( 'core', (string) $path ) && is_file( $this->slot->wordpress() . '/' . $path ) ) {
					yield (string) $path;
				}
			}
			return;
		}
		foreach ( array( 'wp-admin', 'wp-includes', '' ) as $folder ) {
			foreach ( $this->walk( $folder ) as $path ) {
				if ( ! isset( $but[ $path ] ) && null === Custom_Migrator_File_Rules::refused( 'core', $path ) ) {
					yield $path;
				}
			}
		}
	}

	/**
	 * Copies a file of the slot's own wp-content to where it is wanted, if it is the same.
	 */
	public function copy_content( string $path, int $size, string $sha256, string $to ): bool {
		$file = $this->slot->live_content() . '/' . $path;
		clearstatcache( true, $file );
		if ( is_link( $file ) || ! is_file( $file ) || filesize( $file ) !== $size || hash_file( 'sha256', $file ) !== $sha256 ) {
			return false;
		}
		return copy( $file, $to );
	}

	/**
	 * Whether this host's file system takes the name byte for byte (php-wasm's does not, unless it is UTF-8).
	 */
	public function can_name( string $path ): bool {
		if ( 1 === preg_match( '//u', $path ) ) {
			return true;
		}
		if ( null === $this->any_name ) {
			$name   = "name-\xff-probe";
			$folder = $this->slot->chunks();
			touch( $folder . '/' . $name );
			$listed         = scandir( $folder );
			$this->any_name = is_array( $listed ) && in_array( $name, $listed, true );
			unlink( $folder . '/' . $name );
		}
		return $this->any_name;
	}

	private function walk( string $folder ): Generator {
		$base  = $this->slot->wordpress() . ( '' === $folder ? '' : '/' . $folder );
		$names = is_dir( $base ) ? scandir( $base ) : false;
		foreach ( false === $names ? array() : $names as $name ) {
			if ( '.' === $name || '..' === $name ) {
				continue;
			}
			$path = '' === $folder ? $name : $folder . '/' . $name;
			if ( is_file( $base . '/' . $name ) ) {
				yield $path;
			} elseif ( '' !== $folder && is_dir( $base . '/' . $name ) && ! is_link( $base . '/' . $name ) ) {
				yield from $this->walk( $path );
			}
		}
	}
}
