<?php
/**
 * The verb `files`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Walks a root depth first, names of a folder in the order of their bytes, a page at a time.
 *
 * A cursor is the way down to the last thing that was listed or skipped: `[[base64 of a name, whether anything of that
 * folder was listed before], …]`. Going on lists only the folders on that way again; of a folder only the next BATCH
 * names are held, however many it has.
 */
final class Custom_Migrator_File_List {
	/** Names of a folder held at once. */
	const BATCH = 4096;

	/** Files longer than this are listed without a hash; their parts are proved as they are read. */
	const HASHED = 67108864;

	/** Deeper folders are skipped. */
	const DEPTH = 100;

	/** Links followed on one way down. */
	const LINKS = 5;

	/** Skipped things named in one answer. */
	const SKIPPED = 1000;

	/** @var Custom_Migrator_Roots */
	private $roots;

	/** @var Custom_Migrator_Budget */
	private $budget;

	/** @var Custom_Migrator_Payload */
	private $payload;

	/** @var string */
	private $root = '';

	/** @var int */
	private $max_bytes = 0;

	/** @var array[] */
	private $skipped = array();

	/** @var int Things listed or skipped in this request. */
	private $done = 0;

	/** @var array[]|null The way down to where this page ended, while it ends. */
	private $stopped = null;

	/** @var bool The file just visited is left to the next request: hashing it would have taken too long. */
	private $postponed = false;

	public function __construct( Custom_Migrator_Roots $roots, Custom_Migrator_Budget $budget ) {
		$this->roots  = $roots;
		$this->budget = $budget;
	}

	/** `{root, cursor?, max_bytes?, gzip?}` → `{cursor, skipped}` and one JSON object a line. */
	public function page( array $args ): Custom_Migrator_Reply {
		$this->root      = Custom_Migrator_Arguments::text( $args, 'root' );
		$this->payload   = new Custom_Migrator_Payload( ! empty( $args['gzip'] ) );
		$this->max_bytes = Custom_Migrator_Arguments::max_bytes( $args );
		$folder          = $this->roots->folder( $this->root );
		$this->walk( $folder, '', self::way( isset( $args['cursor'] ) ? $args['cursor'] : array() ), array( $folder ), 0 );
		return new Custom_Migrator_Reply(
			array(
				'cursor'  => $this->stopped,
				'skipped' => $this->skipped,
			),
			$this->payload
		);
	}

	/**
	 * Walks one folder.
	 *
	 * @param string   $folder  Where it is.
	 * @param string   $path    Relative, '' for the root.
	 * @param array[]  $way     Where to go on in it: `[name, anything listed]`, then below; empty to begin.
	 * @param string[] $parents Resolved folders from the root to this one.
	 * @param int      $links   Links followed so far.
	 * @return bool Whether anything of it was listed (also in earlier requests).
	 */
	private function walk( string $folder, string $path, array $way, array $parents, int $links ): bool {
		$after  = array() === $way ? null : $way[0][0];
		$any    = array() !== $way && $way[0][1];
		$below  = array_slice( $way, 1 );
		$inside = array() !== $below;
		do {
			$names = self::names( $folder, $after, $inside );
			if ( null === $names ) {
				$this->skip( $path, 'unreadable' );
				return true;
			}
			foreach ( $names as $name ) {
				$resumed = $inside && $name === $after;
				if ( $this->full() && ! $resumed ) {
					$this->stopped = array( array( base64_encode( (string) $after ), $any ) );
					return $any;
				}
				$listed = $this->visit( $folder . '/' . $name, '' === $path ? $name : $path . '/' . $name, $resumed ? $below : array(), $parents, $links );
				if ( $this->postponed ) {
					$this->postponed = false;
					$this->stopped   = array( array( base64_encode( (string) $after ), $any ) );
					return $any;
				}
				$any = $listed || $any;
				if ( null !== $this->stopped ) {
					array_unshift( $this->stopped, array( base64_encode( $name ), $any ) );
					return $any;
				}
				$after  = $name;
				$inside = false;
			}
			$inside = false;
		} while ( count( $names ) === self::BATCH );
		return $any;
	}

	/** @return bool Whether it was listed. */
	private function visit( string $full, string $path, array $way, array $parents, int $links ): bool {
		$why  = $this->roots->left_out( $this->root, $path );
		$real = null === $why && is_link( $full ) ? realpath( $full ) : $full;
		if ( null === $why && $real !== $full ) {
			$why = $this->why_not_follow( $real, $parents, $links );
			++$links;
		}
		$is_folder = null === $why && is_dir( $real );
		if ( $this->roots->is_foreign( $this->root, $path, null === $why ? $is_folder : is_dir( $full ) ) ) {
			return false;
		}
		if ( null === $why && $this->roots->is_secret( $real ) ) {
			$why = 'secret';
		}
		if ( null === $why && $is_folder && count( $parents ) >= self::DEPTH ) {
			$why = 'too_deep';
		}
		if ( null !== $why ) {
			$this->skip( $path, $why );
			return false;
		}
		if ( $is_folder ) {
			return $this->folder( $real, $path, $way, array_merge( $parents, array( $real ) ), $links );
		}
		return $this->file( $real, $path );
	}

	private function folder( string $real, string $path, array $way, array $parents, int $links ): bool {
		$any = $this->walk( $real, $path, $way, $parents, $links );
		if ( null === $this->stopped && ! $any ) {
			$this->line(
				array(
					'p' => Custom_Migrator_Arguments::json_bytes( $path ),
					'd' => 1,
				)
			);
		}
		return true;
	}

	private function file( string $real, string $path ): bool {
		$stat = @stat( $real ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- It may be gone by now.
		if ( false === $stat || ! is_file( $real ) ) {
			$this->skip( $path, false === $stat ? 'gone' : 'special' );
			return false;
		}
		$line = array(
			'p' => Custom_Migrator_Arguments::json_bytes( $path ),
			's' => $stat['size'],
			'm' => $stat['mtime'],
		);
		$file = @fopen( $real, 'rb' ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Named below.
		if ( false === $file ) {
			$this->skip( $path, 'unreadable' );
			return false;
		}
		$hash = $stat['size'] > self::HASHED ? null : $this->hash( $file );
		fclose( $file );
		if ( null === $hash && $stat['size'] <= self::HASHED && $this->done > 0 ) {
			$this->postponed = true;
			return false;
		}
		$this->line( null === $hash ? $line : $line + array( 'h' => $hash ) );
		return true;
	}

	/**
	 * SHA-256 of an open file; null when time runs out. (The first file of a request is then listed without.)
	 *
	 * @param resource $file Open at its beginning.
	 */
	private function hash( $file ): ?string {
		$hash = hash_init( 'sha256' );
		while ( ! feof( $file ) ) {
			$bytes = fread( $file, 1048576 );
			if ( false === $bytes || $this->budget->spent() ) {
				return null;
			}
			hash_update( $hash, $bytes );
		}
		return hash_final( $hash );
	}

	/**
	 * @param string|false $real    What a link resolves to.
	 * @param string[]     $parents Resolved folders above it.
	 * @param int          $links   Links followed so far.
	 */
	private function why_not_follow( $real, array $parents, int $links ): ?string {
		if ( false === $real ) {
			return 'broken_link';
		}
		if ( ! $this->roots->is_inside( $real ) ) {
			return 'link_outside';
		}
		foreach ( $parents as $parent ) {
			if ( $parent === $real || 0 === strncmp( $parent, $real . '/', strlen( $real ) + 1 ) ) {
				return 'link_loop';
			}
		}
		return $links >= self::LINKS ? 'too_many_links' : null;
	}

	/**
	 * The next names of a folder in the order of their bytes.
	 *
	 * @param string      $folder    Folder.
	 * @param string|null $after     Names after this one.
	 * @param bool        $inclusive And this one.
	 * @return string[]|null At most BATCH; null when it cannot be opened.
	 */
	private static function names( string $folder, ?string $after, bool $inclusive ): ?array {
		$handle = @opendir( $folder ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Named by the caller.
		if ( false === $handle ) {
			return null;
		}
		$names = array();
		while ( true ) {
			$name = readdir( $handle );
			if ( false === $name ) {
				break;
			}
			$order = null === $after ? 1 : strcmp( $name, $after );
			if ( '.' === $name || '..' === $name || $order < 0 || ( 0 === $order && ! $inclusive ) ) {
				continue;
			}
			$names[] = $name;
			if ( count( $names ) >= 2 * self::BATCH ) {
				sort( $names, SORT_STRING );
				$names = array_slice( $names, 0, self::BATCH );
			}
		}
		closedir( $handle );
		sort( $names, SORT_STRING );
		return array_slice( $names, 0, self::BATCH );
	}

	private function line( array $line ): void {
		$json = json_encode( $line, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
		if ( false === $json ) {
			throw new Custom_Migrator_Error( 'encode_failed', 'A file name could not be written as JSON.', 500 );
		}
		$this->payload->add( $json . "\n" );
		++$this->done;
	}

	private function skip( string $path, string $reason ): void {
		$this->skipped[] = array(
			'path'   => Custom_Migrator_Arguments::json_bytes( $path ),
			'reason' => $reason,
		);
		++$this->done;
	}

	/** Whether the page should end here. Never before something was done, so that every page goes on. */
	private function full(): bool {
		return $this->done > 0 && ( $this->budget->spent() || $this->payload->raw_bytes() >= $this->max_bytes - 16384 || count( $this->skipped ) >= self::SKIPPED );
	}

	/**
	 * @param mixed $cursor As handed back.
	 * @return array[]
	 */
	private static function way( $cursor ): array {
		$way = array();
		foreach ( is_array( $cursor ) ? $cursor : array( null ) as $step ) {
			$name = is_array( $step ) && isset( $step[0], $step[1] ) && is_string( $step[0] ) ? base64_decode( $step[0], true ) : false;
			if ( false === $name || false !== strpos( $name, '/' ) || false !== strpos( $name, "\0" ) ) {
				throw Custom_Migrator_Arguments::bad( 'the cursor is not of this listing' );
			}
			$way[] = array( $name, true === $step[1] );
		}
		return $way;
	}
}
