<?php
/**
 * A clone's own MySQL database, while an import builds its tables.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Each table is made under a name of ours, `_custom_migrator_t{n}`, and gets its own in the switch: one RENAME TABLE of all.
 * The clone's WordPress runs on its SQLite template until then.
 *
 * Gotcha: MySQL ends the transaction at every CREATE and DROP. So what a table is to become is noted first, with `made = 0`,
 * then the table is made, then that is noted; a step that finds `made = 0` makes the table again, empty.
 */
class Custom_Migrator_Staging_Mysql extends Custom_Migrator_Staging_Database {

	/** @var array */
	private $connection;

	/** @var PDO|null */
	private $pdo = null;

	/** @var Custom_Migrator_Mysql_Server|null */
	private $server = null;

	/**
	 * @param array $connection `{host, port, name, user, password, tls}`
	 */
	public function __construct( array $connection ) {
		$this->connection = $connection;
	}

	public function engine(): string {
		return 'mysql';
	}

	public function pdo(): PDO {
		if ( null === $this->pdo ) {
			$pdo          = Custom_Migrator_Mysql_Server::connect( $this->connection );
			$this->server = new Custom_Migrator_Mysql_Server( $pdo );
			$pdo->exec(
				'CREATE TABLE IF NOT EXISTS _custom_migrator_tables (
					id int unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, name varbinary(1024) NOT NULL, info longblob NOT NULL, `cursor` longblob,
					landed tinyint NOT NULL DEFAULT 0, `rows` bigint NOT NULL DEFAULT 0, digest varchar(100) NOT NULL DEFAULT \'[0,0,0,0]\',
					widened longblob NOT NULL, loose tinyint NOT NULL DEFAULT 0, made tinyint NOT NULL DEFAULT 0,
					verify_from varchar(40), verify_rows bigint NOT NULL DEFAULT 0, verify_digest varchar(100) NOT NULL DEFAULT \'[0,0,0,0]\',
					verified tinyint NOT NULL DEFAULT 0, notes longblob NOT NULL, UNIQUE KEY name (name(255))
				) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4'
			);
			$this->pdo = $pdo;
		}
		return $this->pdo;
	}

	public function server(): Custom_Migrator_Mysql_Server {
		$this->pdo();
		return $this->server;
	}

	public function close(): void {
		$this->pdo    = null;
		$this->server = null;
	}

	public function create_table( array $table ): array {
		$name = $table['name'];
		if ( null === $this->progress( $name ) ) {
			$this->make_room( $name );
			$this->pdo()->prepare( 'INSERT INTO _custom_migrator_tables (name, info, widened, notes) VALUES (?, ?, \'{}\', \'{}\')' )->execute( array( $name, self::json( $table ) ) );
		}
		return $this->make( $name );
	}

	public function writer( string $name, $rewriter ): Custom_Migrator_Table_Writer {
		$this->make( $name );
		return new Custom_Migrator_Table_Writer_Mysql( $this, $name, $rewriter );
	}

	public function verifier(): Custom_Migrator_Verifier {
		return new Custom_Migrator_Verifier_Mysql( $this );
	}

	/**
	 * @param string               $name    Table.
	 * @param array<string,string> $columns Column to the type that it is to have.
	 */
	public function widen( string $name, array $columns ): void {
		$this->start_over( $name, array( 'widened' => (object) array_replace( $this->progress( $name )['widened'], $columns ) ) );
	}

	public function loosen( string $name ): void {
		$this->start_over( $name, array( 'loose' => 1 ) );
	}

	/** Nothing is held back. */
	public function finish_one(): bool {
		return false;
	}

	public function has_table( string $name ): bool {
		return null !== $this->progress( $name );
	}

	public function quoted( string $name ): string {
		$progress = $this->progress( $name );
		return Custom_Migrator_Ddl::quote( null === $progress ? $name : self::staged( $progress ) );
	}

	/** @return array<string,Custom_Migrator_Mysql_Type> A staged table's columns by name, in order. */
	public function types( string $name ): array {
		$types = array();
		foreach ( $this->pdo()->query( 'SHOW FULL COLUMNS FROM ' . $this->quoted( $name ) )->fetchAll( PDO::FETCH_ASSOC ) as $column ) {
			$types[ $column['Field'] ] = new Custom_Migrator_Mysql_Type( $column['Field'], $column['Type'], $column['Collation'] );
		}
		return $types;
	}

	public function lax( callable $run ): void {
		$this->server()->lax( $run );
	}

	public function ready_to_switch(): array {
		$renames = array();
		foreach ( $this->all_progress() as $table ) {
			$renames[] = array( self::staged( $table ), $table['name'] );
		}
		$this->close();
		return $renames;
	}

	public function switch_tables( array $renames ): void {
		$there = array_flip( $this->pdo()->query( 'SHOW TABLES' )->fetchAll( PDO::FETCH_COLUMN ) );
		$pairs = array();
		foreach ( $renames as list( $from, $to ) ) {
			if ( isset( $there[ $from ] ) ) {
				$pairs[] = Custom_Migrator_Ddl::quote( $from ) . ' TO ' . Custom_Migrator_Ddl::quote( $to );
			}
		}
		if ( array() !== $pairs ) {
			$this->pdo()->exec( 'RENAME TABLE ' . implode( ', ', $pairs ) );
		}
		$this->close();
	}

	public function forget(): void {
		$this->pdo()->exec( 'DROP TABLE IF EXISTS _custom_migrator_tables' );
		$this->close();
	}

	public function discard(): void {
		$tables = array();
		foreach ( $this->all_progress() as $table ) {
			$tables[] = self::staged( $table );
			$tables[] = $table['name'];
		}
		foreach ( array_map( array( 'Custom_Migrator_Ddl', 'quote' ), $tables ) as $table ) {
			$this->pdo()->exec( 'DROP TABLE IF EXISTS ' . $table );
		}
		$this->forget();
	}

	/**
	 * @throws Custom_Migrator_Import_Error `table_refused` for a name that the server cannot hold beside the others.
	 */
	private function make_room( string $name ): void {
		$taken = false;
		if ( $this->server()->folds_case() ) {
			$names = array_map( 'strtolower', $this->pdo()->query( 'SELECT name FROM _custom_migrator_tables' )->fetchAll( PDO::FETCH_COLUMN ) );
			$taken = in_array( strtolower( $name ), $names, true );
		}
		// MySQL's rules for names: 64 characters of the basic plane, no space at the end.
		if ( $taken || 0 === stripos( $name, self::OWN_PREFIX ) || preg_match_all( '/./su', $name ) > 64 || preg_match( '/[\x{10000}-\x{10FFFF}]| $/Du', $name ) ) {
			throw self::refused( $name );
		}
	}

	/** Makes the staged table if it is not there as it is to be. */
	private function make( string $name ): array {
		$progress = $this->progress( $name );
		if ( 1 === (int) $progress['made'] ) {
			return array(
				'differences' => array(),
				'left_out'    => array(),
			);
		}
		$info = $progress['info'];
		$ddl  = new Custom_Migrator_Ddl_Mysql( self::staged( $progress ), $info['ddl'], $info['columns'], $this->server() );

		$info['way'] = $this->make_one_way( $progress, $ddl->ways( $progress['widened'], 1 === $progress['loose'] ) );
		$this->save_progress(
			$name,
			array(
				'info' => $info,
				'made' => 1,
			)
		);
		return array(
			'differences' => array(),
			'left_out'    => $ddl->left_out(),
			'warnings'    => $this->server()->stand_ins(),
		);
	}

	/**
	 * @return string What differs from the table that was asked for, in words.
	 */
	private function make_one_way( array $progress, array $ways ): string {
		$pdo   = $this->pdo();
		$cause = null;
		$pdo->exec( 'DROP TABLE IF EXISTS ' . Custom_Migrator_Ddl::quote( self::staged( $progress ) ) );
		foreach ( $ways as $difference => $statement ) {
			try {
				$this->server()->lax(
					static function () use ( $pdo, $statement ): void {
						$pdo->exec( $statement );
					}
				);
				return $difference;
			} catch ( PDOException $error ) {
				if ( Custom_Migrator_Mysql_Server::is_away( $error ) || Custom_Migrator_Mysql_Server::is_full( $error ) ) {
					throw $error;
				}
				$cause = $error;
			}
		}
		$pdo->prepare( 'DELETE FROM _custom_migrator_tables WHERE id = ?' )->execute( array( $progress['id'] ) );
		throw self::refused( $progress['name'], $cause );
	}

	private function start_over( string $name, array $changes ): void {
		$this->save_progress( $name, array_merge( self::nothing_landed(), array( 'made' => 0 ), $changes ) );
		$this->make( $name );
	}

	private static function staged( array $progress ): string {
		return self::OWN_PREFIX . 't' . (int) $progress['id'];
	}
}
