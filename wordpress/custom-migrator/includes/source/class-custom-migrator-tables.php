<?php
/**
 * The verb `tables`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Describes the site's tables, a page at a time. */
final class Custom_Migrator_Tables {
	/** Bytes of CREATE statements in one answer. */
	const DDL_BYTES = 524288;

	/** @var Custom_Migrator_Database */
	private $database;

	/** @var Custom_Migrator_Schema */
	private $schema;

	public function __construct( Custom_Migrator_Database $database, Custom_Migrator_Schema $schema ) {
		$this->database = $database;
		$this->schema   = $schema;
	}

	/** @return array `{tables, views, cursor}`; the cursor is the last table's name. */
	public function page( array $args, Custom_Migrator_Budget $budget ): array {
		$after  = isset( $args['cursor'] ) ? Custom_Migrator_Arguments::text( $args, 'cursor' ) : null;
		$sorted = $this->schema->sorted();
		$tables = array();
		$bytes  = 0;
		$cursor = null;
		foreach ( $sorted['tables'] as $name ) {
			if ( null !== $after && strcmp( $name, $after ) <= 0 ) {
				continue;
			}
			if ( array() !== $tables && ( $budget->spent() || $bytes > self::DDL_BYTES ) ) {
				$cursor = $tables[ count( $tables ) - 1 ]['name'];
				break;
			}
			$tables[] = $this->one( $name );
			$bytes   += strlen( $tables[ count( $tables ) - 1 ]['ddl'] );
		}
		return array(
			'tables' => $tables,
			'views'  => $sorted['views'],
			'cursor' => $cursor,
		);
	}

	private function one( string $name ): array {
		$table   = $this->schema->table( $name );
		$columns = array();
		foreach ( $table['columns'] as $column ) {
			$shown = array(
				'name'     => $column['name'],
				'type'     => $column['type'],
				'kind'     => $column['kind'],
				'nullable' => $column['nullable'],
			);
			if ( $column['generated'] ) {
				$shown['generated'] = true;
			}
			$columns[] = $shown;
		}
		return array(
			'name'    => $name,
			'ddl'     => $this->database->show_create( $name ),
			'columns' => $columns,
			'key'     => $table['key'],
			'rows'    => $this->database->count( $table ),
			'bytes'   => $this->database->table_bytes( $table ),
		);
	}
}
