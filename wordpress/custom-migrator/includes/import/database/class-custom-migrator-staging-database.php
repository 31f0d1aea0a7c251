<?php
/**
 * The database that an import builds beside the live one.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Tables are made by the SQLite integration's driver, so that it knows their MySQL schema; rows go in by PDO. How far each
 * table is stands in `_custom_migrator_tables`, in the same transaction as the rows, so that no row lands twice.
 *
 * Lifecycle of a table: `create_table` → Custom_Migrator_Table_Writer, chunk by chunk → `finish_tables` (indexes and
 * triggers, held back so that landing is quick and no trigger fires) → Custom_Migrator_Verifier → `forget_progress`.
 */
class Custom_Migrator_Staging_Database {

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

	public function exists(): bool {
		return is_file( $this->path );
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

	/**
	 * Makes a table, empty, with as much of its schema as the driver takes. Calling it for a table that is there changes nothing.
	 *
	 * @param array $table `{name, ddl, columns: [{name, type, kind, nullable}], key: string[]|null, rows, bytes}`.
	 * @return array{differences:string[],left_out:string[]} What is not as on the source, in words.
	 * @throws Custom_Migrator_Import_Error `table_refused` when not even the bare table can be made.
	 */
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
			throw Custom_Migrator_Import_Error::permanent( 'table_refused', 'The clone\'s database cannot hold the table ' . $name . '.', $cause );
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
			throw Custom_Migrator_Import_Error::permanent( 'table_refused', 'The clone\'s database cannot hold the table ' . $name . '.' );
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

	/**
	 * @return array|null The table's row of progress, JSON members decoded.
	 */
	public function progress( string $name ): ?array {
		$statement = $this->pdo()->prepare( 'SELECT * FROM _custom_migrator_tables WHERE name = ?' );
		$statement->execute( array( $name ) );
		$row = $statement->fetch( PDO::FETCH_ASSOC );
		return false === $row ? null : self::decoded( $row );
	}

	/** @return array[] Of every table. */
	public function all_progress(): array {
		return array_map( array( __CLASS__, 'decoded' ), $this->pdo()->query( 'SELECT * FROM _custom_migrator_tables ORDER BY name' )->fetchAll( PDO::FETCH_ASSOC ) );
	}

	/**
	 * @param string $name   Table.
	 * @param array  $values Column to value; arrays are stored as JSON.
	 */
	public function save_progress( string $name, array $values ): void {
		$sets = array();
		$args = array();
		foreach ( $values as $column => $value ) {
			$sets[] = Custom_Migrator_Import_Sqlite::quote( $column ) . ' = ?';
			$args[] = is_array( $value ) || is_object( $value ) ? json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE ) : $value;
		}
		$args[] = $name;
		$this->pdo()->prepare( 'UPDATE _custom_migrator_tables SET ' . implode( ', ', $sets ) . ' WHERE name = ?' )->execute( $args );
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

	/**
	 * Starts a table over, with columns that take any value (a number too large for SQLite's integers, for one).
	 *
	 * @param string   $name    Table.
	 * @param string[] $columns Columns to widen.
	 */
	public function widen( string $name, array $columns ): void {
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

	/**
	 * Starts a table over without any constraint: its rows break those that SQLite would hold them to.
	 */
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

	/**
	 * Makes the indexes and triggers that were held back, one table's worth at a time.
	 *
	 * @return bool Whether there are more to make.
	 */
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

	/** Removes everything of ours from the staged database. */
	public function forget_progress(): void {
		foreach ( array( 'tables', 'later', 'large' ) as $table ) {
			$this->pdo()->exec( 'DROP TABLE IF EXISTS _custom_migrator_' . $table );
		}
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
			array_merge(
				array(
					'cursor' => null,
					'landed' => 0,
					'rows'   => 0,
					'digest' => array( 0, 0, 0, 0 ),
					'notes'  => '{}',
				),
				$progress
			)
		);
		$pdo->commit();
	}

	private static function decoded( array $row ): array {
		foreach ( array( 'info', 'digest', 'widened', 'verify_digest', 'notes' ) as $key ) {
			$row[ $key ] = json_decode( $row[ $key ], true );
		}
		$row['cursor'] = null === $row['cursor'] ? null : json_decode( $row['cursor'], true );
		foreach ( array( 'landed', 'rows', 'loose', 'verify_rows', 'verified' ) as $key ) {
			$row[ $key ] = (int) $row[ $key ];
		}
		return $row;
	}
}
