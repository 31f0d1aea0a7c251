<?php
/**
 * Which files there are, and how far each is.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A SQLite file of its own (import/work.sqlite), since a site may have 300,000 files. A file is `wanted` until all its
 * parts are there and its hash is right; parts are what is asked for.
 */
class Custom_Migrator_File_Plan {

	const WANTED  = 0;
	const STAGED  = 1;
	/** A core file that the slot has already, byte for byte. */
	const SAME    = 2;
	/** Given up; named in the differences. */
	const MISSED  = 3;
	/** Changed while it was read; wanted again once the source was listed anew. */
	const CHANGED = 4;

	/** Bytes of a file that are asked for at once. */
	const PART = 4194304;

	/** @var PDO */
	private $pdo;

	/** @var array<string,PDOStatement> By their text: a listing runs the same few thousands of times. */
	private $statements = array();

	public function __construct( string $path ) {
		$this->pdo = Custom_Migrator_Import_Sqlite::open( $path );
		$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS roots (root TEXT PRIMARY KEY, cursor TEXT, listed INTEGER NOT NULL DEFAULT 0)' );
		$this->pdo->exec(
			'CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY, root TEXT NOT NULL, path TEXT NOT NULL, size INTEGER NOT NULL,
				mtime INTEGER NOT NULL, sha256 TEXT NOT NULL, state INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0, UNIQUE (root, path))'
		);
		$this->pdo->exec( 'CREATE INDEX IF NOT EXISTS files_state ON files (state)' );
		$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS parts (id INTEGER PRIMARY KEY, file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL)' );
		$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS landed (file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (file, offset))' );
		$this->pdo->exec( 'CREATE INDEX IF NOT EXISTS parts_file ON parts (file)' );
	}

	public function begin(): void {
		$this->pdo->beginTransaction();
	}

	public function commit(): void {
		$this->pdo->commit();
	}

	public function roll_back(): void {
		if ( $this->pdo->inTransaction() ) {
			$this->pdo->rollBack();
		}
	}

	/** @return array `{cursor: mixed, listed: bool}` */
	public function root( string $root ): array {
		$row = $this->one( 'SELECT cursor, listed FROM roots WHERE root = ?', array( $root ) );
		return array(
			'cursor' => null === $row || null === $row['cursor'] ? null : json_decode( $row['cursor'], true )[0],
			'listed' => null !== $row && 1 === (int) $row['listed'],
		);
	}

	public function save_root( string $root, $cursor ): void {
		$this->run(
			'INSERT INTO roots (root, cursor, listed) VALUES (?, ?, ?) ON CONFLICT (root) DO UPDATE SET cursor = excluded.cursor, listed = excluded.listed',
			array( $root, null === $cursor ? null : json_encode( array( $cursor ) ), null === $cursor ? 1 : 0 )
		);
	}

	/** Lists the roots again from the start: some of their files have changed. */
	public function list_again(): void {
		$this->pdo->exec( 'UPDATE roots SET cursor = NULL, listed = 0' );
	}

	/**
	 * @return array|null The file as it stands in the plan.
	 */
	public function find( string $root, string $path ): ?array {
		return $this->one( 'SELECT * FROM files WHERE root = ? AND path = ?', array( $root, $path ) );
	}

	/**
	 * Puts a file into the plan (or anew, when it has changed), with the parts to ask for when it is wanted.
	 *
	 * @param string $root  content, core or uploads.
	 * @param array  $entry `{path, size, mtime, sha256}`.
	 * @param int    $state One of the constants.
	 */
	public function put( string $root, array $entry, int $state ): void {
		$this->run(
			'INSERT INTO files (root, path, size, mtime, sha256, state) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (root, path) DO UPDATE SET size = excluded.size, mtime = excluded.mtime, sha256 = excluded.sha256, state = excluded.state, tries = 0',
			array( $root, $entry['path'], $entry['size'], $entry['mtime'], $entry['sha256'], $state )
		);
		if ( self::WANTED === $state ) {
			$file = $this->find( $root, $entry['path'] );
			$this->plan_parts( (int) $file['id'], $entry['size'] );
		}
	}

	public function plan_parts( int $file, int $size ): void {
		$this->run( 'DELETE FROM parts WHERE file = ?', array( $file ) );
		$this->run( 'DELETE FROM landed WHERE file = ?', array( $file ) );
		for ( $offset = 0; $offset < $size; $offset += self::PART ) {
			$this->add_part( $file, $offset, min( self::PART, $size - $offset ) );
		}
	}

	public function add_part( int $file, int $offset, int $length ): void {
		$this->run( 'INSERT INTO parts (file, offset, length) VALUES (?, ?, ?)', array( $file, $offset, $length ) );
	}

	/**
	 * @return array[] Parts after a number, with their files: `{part, file, offset, length, root, path, size, mtime, sha256, tries}`.
	 */
	public function parts_after( int $after, int $limit ): array {
		$statement = $this->pdo->prepare(
			'SELECT p.id AS part, p.file, p.offset, p.length, f.root, f.path, f.size, f.mtime, f.sha256, f.tries
				FROM parts p JOIN files f ON f.id = p.file WHERE p.id > ? AND f.state = ' . self::WANTED . ' ORDER BY p.id LIMIT ' . $limit
		);
		$statement->execute( array( $after ) );
		return array_map( array( __CLASS__, 'numbers' ), $statement->fetchAll( PDO::FETCH_ASSOC ) );
	}

	public function drop_part( int $part ): void {
		$this->run( 'DELETE FROM parts WHERE id = ?', array( $part ) );
	}

	public function part_length( int $part ): int {
		$row = $this->one( 'SELECT length FROM parts WHERE id = ?', array( $part ) );
		return null === $row ? 0 : (int) $row['length'];
	}

	/** Keeps the hash of a part as it came, for a file that has none as a whole. */
	public function note_landed( int $file, int $offset, int $length, string $sha256 ): void {
		$this->run( 'INSERT OR REPLACE INTO landed (file, offset, length, sha256) VALUES (?, ?, ?, ?)', array( $file, $offset, $length, $sha256 ) );
	}

	/** @return array[] `{offset, length, sha256}` by offset. */
	public function landed( int $file ): array {
		$statement = $this->pdo->prepare( 'SELECT offset, length, sha256 FROM landed WHERE file = ? ORDER BY offset' );
		$statement->execute( array( $file ) );
		return array_map( array( __CLASS__, 'numbers' ), $statement->fetchAll( PDO::FETCH_ASSOC ) );
	}

	public function has_parts( int $file ): bool {
		return null !== $this->one( 'SELECT 1 AS there FROM parts WHERE file = ? LIMIT 1', array( $file ) );
	}

	public function set_state( int $file, int $state ): void {
		$this->run( 'UPDATE files SET state = ?, tries = tries + 1 WHERE id = ?', array( $state, $file ) );
		if ( self::WANTED !== $state ) {
			$this->run( 'DELETE FROM parts WHERE file = ?', array( $file ) );
		}
	}

	/** Files in a state: `{files: int, bytes: int}`. */
	public function total( int ...$states ): array {
		$row = $this->one( 'SELECT COUNT(*) AS files, COALESCE(SUM(size), 0) AS bytes FROM files WHERE state IN (' . implode( ', ', array_map( 'intval', $states ) ) . ')', array() );
		return array(
			'files' => (int) $row['files'],
			'bytes' => (int) $row['bytes'],
		);
	}

	/** Bytes of wanted files that are still to come. */
	public function bytes_to_come(): int {
		return (int) $this->one( 'SELECT COALESCE(SUM(length), 0) AS bytes FROM parts', array() )['bytes'];
	}

	/** @return array<string,int> The paths of a root, as keys: any state. */
	public function paths( string $root ): array {
		$statement = $this->execute( 'SELECT path FROM files WHERE root = ?', array( $root ) );
		return array_flip( $statement->fetchAll( PDO::FETCH_COLUMN ) );
	}

	/** @return Generator Files in a state: `{id, root, path, …}`, by number, so that a caller can go on after one. */
	public function each( int $state, int $after = 0, string $root = '' ): Generator {
		do {
			$statement = $this->pdo->prepare( 'SELECT * FROM files WHERE state = ? AND id > ?' . ( '' === $root ? '' : ' AND root = ?' ) . ' ORDER BY id LIMIT 500' );
			$statement->execute( '' === $root ? array( $state, $after ) : array( $state, $after, $root ) );
			$rows = $statement->fetchAll( PDO::FETCH_ASSOC );
			foreach ( $rows as $row ) {
				$after = (int) $row['id'];
				yield self::numbers( $row );
			}
		} while ( array() !== $rows );
	}

	private static function numbers( array $row ): array {
		foreach ( array( 'id', 'part', 'file', 'offset', 'length', 'size', 'mtime', 'state', 'tries' ) as $name ) {
			if ( isset( $row[ $name ] ) ) {
				$row[ $name ] = (int) $row[ $name ];
			}
		}
		return $row;
	}

	private function run( string $sql, array $args ): void {
		$this->execute( $sql, $args )->closeCursor();
	}

	private function one( string $sql, array $args ): ?array {
		$statement = $this->execute( $sql, $args );
		$row       = $statement->fetch( PDO::FETCH_ASSOC );
		$statement->closeCursor();
		return false === $row ? null : $row;
	}

	private function execute( string $sql, array $args ): PDOStatement {
		if ( ! isset( $this->statements[ $sql ] ) ) {
			$this->statements[ $sql ] = $this->pdo->prepare( $sql );
		}
		$this->statements[ $sql ]->execute( $args );
		return $this->statements[ $sql ];
	}
}
