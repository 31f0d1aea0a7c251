<?php
/**
 * The verbs `rows` and `value`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Reads rows, and slices of values that are too large to travel in a row. */
final class Custom_Migrator_Rows {
	/** @var Custom_Migrator_Database */
	private $database;

	/** @var Custom_Migrator_Schema */
	private $schema;

	public function __construct( Custom_Migrator_Database $database, Custom_Migrator_Schema $schema ) {
		$this->database = $database;
		$this->schema   = $schema;
	}

	/** `{table, cursor?, max_bytes?, max_rows?, gzip?}` → `{rows, cursor}` and rows. */
	public function rows( array $args, Custom_Migrator_Budget $budget ): Custom_Migrator_Reply {
		$table   = $this->schema->table( Custom_Migrator_Arguments::text( $args, 'table' ) );
		$cursor  = isset( $args['cursor'] ) ? $args['cursor'] : null;
		$payload = new Custom_Migrator_Payload( ! empty( $args['gzip'] ) );
		if ( null !== $cursor && ! is_array( $cursor ) ) {
			throw Custom_Migrator_Arguments::bad( 'the cursor is not of this table' );
		}
		$writer = new Custom_Migrator_Row_Writer(
			$table,
			$payload,
			Custom_Migrator_Arguments::max_bytes( $args ),
			max( 1, Custom_Migrator_Arguments::count( $args, 'max_rows', PHP_INT_MAX ) ),
			$table['options'] ? ( new Custom_Migrator_Jobs() )->before( Custom_Migrator_Remover::ACTIVE ) : null
		);
		$cursor = $this->database->rows( $table, $cursor, $writer, $budget );
		return new Custom_Migrator_Reply(
			array(
				'rows'   => $writer->rows(),
				'cursor' => $cursor,
			),
			$payload
		);
	}

	/** `{table, key, column, offset, length}` → `{total, eof}` and the slice. */
	public function value( array $args ): Custom_Migrator_Reply {
		$table  = $this->schema->table( Custom_Migrator_Arguments::text( $args, 'table' ) );
		$column = Custom_Migrator_Arguments::text( $args, 'column' );
		if ( ! in_array( $column, array_column( $table['columns'], 'name' ), true ) ) {
			throw Custom_Migrator_Arguments::bad( 'the table has no such column' );
		}
		if ( null === $table['key'] || ! isset( $args['key'] ) || ! is_array( $args['key'] ) || count( $args['key'] ) !== count( $table['key'] ) ) {
			throw Custom_Migrator_Arguments::bad( 'key must hold one value for each column of the table\'s key' );
		}
		$key = array();
		foreach ( array_values( $args['key'] ) as $value ) {
			$key[] = Custom_Migrator_Arguments::bytes( $value, 'key' );
		}
		$offset  = Custom_Migrator_Arguments::count( $args, 'offset', 0 );
		$length  = min( Custom_Migrator_Arguments::MAX_BYTES, Custom_Migrator_Arguments::count( $args, 'length', Custom_Migrator_Arguments::MAX_BYTES ) );
		$payload = new Custom_Migrator_Payload( ! empty( $args['gzip'] ) );
		$total   = $this->database->slice( $table, $key, $column, $offset, $length, array( $payload, 'add' ) );
		return new Custom_Migrator_Reply(
			array(
				'total' => $total,
				'eof'   => $offset + $payload->raw_bytes() >= $total,
			),
			$payload
		);
	}
}
