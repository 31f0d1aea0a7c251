<?php
/**
 * Checks what the source says of a table.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A table as the `tables` verb describes it, every member of the right type.
 */
class Custom_Migrator_Table_Shape {

	/**
	 * @param mixed $table As it came.
	 * @return array `{name, ddl, columns, key, rows, bytes}`
	 * @throws Custom_Migrator_Import_Error `bad_answer`
	 */
	public static function checked( $table ): array {
		$sound = is_array( $table ) && isset( $table['name'], $table['ddl'], $table['columns'] ) && self::is_name( $table['name'] )
			&& is_string( $table['ddl'] ) && is_array( $table['columns'] ) && array() !== $table['columns'];
		if ( ! $sound ) {
			throw self::bad();
		}
		$columns = array();
		foreach ( array_values( $table['columns'] ) as $column ) {
			if ( ! is_array( $column ) || ! isset( $column['name'], $column['kind'] ) || ! self::is_name( $column['name'] ) || ! is_string( $column['kind'] ) ) {
				throw self::bad();
			}
			$columns[] = array(
				'name' => $column['name'],
				'kind' => $column['kind'],
			);
		}
		$names = array_column( $columns, 'name' );
		$key   = isset( $table['key'] ) && is_array( $table['key'] ) ? array_values( $table['key'] ) : null;
		if ( null !== $key && array_diff( $key, $names ) ) {
			throw self::bad();
		}
		return array(
			'name'    => $table['name'],
			'ddl'     => $table['ddl'],
			'columns' => $columns,
			'key'     => $key,
			'rows'    => isset( $table['rows'] ) && is_int( $table['rows'] ) ? $table['rows'] : null,
			'bytes'   => isset( $table['bytes'] ) && is_int( $table['bytes'] ) ? $table['bytes'] : 0,
		);
	}

	/**
	 * @param mixed $name A table's or column's.
	 */
	private static function is_name( $name ): bool {
		return is_string( $name ) && '' !== $name && strlen( $name ) <= 256 && false === strpos( $name, "\0" ) && 1 === preg_match( '//u', $name );
	}

	private static function bad(): Custom_Migrator_Import_Error {
		return Custom_Migrator_Import_Error::permanent( 'bad_answer', 'The source described a table in a form that is not the protocol\'s.' );
	}
}
