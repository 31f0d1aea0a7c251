<?php
/**
 * Writes one table's rows into a SQLite file.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Binds by the storage class that the driver gave each column.
 *
 * How MySQL's values are stored, which is how the driver itself would: integers as integers, decimals and floats as
 * doubles (a decimal of more than 15 digits loses the rest, and is counted), BIT as an integer, text and dates as text
 * untouched (zero dates too), binary as a blob. A number that SQLite's 64-bit signed integers cannot hold makes its column
 * one that takes any value (`ANY`), where it is kept as text.
 */
class Custom_Migrator_Table_Writer_Sqlite extends Custom_Migrator_Table_Writer {

	/** Significant digits that every double keeps. */
	const EXACT_DIGITS = 15;

	/** @var PDOStatement */
	private $insert;

	protected function prepare(): void {
		$info  = $this->database->progress( $this->name )['info'];
		$types = $this->database->column_types( $this->name );
		$names = array();
		$marks = array();

		$this->columns = array();
		foreach ( $info['columns'] as $column ) {
			$type            = isset( $types[ $column['name'] ] ) ? $types[ $column['name'] ] : 'TEXT';
			$letter          = self::letter( $type );
			$names[]         = Custom_Migrator_Import_Sqlite::quote( $column['name'] );
			$marks[]         = 'r' === $letter ? 'custom_migrator_double(?)' : '?';
			$this->columns[] = array(
				'name'    => $column['name'],
				'letter'  => $letter,
				'rewrite' => 't' === $letter && in_array( $column['kind'], array( 'string', 'json' ), true ),
				'decimal' => 'decimal' === $column['kind'] && 'r' === $letter,
			);
		}
		$this->insert = $this->database->pdo()->prepare(
			'INSERT INTO ' . Custom_Migrator_Import_Sqlite::quote( $this->name ) . ' (' . implode( ', ', $names ) . ') VALUES (' . implode( ', ', $marks ) . ')'
		);
	}

	protected function batch_rows(): int {
		return 1;
	}

	/** Storage class by declared type, as Custom_Migrator_Row_Digest names them. */
	public static function letter( string $type ): string {
		$letters = array(
			'INTEGER' => 'i',
			'INT'     => 'i',
			'REAL'    => 'r',
			'BLOB'    => 'b',
			'ANY'     => 'a',
		);
		return isset( $letters[ $type ] ) ? $letters[ $type ] : 't';
	}

	protected function unfit( array $row ): array {
		$names = array();
		foreach ( $this->columns as $i => $column ) {
			$value = $row[ $i ];
			if ( null === $value ) {
				continue;
			}
			if ( 'i' === $column['letter'] && ( is_array( $value ) || null === self::integer( $value ) ) ) {
				$names[] = $column['name'];
			} elseif ( 'r' === $column['letter'] && ( is_array( $value ) || ! is_numeric( $value ) ) ) {
				$names[] = $column['name'];
			}
		}
		return $names;
	}

	/** Its plain decimal form when it is an integer that 64 signed bits hold; else null. */
	public static function integer( string $value ): ?string {
		if ( preg_match( '/^-?(?:0|[1-9][0-9]{0,17})$/D', $value ) ) {
			return '-0' === $value ? '0' : $value;
		}
		if ( ! preg_match( '/^(-?)0*([0-9]+)$/D', $value, $match ) ) {
			return null;
		}
		$digits = $match[2];
		$limit  = '-' === $match[1] ? '9223372036854775808' : '9223372036854775807';
		if ( strlen( $digits ) > 19 || ( 19 === strlen( $digits ) && strcmp( $digits, $limit ) > 0 ) ) {
			return null;
		}
		return '0' === $digits ? '0' : $match[1] . $digits;
	}

	protected function try_insert( array $rows ): bool {
		list( $row ) = $rows;
		foreach ( $this->columns as $i => $column ) {
			$value = is_array( $row[ $i ] ) ? '' : $row[ $i ];
			$type  = PDO::PARAM_STR;
			if ( null === $value ) {
				$type = PDO::PARAM_NULL;
			} elseif ( 'b' === $column['letter'] ) {
				$type = PDO::PARAM_LOB;
			} elseif ( 'a' === $column['letter'] && self::integer( $value ) === $value ) {
				$type  = PDO::PARAM_INT;
				$value = (int) $value;
			}
			$this->insert->bindValue( $i + 1, $value, $type );
		}
		try {
			$this->insert->execute();
			return true;
		} catch ( PDOException $error ) {
			// 19 is SQLITE_CONSTRAINT: the rows are at fault, not the disk.
			if ( isset( $error->errorInfo[1] ) && 19 === (int) $error->errorInfo[1] ) {
				return false;
			}
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone\'s database could not be written: its disk may be full.', 0.0, $error );
		}
	}

	/** Types were looked at before: whatever refuses a row is a constraint. */
	protected function refused(): array {
		return array();
	}

	protected function landed( array $row ): array {
		$parts = array();
		foreach ( $this->columns as $i => $column ) {
			$value = $row[ $i ];
			if ( is_array( $value ) ) {
				$this->append( $i, $value[0], $value[1] );
				$parts[] = Custom_Migrator_Row_Digest::encode_hashed( $column['letter'], $value[1], (string) hash_file( 'sha256', $value[0], true ) );
				continue;
			}
			if ( null !== $value && 'i' === $column['letter'] ) {
				$value = self::integer( $value );
			} elseif ( null !== $value && 'r' === $column['letter'] ) {
				if ( $column['decimal'] && self::digits( $value ) > self::EXACT_DIGITS ) {
					$this->note( 'lossy', $column['name'] );
				}
				$value = Custom_Migrator_Import_Sqlite::to_hex( (float) $value );
			}
			$parts[] = Custom_Migrator_Row_Digest::encode( $column['letter'], $value );
		}
		return $parts;
	}

	/** Fills a value that was inserted empty from a file, a slice at a time. */
	private function append( int $i, string $path, int $length ): void {
		$pdo    = $this->database->pdo();
		$row    = (int) $pdo->lastInsertId();
		$column = Custom_Migrator_Import_Sqlite::quote( $this->columns[ $i ]['name'] );
		$number = Custom_Migrator_Staging_Sqlite::row_number( array_column( $this->columns, 'name' ) );
		if ( null === $number ) {
			throw Custom_Migrator_Import_Error::permanent( 'table_refused', 'The table ' . $this->name . ' has a value too large for its columns\' names.' );
		}
		$type   = 'b' === $this->columns[ $i ]['letter'] ? 'BLOB' : 'TEXT';
		$update = $pdo->prepare( 'UPDATE ' . Custom_Migrator_Import_Sqlite::quote( $this->name ) . " SET $column = CAST($column || ? AS $type) WHERE $number = ?" );
		$file   = fopen( $path, 'rb' );
		while ( false !== $file && ! feof( $file ) ) {
			$slice = (string) fread( $file, self::SLICE );
			if ( '' !== $slice ) {
				$update->bindValue( 1, $slice, PDO::PARAM_LOB );
				$update->bindValue( 2, $row, PDO::PARAM_INT );
				$update->execute();
			}
		}
		fclose( $file );
		$pdo->prepare( 'INSERT INTO _custom_migrator_large (name, row, col, bytes) VALUES (?, ?, ?, ?)' )->execute( array( $this->name, $row, $i, $length ) );
		$this->note( 'huge' );
	}

	/** Significant digits of a decimal number. */
	private static function digits( string $number ): int {
		$digits = preg_replace( '/[^0-9.]/', '', $number );
		if ( false !== strpos( $digits, '.' ) ) {
			$digits = rtrim( $digits, '0' );
		}
		return strlen( ltrim( str_replace( '.', '', $digits ), '0' ) );
	}
}
