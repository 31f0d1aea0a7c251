<?php
/**
 * The database that an import builds beside the live one.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * One import's tables, wherever they land. How far each table is stands in `_custom_migrator_tables`, in the same database
 * and the same transaction as the rows, so that no row lands twice.
 *
 * Lifecycle of a table: `create_table` → `writer`, chunk by chunk → `finish_one` (what was held back so that landing is
 * quick) → `verifier` → `ready_to_switch` → `switch_tables`, when the rest of the site is put in place → `forget`.
 */
abstract class Custom_Migrator_Staging_Database {

	/** Tables with which an import keeps its books; no table of a site may be called so. */
	const OWN_PREFIX = '_custom_migrator_';

	/** The database that the slot's import lands in: its own MySQL database where it was given one, else a SQLite file. */
	public static function for_slot( Custom_Migrator_Slot $slot ): self {
		$mysql = $slot->mysql();
		return null === $mysql ? new Custom_Migrator_Staging_Sqlite( $slot ) : new Custom_Migrator_Staging_Mysql( $mysql );
	}

	/** `sqlite` or `mysql`: what clone.json names once the import is in place. */
	abstract public function engine(): string;

	abstract public function pdo(): PDO;

	abstract public function close(): void;

	/**
	 * Makes a table, empty, with as much of its schema as the database takes. Calling it for a table that is there changes nothing.
	 *
	 * @param array $table `{name, ddl, columns: [{name, type, kind, nullable}], key: string[]|null, rows, bytes}`.
	 * @return array{differences:string[],left_out:string[],warnings?:string[]} What is not as on the source, in words.
	 * @throws Custom_Migrator_Import_Error `table_refused` when not even the bare table can be made.
	 */
	abstract public function create_table( array $table ): array;

	/**
	 * @param string                   $name     A table that was made.
	 * @param Custom_Migrator_Rewriter $rewriter Of the site's addresses.
	 */
	abstract public function writer( string $name, $rewriter ): Custom_Migrator_Table_Writer;

	abstract public function verifier(): Custom_Migrator_Verifier;

	/**
	 * Starts a table over, with columns that take more.
	 *
	 * @param string $name    Table.
	 * @param array  $columns As the writer's `unfit()` gave them.
	 */
	abstract public function widen( string $name, array $columns ): void;

	/** Starts a table over without any unique key: its rows break those that the database would hold them to. */
	abstract public function loosen( string $name ): void;

	/**
	 * Makes what was held back, one table's worth at a time.
	 *
	 * @return bool Whether there is more to make.
	 */
	abstract public function finish_one(): bool;

	/** Whether a table of the site has landed. */
	abstract public function has_table( string $name ): bool;

	/** The staged table of that name, quoted for SQL. */
	abstract public function quoted( string $name ): string;

	/** Runs writes of our own, which are not to be refused for what a strict database would refuse. */
	public function lax( callable $run ): void {
		$run();
	}

	/** @return array[] What `switch_tables` is to be called with; JSON. Nothing is written to the tables after this. */
	abstract public function ready_to_switch(): array;

	/** Gives the tables their own names, all at once. Does nothing when it was done. */
	abstract public function switch_tables( array $renames ): void;

	/** Removes everything of ours; the site's tables stay. */
	abstract public function forget(): void;

	/** Removes every table of this import, staged or switched. */
	abstract public function discard(): void;

	/**
	 * @return array|null The table's row of progress, JSON members decoded.
	 */
	public function progress( string $name ): ?array {
		$statement = $this->pdo()->prepare( 'SELECT * FROM _custom_migrator_tables WHERE name = ?' );
		$statement->execute( array( $name ) );
		$row = $statement->fetch( PDO::FETCH_ASSOC );
		$statement->closeCursor();
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
			$sets[] = Custom_Migrator_Ddl::quote( $column ) . ' = ?';
			$args[] = is_array( $value ) || is_object( $value ) ? self::json( $value ) : $value;
		}
		$args[] = $name;
		$this->pdo()->prepare( 'UPDATE _custom_migrator_tables SET ' . implode( ', ', $sets ) . ' WHERE name = ?' )->execute( $args );
	}

	/** What a table that starts over has landed: nothing. */
	protected static function nothing_landed(): array {
		return array(
			'cursor' => null,
			'landed' => 0,
			'rows'   => 0,
			'digest' => array( 0, 0, 0, 0 ),
			'notes'  => '{}',
		);
	}

	/**
	 * @param mixed $value JSON.
	 */
	protected static function json( $value ): string {
		return (string) json_encode( $value, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE );
	}

	protected static function refused( string $name, ?Throwable $cause = null ): Custom_Migrator_Import_Error {
		return Custom_Migrator_Import_Error::permanent( 'table_refused', 'The clone\'s database cannot hold the table ' . $name . '.', $cause );
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
