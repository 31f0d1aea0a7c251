<?php
/**
 * Reading a MySQL table page by page.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Twice per batch: first only the rows' sizes, to see how many fit, then those rows. The second query looks at the
 * sizes again, so a row that grew in between costs no memory either.
 */
final class Custom_Migrator_Mysql_Rows {
	const FIRST_BATCH = 64;
	const BATCH       = 5000;

	/** @var Custom_Migrator_Mysql */
	private $database;

	/** @var array */
	private $table;

	/** @var Custom_Migrator_Mysql_Column[] In the table's order. */
	private $columns;

	/** @var Custom_Migrator_Mysql_Keyset|Custom_Migrator_Mysql_Digest */
	private $paging;

	public function __construct( Custom_Migrator_Mysql $database, array $table ) {
		$this->database = $database;
		$this->table    = $table;
		$this->columns  = Custom_Migrator_Mysql_Column::all( $table, $database->speaks_latin1() );
		$this->paging   = null === $table['key']
			? new Custom_Migrator_Mysql_Digest( $this->columns )
			: new Custom_Migrator_Mysql_Keyset( $table, $this->columns );
	}

	/** @return array|null Cursor; `n`, the batch size that fitted, goes with it. */
	public function read( ?array $cursor, Custom_Migrator_Row_Writer $writer, Custom_Migrator_Budget $budget ): ?array {
		$limit = $writer->inline_limit( $this->table );
		$batch = null !== $cursor && isset( $cursor['n'] ) ? max( 1, Custom_Migrator_Arguments::count( $cursor, 'n' ) ) : self::FIRST_BATCH;
		do {
			$batch = min( $batch, self::BATCH, $writer->rows_left() );
			$sizes = array();
			foreach ( $this->database->each( $this->query( array( $this->size( $limit ) ), $cursor, $batch ) ) as $row ) {
				$sizes[] = (int) $row[0];
			}
			if ( array() === $sizes ) {
				return null;
			}
			$fit = self::fitting( $sizes, $writer->bytes_left() );
			if ( 0 === $fit ) {
				if ( $writer->rows() > 0 ) {
					break;
				}
				$fit = 1;
			}
			$cursor = $this->write( $cursor, $fit, $limit, $writer );
			if ( count( $sizes ) < $batch && $fit === count( $sizes ) ) {
				return null;
			}
			$batch = $fit === count( $sizes ) ? $batch * 4 : max( 8, $fit * 2 );
		} while ( ! $writer->full() && ! $budget->spent() );
		return null === $cursor ? null : array( 'n' => min( $batch, self::BATCH ) ) + $cursor;
	}

	/** Writes the next so many rows. */
	private function write( ?array $cursor, int $rows, int $limit, Custom_Migrator_Row_Writer $writer ): ?array {
		$select = array();
		foreach ( $this->columns as $column ) {
			if ( $column->is_large() ) {
				$select[] = 'IF(' . $column->length() . " > $limit, NULL, " . $column->bytes() . ')';
				$select[] = $column->length();
			} else {
				$select[] = $column->bytes();
				if ( $column->is_short_float() ) {
					$select[] = $column->as_double();
				}
			}
		}
		$keyless = null === $this->table['key'];
		$query   = $this->query( array_merge( $select, $this->paging->select() ), $cursor, $rows );
		foreach ( $this->database->each( $query, false, $keyless ) as $row ) {
			$position = array_slice( $row, count( $select ) );
			$writer->begin( count( $this->columns ) );
			$at    = 0;
			$place = 0;
			foreach ( $this->columns as $column ) {
				$value = null === $row[ $at ] ? null : (string) $row[ $at ];
				++$at;
				if ( $column->is_large() ) {
					$length = $row[ $at++ ];
					if ( null !== $length && (int) $length < 0 ) {
						throw new Custom_Migrator_Error( 'value_unreadable', 'The site\'s database cannot read one of its own values whole; raise its max_allowed_packet.', 500 );
					}
					if ( null === $value && null !== $length ) {
						$this->write_large( $column, (int) $length, $position, $writer );
						++$place;
						continue;
					}
				} elseif ( $column->is_short_float() ) {
					$exact = $row[ $at++ ];
					$value = null === $value ? null : Custom_Migrator_Mysql_Column::float_text( $value, (string) $exact );
				}
				$writer->value( $place++, $value );
			}
			$cursor = $this->paging->after( $cursor, array_map( 'strval', $position ) );
		}
		return $cursor;
	}

	private function write_large( Custom_Migrator_Mysql_Column $column, int $length, array $position, Custom_Migrator_Row_Writer $writer ): void {
		if ( $this->paging instanceof Custom_Migrator_Mysql_Keyset ) {
			$writer->large( $length );
			return;
		}
		$writer->begin_inline( $length );
		$total = $this->database->slice_where( $this->table, $this->paging->same( $position[0] ), $column, 0, $length, array( $writer, 'inline_bytes' ) );
		if ( $total !== $length ) {
			throw new Custom_Migrator_Error( 'row_changed', 'A row changed while it was read; ask again.', 503, 1 );
		}
	}

	private function query( array $select, ?array $cursor, int $rows ): string {
		return 'SELECT ' . implode( ', ', $select )
			. ' FROM ' . Custom_Migrator_Mysql::quote( $this->table['name'] )
			. ' WHERE ' . $this->paging->where( $cursor ) . ' AND ' . Custom_Migrator_Mysql::not_ours( $this->table )
			. ' ORDER BY ' . $this->paging->order()
			. " LIMIT $rows OFFSET " . $this->paging->offset( $cursor );
	}

	/** Expression: about how many bytes a row takes in the payload. */
	private function size( int $limit ): string {
		$parts = array( (string) ( 2 + 9 * count( $this->columns ) ) );
		foreach ( $this->columns as $column ) {
			$length  = $column->length();
			$parts[] = $column->is_large() ? "IFNULL(IF($length > $limit, 0, $length), 0)" : "IFNULL($length, 0)";
		}
		return implode( ' + ', $parts );
	}

	/** How many of these sizes, from the first, fit. */
	private static function fitting( array $sizes, int $bytes ): int {
		foreach ( $sizes as $fit => $size ) {
			$bytes -= $size;
			if ( $bytes < 0 ) {
				return $fit;
			}
		}
		return count( $sizes );
	}
}
