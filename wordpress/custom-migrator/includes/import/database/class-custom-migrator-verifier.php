<?php
/**
 * Reads back what has landed.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Sums the staged tables up again from the database itself and compares with what was summed up while landing, and with
 * what the source counted.
 */
abstract class Custom_Migrator_Verifier {

	/** Rows read between two looks at the clock. */
	const ROWS = 500;

	/** @var Custom_Migrator_Staging_Database */
	protected $database;

	public function __construct( Custom_Migrator_Staging_Database $database ) {
		$this->database = $database;
	}

	/**
	 * Reads some of a table's rows back and saves the digest so far (`verify_…` of its progress).
	 */
	abstract protected function some( array $table ): void;

	/**
	 * What became of columns that could not hold what the source's hold.
	 *
	 * @param array $table The table's progress.
	 * @return string[]
	 */
	abstract protected function widened( array $table ): array;

	/** What a decimal keeps where it cannot keep everything, in words. */
	abstract protected function lossy( string $column, int $count ): string;

	/**
	 * @param float $until When to stop for now.
	 * @return bool Whether every table is done.
	 */
	public function run( float $until ): bool {
		foreach ( $this->database->all_progress() as $table ) {
			while ( 1 !== $table['verified'] ) {
				if ( microtime( true ) >= $until ) {
					return false;
				}
				$this->some( $table );
				$table = $this->database->progress( $table['name'] );
			}
		}
		return true;
	}

	/**
	 * @return array{tables:int,rows:int,differences:array[]}
	 */
	public function outcome(): array {
		$tables      = $this->database->all_progress();
		$rows        = 0;
		$differences = array();
		foreach ( $tables as $table ) {
			$rows += $table['verify_rows'];
			foreach ( $this->faults( $table ) as $reason ) {
				$differences[] = array(
					'table'  => $table['name'],
					'reason' => $reason,
				);
			}
		}
		return array(
			'tables'      => count( $tables ),
			'rows'        => $rows,
			'differences' => $differences,
		);
	}

	/** @return string[] */
	private function faults( array $table ): array {
		$faults = array();
		$notes  = is_array( $table['notes'] ) ? $table['notes'] : array();
		if ( $table['verify_rows'] !== $table['rows'] || $table['verify_digest'] !== $table['digest'] ) {
			$faults[] = 'what was read back from the clone is not what was written';
		}
		if ( isset( $table['info']['rows'] ) && (int) $table['info']['rows'] !== $table['rows'] ) {
			$faults[] = sprintf( 'changed on the source during the copy: %d rows counted, %d copied', $table['info']['rows'], $table['rows'] );
		}
		if ( 1 === $table['loose'] ) {
			$faults[] = 'its rows break its unique keys, which were left out';
		}
		$faults = array_merge( $faults, $this->widened( $table ) );
		foreach ( isset( $notes['lossy'] ) ? $notes['lossy'] : array() as $column => $count ) {
			$faults[] = $this->lossy( (string) $column, $count );
		}
		if ( isset( $notes['kept'] ) ) {
			$faults[] = sprintf( '%d rows keep the source\'s address: with the clone\'s they would break a unique key', $notes['kept'] );
		}
		if ( isset( $notes['huge'] ) ) {
			$faults[] = sprintf( '%d values above %d MiB were not rewritten', $notes['huge'], Custom_Migrator_Table_Writer::REWRITE_MAX >> 20 );
		}
		if ( isset( $notes['dropped'] ) ) {
			$faults[] = sprintf( '%d values are left empty: they are larger than the database server takes (max_allowed_packet)', $notes['dropped'] );
		}
		return $faults;
	}
}
