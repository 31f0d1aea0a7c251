<?php
/**
 * A SQLite file that an import builds beside the live one.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Tables are made by the SQLite integration's driver, so that it knows their MySQL schema; rows go in by PDO. Indexes and
 * triggers are held back: landing is quicker, and no trigger fires. The switch is that of the folder the file lies in.
 */
class Custom_Migrator_Staging_Sqlite extends Custom_Migrator_Staging_Database {

	/** @var string */
	private $path;

	/** @var string */
	private $driver_loader;

	/** @var PDO|null */
	private $pdo = null;

	/** @var object|null WP_MySQL_On_SQLite */
	private $driver = null;

	public function __construct( Custom_Migrator_Slot $slot ) {
		$this->path          = $slot->staged_database();
		$this->driver_loader = $slot->driver();
	}

	public function engine(): string {
		return 'sqlite';
	}

	public function pdo(): PDO {
		if ( null === $this->pdo ) {
			Custom_Migrator_Slot::ensure_dir( dirname( $this->path ) );
			$this->pdo = Custom_Migrator_Import_Sqlite::open( $this->path );
			$this->pdo->exec(
				'CREATE TABLE IF NOT EXISTS _custom_migrator_tables (
					name TEXT PRIMARY KEY, info TEXT NOT NULL, cursor TEXT, landed INTEGER NOT NULL DEFAULT 0,
					rows INTEGER NOT NULL DEFAULT 0, digest TEXT NOT NULL DEFAULT \'[0,0,0,0]\', widened TEXT NOT NULL DEFAULT \'[]\',
					loose INTEGER NOT NULL DEFAULT 0, verify_from INTEGER, verify_rows INTEGER NOT NULL DEFAULT 0,
					verify_digest TEXT NOT NULL DEFAULT \'[0,0,0,0]\', verified INTEGER NOT NULL DEFAULT 0, notes TEXT NOT NULL DEFAULT \'{}\')'
			);
			$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS _custom_migrator_later (id INTEGER PRIMARY KEY, name TEXT NOT NULL, sql TEXT NOT NULL)' );
			$this->pdo->exec( 'CREATE TABLE IF NOT EXISTS _custom_migrator_large (name TEXT NOT NULL, row INTEGER NOT NULL, col INTEGER NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (name, row, col))' );
		}
		return $this->pdo;
	}

	public function close(): void {
		$this->driver = null;
		$this->pdo    = null;
	}

	public function create_table( array $table ): array {
		$name = $table['name'];
		$pdo  = $this->pdo();
		if ( null !== $this->progress( $name ) ) {
			return array(
				'differences' => array(),
				'left_out'    => array(),
			);
		}
		$this->make_room( $name );
		$ddl   = new Custom_Migrator_Ddl( $name, $table['ddl'], $table['columns'] );
		$ways  = array(
			''                                => $ddl->full(),
			'its secondary keys are missing'  => $ddl->without_keys(),
			'only its columns and primary key are kept, with plain types' => $ddl->bare(),
		);
		$cause = null;
		foreach ( $ways as $difference => $statement ) {
			try {
				$this->driver()->query( $statement );
				$cause = null;
				break;
			} catch ( Throwable $error ) {
				$cause = $error;
			}
		}
		if ( null !== $cause ) {
			throw self::refused( $name, $cause );
		}
		$pdo->beginTransaction();
		$tables = new Custom_Migrator_Table_Remaker( $pdo );
		$tables->compare_by_bytes( $name, $ddl->binary_columns() );
		$tables->hold_back( $name );
		$pdo->prepare( 'INSERT INTO _custom_migrator_tables (name, info) VALUES (?, ?)' )->execute(
			array(
				$name,
				json_encode(
					array(
						'columns' => $table['columns'],
						'key'     => $table['key'],
						'rows'    => $table['rows'],
						'bytes'   => $table['bytes'],
					),
					JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE
				),
			)
		);
		$pdo->commit();
		return array(
			'differences' => '' === $difference ? array() : array( $difference ),
			'left_out'    => $ddl->left_out(),
		);
	}

	/**
	 * Removes what a step left that died between making a table and noting it.
	 *
	 * @throws Custom_Migrator_Import_Error `table_refused` for a name that SQLite or the driver keeps to itself, or that
	 *                                      differs from another table's in case only.
	 */
	private function make_room( string $name ): void {
		$taken = $this->pdo()->prepare( 'SELECT COUNT(*) FROM _custom_migrator_tables WHERE lower(name) = lower(?)' );
		$taken->execute( array( $name ) );
		if ( preg_match( '/^(sqlite_|_wp_sqlite_|_custom_migrator_)/i', $name ) || 0 !== (int) $taken->fetchColumn() ) {
			throw self::refused( $name );
		}
		$taken->closeCursor();
		$there = $this->pdo()->prepare( 'SELECT COUNT(*) FROM sqlite_master WHERE type = \'table\' AND name = ? COLLATE NOCASE' );
		$there->execute( array( $name ) );
		$found = (int) $there->fetchColumn();
		$there->closeCursor();
		if ( $found > 0 ) {
			$this->driver()->query( 'DROP TABLE ' . Custom_Migrator_Ddl::quote( $name ) );
		}
	}

	public function writer( string $name, $rewriter ): Custom_Migrator_Table_Writer {
		return new Custom_Migrator_Table_Writer_Sqlite( $this, $name, $rewriter );
	}

	public function verifier(): Custom_Migrator_Verifier {
		return new Custom_Migrator_Verifier_Sqlite( $this );
	}

	public function has_table( string $name ): bool {
		$query = $this->pdo()->prepare( 'SELECT COUNT(*) FROM sqlite_master WHERE type = \'table\' AND name = ?' );
		$query->execute( array( $name ) );
		$found = (int) $query->fetchColumn();
		$query->closeCursor();
		return 1 === $found;
	}

	public function quoted( string $name ): string {
		return Custom_Migrator_Import_Sqlite::quote( $name );
	}

	/** The tables have their own names, and what is ours must be gone before the file is moved. */
	public function ready_to_switch(): array {
		$this->forget();
		return array();
	}

	public function switch_tables( array $renames ): void {
		unset( $renames );
	}

	/**
	 * @return array<string,string> Column name to its declared SQLite type, in order.
	 */
	public function column_types( string $name ): array {
		$types = array();
		foreach ( $this->pdo()->query( 'PRAGMA table_info(' . Custom_Migrator_Import_Sqlite::quote( $name ) . ')' )->fetchAll( PDO::FETCH_ASSOC ) as $column ) {
			$types[ $column['name'] ] = strtoupper( $column['type'] );
		}
		return $types;
	}

	/** A name for SQLite's row number that is no column of the table; null when it has none left. */
	public static function row_number( array $columns ): ?string {
		$taken = array_map( 'strtolower', $columns );
		foreach ( array( '_rowid_', 'rowid', 'oid' ) as $alias ) {
			if ( ! in_array( $alias, $taken, true ) ) {
				return $alias;
			}
		}
		return null;
	}

	/** Columns come to take any value (a number too large for SQLite's integers, for one). */
	public function widen( string $name, array $columns ): void {
		$columns = array_values( array_unique( array_merge( $this->progress( $name )['widened'], $columns ) ) );
		$this->start_over(
			$name,
			function ( string $sql ) use ( $columns ): string {
				foreach ( $columns as $column ) {
					$sql = Custom_Migrator_Table_Remaker::change_type( $sql, $column, 'ANY' );
				}
				return $sql;
			},
			array( 'widened' => $columns )
		);
	}

	public function loosen( string $name ): void {
		$types = $this->column_types( $name );
		$this->start_over(
			$name,
			static function () use ( $name, $types ): string {
				$columns = array();
				foreach ( $types as $column => $type ) {
					$columns[] = '  ' . Custom_Migrator_Ddl::quote( (string) $column ) . ' ' . ( 'TEXT' === $type ? 'TEXT COLLATE NOCASE' : $type );
				}
				return 'CREATE TABLE ' . Custom_Migrator_Ddl::quote( $name ) . " (\n" . implode( ",\n", $columns ) . "\n) STRICT";
			},
			array( 'loose' => 1 )
		);
	}

	public function finish_one(): bool {
		$pdo  = $this->pdo();
		$next = $pdo->query( 'SELECT id, sql FROM _custom_migrator_later ORDER BY id LIMIT 1' )->fetch( PDO::FETCH_ASSOC );
		if ( false === $next ) {
			return false;
		}
		$pdo->beginTransaction();
		$pdo->exec( $next['sql'] );
		$pdo->prepare( 'DELETE FROM _custom_migrator_later WHERE id = ?' )->execute( array( $next['id'] ) );
		$pdo->commit();
		return true;
	}

	public function forget(): void {
		if ( is_file( $this->path ) ) {
			foreach ( array( 'tables', 'later', 'large' ) as $table ) {
				$this->pdo()->exec( 'DROP TABLE IF EXISTS _custom_migrator_' . $table );
			}
		}
		$this->close();
	}

	/** The staging folder goes, and the file with it. */
	public function discard(): void {
		$this->close();
	}

	/** @return object WP_MySQL_On_SQLite, on the same file. */
	private function driver() {
		if ( null === $this->driver ) {
			if ( ! is_file( $this->driver_loader ) ) {
				throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The clone has no SQLite integration.' );
			}
			require_once $this->driver_loader;
			$this->driver = new WP_MySQL_On_SQLite(
				'mysql-on-sqlite:dbname=wordpress',
				null,
				null,
				array(
					'sqlite_pdo'          => $this->pdo(),
					'sqlite_journal_mode' => 'TRUNCATE',
				)
			);
			// As WordPress does it: the driver compares its own schema's flags as strings.
			$this->driver->setAttribute( PDO::ATTR_STRINGIFY_FETCHES, true );
			$this->driver->query( "SET SESSION sql_mode = ''" );
			Custom_Migrator_Import_Sqlite::prepare( $this->pdo() );
		}
		return $this->driver;
	}

	private function start_over( string $name, callable $change, array $progress ): void {
		$pdo = $this->pdo();
		$pdo->beginTransaction();
		( new Custom_Migrator_Table_Remaker( $pdo ) )->remake( $name, $change, isset( $progress['loose'] ) );
		$pdo->prepare( 'DELETE FROM _custom_migrator_large WHERE name = ?' )->execute( array( $name ) );
		$this->save_progress(
			$name,
			array_merge( self::nothing_landed(), $progress )
		);
		$pdo->commit();
	}
}
