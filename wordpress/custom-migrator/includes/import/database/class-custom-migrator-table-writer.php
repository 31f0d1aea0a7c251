<?php
/**
 * Writes one table's rows into the staged database.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Rewrites, inserts, sums the digest up, and commits the cursor with the rows. How a value is bound, and what a column
 * cannot hold, is each database's own business.
 */
abstract class Custom_Migrator_Table_Writer {

	/** A larger value lands as it is, not rewritten, slice by slice. Rewriting needs about four times the value's size. */
	const REWRITE_MAX = 67108864;

	/** Bytes of a slice of a value larger than that. */
	const SLICE = 4194304;

	/** Rows are inserted together up to this many bytes. */
	const BATCH_BYTES = 1048576;

	/** @var Custom_Migrator_Staging_Database */
	protected $database;

	/** @var string */
	protected $name;

	/** @var array[] `{name, letter, rewrite: bool, …}` by position. */
	protected $columns = array();

	/** @var array Counts for the proof: `lossy: {column: n}`, `kept: n`, `huge: n`, `dropped: n`. */
	protected $notes = array();

	/** @var Custom_Migrator_Rewriter */
	private $rewriter;

	/**
	 * @param Custom_Migrator_Staging_Database $database Where to.
	 * @param string                           $name     Table, already made.
	 * @param Custom_Migrator_Rewriter         $rewriter Of the site's addresses.
	 */
	public function __construct( Custom_Migrator_Staging_Database $database, string $name, $rewriter ) {
		$this->database = $database;
		$this->name     = $name;
		$this->rewriter = $rewriter;
		$this->prepare();
	}

	/** Reads the table's schema; called again when it was changed. */
	abstract protected function prepare(): void;

	/** How many rows are inserted by one statement, at the most. */
	abstract protected function batch_rows(): int;

	/**
	 * What of a row the table's columns cannot hold, as `widen()` of the staging database takes it; empty when all is well.
	 */
	abstract protected function unfit( array $row ): array;

	/**
	 * Inserts rows by one statement: all of them or none.
	 *
	 * @param array[] $rows At most `batch_rows()`.
	 * @return bool False when the rows are at fault; `refused()` then tells how.
	 */
	abstract protected function try_insert( array $rows ): bool;

	/** Columns to widen after a refusal of a single row; empty when a unique key refused it. */
	abstract protected function refused(): array;

	/** Does what is left to do for a row that was inserted, and encodes it for the digest, as it stands now. */
	abstract protected function landed( array $row ): array;

	/**
	 * Lands rows and the cursor after them, in one transaction.
	 *
	 * @param iterable $rows   Arrays of: null, a string, or `[path, length]` of a value that lies in a file.
	 * @param mixed    $cursor Where the source goes on; null after the last row.
	 * @return bool False when the table has to start over (its schema was widened); nothing was landed then.
	 */
	public function land( iterable $rows, $cursor ): bool {
		$pdo      = $this->database->pdo();
		$progress = $this->database->progress( $this->name );
		$digest   = new Custom_Migrator_Row_Digest( $progress['digest'] );
		$count    = $progress['rows'];
		$batch    = array();
		$bytes    = 0;

		$this->notes = is_array( $progress['notes'] ) ? $progress['notes'] : array();
		$pdo->beginTransaction();
		try {
			foreach ( $rows as $row ) {
				$unfit = $this->unfit( $row );
				if ( array() !== $unfit ) {
					return $this->start_over( $unfit );
				}
				$batch[] = $this->rewritten( $row );
				$bytes  += self::bytes( $row );
				++$count;
				if ( count( $batch ) >= $this->batch_rows() || $bytes >= self::BATCH_BYTES ) {
					if ( ! $this->insert( $batch, $digest ) ) {
						return $this->start_over( $this->refused() );
					}
					$batch = array();
					$bytes = 0;
				}
			}
			if ( array() !== $batch && ! $this->insert( $batch, $digest ) ) {
				return $this->start_over( $this->refused() );
			}
			$this->database->save_progress(
				$this->name,
				array(
					'cursor' => null === $cursor ? null : array( $cursor ),
					'landed' => null === $cursor ? 1 : 0,
					'rows'   => $count,
					'digest' => $digest->sums(),
					'notes'  => (object) $this->notes,
				)
			);
			$pdo->commit();
		} catch ( Throwable $error ) {
			if ( $pdo->inTransaction() ) {
				$pdo->rollBack();
			}
			throw $error;
		}
		return true;
	}

	protected function note( string $what, ?string $column = null ): void {
		if ( null === $column ) {
			$this->notes[ $what ] = ( isset( $this->notes[ $what ] ) ? $this->notes[ $what ] : 0 ) + 1;
			return;
		}
		$this->notes[ $what ][ $column ] = ( isset( $this->notes[ $what ][ $column ] ) ? $this->notes[ $what ][ $column ] : 0 ) + 1;
	}

	/**
	 * @param array $columns To widen; empty: no unique key any more.
	 */
	private function start_over( array $columns ): bool {
		$this->database->pdo()->rollBack();
		if ( array() === $columns ) {
			$this->database->loosen( $this->name );
		} else {
			$this->database->widen( $this->name, $columns );
		}
		$this->prepare();
		return false;
	}

	/**
	 * @return array{0:array,1:array|null} The row as it is to land, and, where that differs, as it is on the source.
	 */
	private function rewritten( array $row ): array {
		$changed = false;
		$new     = $row;
		foreach ( $this->columns as $i => $column ) {
			if ( is_array( $new[ $i ] ) && $new[ $i ][1] <= self::REWRITE_MAX ) {
				$row[ $i ] = (string) file_get_contents( $new[ $i ][0] );
				$new[ $i ] = $row[ $i ];
			}
			if ( $column['rewrite'] && is_string( $new[ $i ] ) && $this->rewriter->needs_rewrite( $new[ $i ] ) ) {
				$new[ $i ] = $this->rewriter->rewrite( $new[ $i ] );
				$changed   = $changed || $new[ $i ] !== $row[ $i ];
			}
		}
		return array( $new, $changed ? $row : null );
	}

	/** Inserts a batch, row by row if it must be. False: the table has to start over. */
	private function insert( array $batch, Custom_Migrator_Row_Digest $digest ): bool {
		if ( count( $batch ) > 1 && $this->try_insert( array_column( $batch, 0 ) ) ) {
			foreach ( $batch as $row ) {
				$digest->add( $this->landed( $row[0] ) );
			}
			return true;
		}
		foreach ( $batch as list( $new, $old ) ) {
			if ( $this->try_insert( array( $new ) ) ) {
				$digest->add( $this->landed( $new ) );
			} elseif ( null !== $old && $this->try_insert( array( $old ) ) ) {
				// Two addresses that become one (http and https, say) may break a unique key: then the row keeps its own.
				$this->note( 'kept' );
				$digest->add( $this->landed( $old ) );
			} else {
				return false;
			}
		}
		return true;
	}

	private static function bytes( array $row ): int {
		$bytes = 0;
		foreach ( $row as $value ) {
			$bytes += is_string( $value ) ? strlen( $value ) : ( is_array( $value ) ? $value[1] : 0 );
		}
		return $bytes;
	}
}
