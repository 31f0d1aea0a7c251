<?php
/**
 * A slot on disk: where everything is.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Paths below CLONE_DIR and the small files in it (docs/migrator-protocol.md, "A slot on disk").
 */
class Custom_Migrator_Slot {

	/** Files of the slot itself that stay in wp-content whatever the source has, relative to it. */
	const FIXTURES = array( 'db.php', 'mu-plugins/0-clone-guard.php' );

	/** @var string Absolute, without a trailing slash. */
	private $dir;

	public function __construct( string $dir ) {
		$real = realpath( $dir );
		if ( false === $real || ! is_dir( $real ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The clone has no folder.' );
		}
		$this->dir = $real;
	}

	public function dir(): string {
		return $this->dir;
	}

	public function path( string $relative ): string {
		return $this->dir . '/' . $relative;
	}

	public function wordpress(): string {
		return $this->dir . '/wordpress';
	}

	public function live_content(): string {
		return $this->dir . '/wordpress/wp-content';
	}

	public function import(): string {
		return $this->dir . '/import';
	}

	public function chunks(): string {
		return $this->dir . '/import/chunks';
	}

	public function staged_content(): string {
		return $this->dir . '/import/staging/content';
	}

	public function staged_core(): string {
		return $this->dir . '/import/staging/core';
	}

	public function staged_database(): string {
		return $this->dir . '/import/staging/content/database/.ht.sqlite';
	}

	public function work_database(): string {
		return $this->dir . '/import/work.sqlite';
	}

	public function switch_file(): string {
		return $this->dir . '/import/switch.json';
	}

	/** The SQLite integration's loader for use without WordPress. */
	public function driver(): string {
		return $this->dir . '/system/sqlite-database-integration/wp-includes/database/load.php';
	}

	/**
	 * The slot's own MySQL database, when the host gave it one.
	 *
	 * @return array|null `{host, port, name, user, password, tls}`
	 * @throws Custom_Migrator_Import_Error `slot_damaged` when what stands there is no such thing: an import never lands
	 *                                      elsewhere than where it was asked to.
	 */
	public function mysql(): ?array {
		$clone = Custom_Migrator_Json_File::read( $this->dir . '/clone.json' );
		if ( ! isset( $clone['database'] ) ) {
			return null;
		}
		$database = is_array( $clone['database'] ) ? $clone['database'] : array();
		foreach ( array( 'host', 'name', 'user', 'password' ) as $member ) {
			if ( ! isset( $database[ $member ] ) || ! is_string( $database[ $member ] ) || '' === $database[ $member ] ) {
				throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The clone does not know its database.' );
			}
		}
		return array(
			'host'     => $database['host'],
			'port'     => isset( $database['port'] ) ? (int) $database['port'] : 3306,
			'name'     => $database['name'],
			'user'     => $database['user'],
			'password' => $database['password'],
			'tls'      => ! empty( $database['tls'] ),
		);
	}

	public function request(): ?array {
		return Custom_Migrator_Json_File::read( $this->import() . '/request.json' );
	}

	public function cancelled(): bool {
		return file_exists( $this->import() . '/cancel' );
	}

	public function state(): Custom_Migrator_Import_State {
		return new Custom_Migrator_Import_State( $this->import() . '/state.json' );
	}

	/**
	 * Changes members of clone.json, keeping the others.
	 */
	public function update_clone( array $patch ): void {
		Custom_Migrator_Json_File::update(
			$this->dir . '/clone.json',
			static function ( array $clone ) use ( $patch ): array {
				return array_merge( $clone, $patch );
			}
		);
	}

	public function clone_json(): array {
		$clone = Custom_Migrator_Json_File::read( $this->dir . '/clone.json' );
		if ( null === $clone ) {
			throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The clone has no clone.json.' );
		}
		return $clone;
	}

	public static function ensure_dir( string $path ): void {
		clearstatcache( true, $path );
		if ( ! is_dir( $path ) && ! mkdir( $path, 0755, true ) && ! is_dir( $path ) ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not make the folder ' . basename( $path ) . '.' );
		}
	}

	/**
	 * Removes a file or a whole folder, links never followed. No error when there is none.
	 */
	public static function remove_tree( string $path ): void {
		if ( is_link( $path ) || is_file( $path ) ) {
			unlink( $path );
			return;
		}
		if ( ! is_dir( $path ) ) {
			return;
		}
		$names = scandir( $path );
		foreach ( false === $names ? array() : $names as $name ) {
			if ( '.' !== $name && '..' !== $name ) {
				self::remove_tree( $path . '/' . $name );
			}
		}
		rmdir( $path );
	}

	/**
	 * Removes everything staged. What is live stays untouched.
	 */
	public function remove_staged(): void {
		self::remove_tree( $this->import() . '/staging' );
		self::remove_tree( $this->chunks() );
		foreach ( array( '', '-journal', '-wal', '-shm' ) as $suffix ) {
			self::remove_tree( $this->work_database() . $suffix );
		}
		// Half-written, by a process that was killed.
		$left = glob( $this->import() . '/*.json.*.tmp' );
		array_map( array( __CLASS__, 'remove_tree' ), false === $left ? array() : $left );
	}
}
