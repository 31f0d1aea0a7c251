<?php
/**
 * Which files may be read.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * The roots, what is left out of them, and the jail: whatever a path resolves to must lie inside the site, and must be
 * neither its configuration nor its database.
 */
final class Custom_Migrator_Roots {
	const CONTENT = 'content';
	const CORE    = 'core';
	const UPLOADS = 'uploads';

	/** Left out of `content`, by lower-cased path: drop-ins that belong to this host, caches, ourselves. */
	const LEFT_OUT = array(
		'advanced-cache.php'                     => 'drop-in',
		'db.php'                                 => 'drop-in',
		'object-cache.php'                       => 'drop-in',
		'sunrise.php'                            => 'drop-in',
		'cache'                                  => 'cache',
		'upgrade'                                => 'cache',
		'upgrade-temp-backup'                    => 'cache',
		'plugins/custom-migrator'                => 'agent',
		'mu-plugins/0-clone-guard.php'           => 'agent',
		'mu-plugins/clone-guard'                 => 'agent',
		'database'                               => 'database',
		'mu-plugins/sqlite-database-integration' => 'database',
	);

	/** @var string[] Resolved folder by root. */
	private $folders = array();

	/** @var string[] Resolved folders that a link may end in. */
	private $inside = array();

	/** @var string[] Resolved files and folders that are never read, whatever path leads there. */
	private $secret = array();

	/** @var array<string, true> `device:inode` of the same, where the system numbers files. */
	private $secret_ids = array();

	/** @var bool */
	private $sqlite;

	public function __construct() {
		$this->add( self::CONTENT, WP_CONTENT_DIR );
		$this->add( self::CORE, ABSPATH );
		$uploads = self::uploads_dir();
		if ( null !== $uploads && ! self::is_below( $uploads, $this->folders[ self::CONTENT ] ) ) {
			$this->add( self::UPLOADS, $uploads );
		}
		$this->hide( ABSPATH . 'wp-config.php' );
		$this->hide( dirname( ABSPATH ) . '/wp-config.php' );
		$this->hide( Custom_Migrator_Remover::folder() );
		$this->sqlite = defined( 'FQDB' );
		if ( $this->sqlite ) {
			foreach ( array( '', '-wal', '-shm', '-journal' ) as $suffix ) {
				$this->hide( FQDB . $suffix );
			}
		}
		if ( defined( 'CLONE_DIR' ) ) {
			$this->hide( CLONE_DIR . '/clone.json' );
		}
	}

	/** The uploads folder, resolved; null when there is none. */
	public static function uploads_dir(): ?string {
		$uploads = wp_get_upload_dir();
		$real    = isset( $uploads['basedir'] ) && is_string( $uploads['basedir'] ) ? realpath( $uploads['basedir'] ) : false;
		return false === $real ? null : $real;
	}

	/** The root's resolved folder. Throws `no_such_root`. */
	public function folder( string $root ): string {
		if ( ! isset( $this->folders[ $root ] ) ) {
			throw new Custom_Migrator_Error( 'no_such_root', 'The site has no such root.', 404 );
		}
		return $this->folders[ $root ];
	}

	/**
	 * Why a path is left out; null when it is not. Asked for each folder on the way too.
	 *
	 * @param string $root Root.
	 * @param string $path Relative path.
	 */
	public function left_out( string $root, string $path ): ?string {
		if ( self::CORE === $root ) {
			return self::left_out_of_core( $path );
		}
		if ( self::CONTENT !== $root ) {
			return null;
		}
		$path = strtolower( $path );
		if ( ! isset( self::LEFT_OUT[ $path ] ) ) {
			return null;
		}
		$why = self::LEFT_OUT[ $path ];
		return 'database' === $why && ! $this->sqlite ? null : $why;
	}

	/** Whether something at the top of `core` is part of WordPress at all; the rest is neither listed nor named. */
	public function is_foreign( string $root, string $path, bool $folder ): bool {
		if ( self::CORE !== $root || false !== strpos( $path, '/' ) ) {
			return false;
		}
		return $folder ? ! in_array( $path, array( 'wp-admin', 'wp-includes' ), true ) : 1 !== preg_match( '/\.(php|txt|html)\z/i', $path );
	}

	/** Whether a resolved path is where a link may end. */
	public function is_inside( string $real ): bool {
		foreach ( $this->inside as $folder ) {
			if ( $real === $folder || self::is_below( $real, $folder ) ) {
				return true;
			}
		}
		return false;
	}

	/** Whether a resolved path is one that is never read. */
	public function is_secret( string $real ): bool {
		foreach ( $this->secret as $secret ) {
			if ( $real === $secret || self::is_below( $real, $secret ) ) {
				return true;
			}
		}
		$id = self::file_id( $real );
		return null !== $id && isset( $this->secret_ids[ $id ] );
	}

	/**
	 * A caller's path, resolved. Throws `bad_path` for what no honest listing contains.
	 *
	 * @return string|null Null when it is gone, or leads where nothing may be read.
	 */
	public function resolve( string $root, string $path ): ?string {
		$folder = $this->folder( $root );
		$broken = '' === $path || false !== strpos( $path, "\0" ) || ( '\\' === DIRECTORY_SEPARATOR && 1 === preg_match( '/[\\\\:]/', $path ) );
		$walked = '';
		foreach ( explode( '/', $path ) as $i => $segment ) {
			$broken  = $broken || '' === $segment || '.' === $segment || '..' === $segment;
			$walked .= ( 0 === $i ? '' : '/' ) . $segment;
			if ( $broken || null !== $this->left_out( $root, $walked ) ) {
				throw new Custom_Migrator_Error( 'bad_path', 'The path is not one that the site lists.', 400 );
			}
		}
		if ( $this->is_foreign( $root, explode( '/', $path )[0], false !== strpos( $path, '/' ) ) ) {
			throw new Custom_Migrator_Error( 'bad_path', 'The path is not one that the site lists.', 400 );
		}
		$real = realpath( $folder . '/' . $path );
		if ( false === $real || ! $this->is_inside( $real ) || $this->is_secret( $real ) ) {
			return null;
		}
		return $real;
	}

	private function add( string $root, string $path ): void {
		$real = realpath( $path );
		if ( false === $real ) {
			throw new Custom_Migrator_Error( 'root_unreadable', 'The site\'s ' . $root . ' folder cannot be resolved.', 500 );
		}
		$this->folders[ $root ] = $real;
		$this->inside[]         = $real;
	}

	private function hide( string $path ): void {
		$real = realpath( $path );
		if ( false === $real ) {
			return;
		}
		$this->secret[] = $real;
		$id             = is_file( $real ) ? self::file_id( $real ) : null;
		if ( null !== $id ) {
			$this->secret_ids[ $id ] = true;
		}
	}

	/** Keeps a configuration file recognizable under another letter case or by a hard link. */
	private static function file_id( string $path ): ?string {
		$stat = @stat( $path ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Gone is no answer.
		return false === $stat || 0 === $stat['ino'] ? null : $stat['dev'] . ':' . $stat['ino'];
	}

	/** Copies of wp-config.php hold its secrets too. */
	private static function left_out_of_core( string $path ): ?string {
		$is_config = 1 === preg_match( '/\Awp-config[^\/]*\z/i', $path ) && 'wp-config-sample.php' !== $path;
		return $is_config ? 'configuration' : null;
	}

	private static function is_below( string $path, string $folder ): bool {
		return 0 === strncmp( $path, rtrim( $folder, '/' ) . '/', strlen( rtrim( $folder, '/' ) ) + 1 );
	}
}
