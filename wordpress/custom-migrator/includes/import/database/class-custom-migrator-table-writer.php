<?php
/**
 * Writes one table's rows into the staged database.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Rewrites, binds by the storage class that the driver gave each column, sums the digest up, and commits the cursor with
 * the rows.
 *
 * How MySQL's values are stored, which is how the driver itself would: integers as integers, decimals and floats as
 * doubles (a decimal of more than 15 digits loses the rest, and is counted), BIT as an integer, text and dates as text
 * untouched (zero dates too), binary as a blob. A number that SQLite's 64-bit signed integers cannot hold makes its column
 * one that takes any value (`ANY`), where it is kept as text.
 */
class Custom_Migrator_Table_Writer {

	/** A larger value lands as it is, not rewritten, slice by slice. Rewriting needs about four times the value's size. */
	const REWRITE_MAX = 67108864;

	/** Bytes of a slice of a value larger than that. */
	const SLICE = 4194304;

	/** Significant digits that every double keeps. */
	const EXACT_DIGITS = 15;

	/** @var Custom_Migrator_Staging_Database */
	private $database;

	/** @var string */
	private $name;

	/** @var Custom_Migrator_Rewriter */
	private $rewriter;

	/** @var array[] `{name, letter, rewrite: bool, decimal: bool}` by position. */
	private $columns = array();

	/** @var PDOStatement */
	private $insert;

	/** @var array Counts for the proof: `lossy: {column: n}`, `kept: n`, `huge: n`. */
	private $notes = array();

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

		$this->notes = is_array( $progress['notes'] ) ? $progress['notes'] : array();
		$pdo->beginTransaction();
		try {
			foreach ( $rows as $row ) {
				$unstorable = $this->unstorable( $row );
				if ( array() !== $unstorable ) {
					$pdo->rollBack();
					$this->database->widen( $this->name, array_values( array_unique( array_merge( $progress['widened'], $unstorable ) ) ) );
					$this->prepare();
					return false;
				}
				$parts = $this->insert_row( $row );
				if ( null === $parts ) {
					$pdo->rollBack();
					$this->database->loosen( $this->name );
					$this->prepare();
					return false;
				}
				$digest->add( $parts );
				++$count;
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

	private function prepare(): void {
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
				'rewrite' => in_array( $column['kind'], array( 'string', 'json' ), true ),
				'decimal' => 'decimal' === $column['kind'] && 'r' === $letter,
			);
		}
		$this->insert = $this->database->pdo()->prepare(
			'INSERT INTO ' . Custom_Migrator_Import_Sqlite::quote( $this->name ) . ' (' . implode( ', ', $names ) . ') VALUES (' . implode( ', ', $marks ) . ')'
		);
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

	/** @return string[] Columns of the row whose value the column cannot hold. */
	private function unstorable( array $row ): array {
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

	/**
	 * @return string[]|null The row as the digest takes it; null when a constraint of the table refuses it for good.
	 */
	private function insert_row( array $row ): ?array {
		$rewritten = false;
		$new       = $row;
		foreach ( $this->columns as $i => $column ) {
			if ( is_array( $new[ $i ] ) && $new[ $i ][1] <= self::REWRITE_MAX ) {
				$row[ $i ] = (string) file_get_contents( $new[ $i ][0] );
				$new[ $i ] = $row[ $i ];
			}
			if ( $column['rewrite'] && is_string( $new[ $i ] ) && 't' === $column['letter'] && $this->rewriter->needs_rewrite( $new[ $i ] ) ) {
				$new[ $i ] = $this->rewriter->rewrite( $new[ $i ] );
				$rewritten = $rewritten || $new[ $i ] !== $row[ $i ];
			}
		}
		if ( $this->try_insert( $new ) ) {
			return $this->landed( $new );
		}
		// Two addresses that become one (http and https, say) may break a unique key: then the row keeps its own.
		if ( $rewritten && $this->try_insert( $row ) ) {
			$this->note( 'kept' );
			return $this->landed( $row );
		}
		return null;
	}

	private function try_insert( array $row ): bool {
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

	/**
	 * Adds what is left to do after the insert, and encodes the row as it stands now.
	 */
	private function landed( array $row ): array {
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
		$number = Custom_Migrator_Staging_Database::row_number( array_column( $this->columns, 'name' ) );
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

	private function note( string $what, ?string $column = null ): void {
		if ( null === $column ) {
			$this->notes[ $what ] = ( isset( $this->notes[ $what ] ) ? $this->notes[ $what ] : 0 ) + 1;
			return;
		}
		$this->notes[ $what ][ $column ] = ( isset( $this->notes[ $what ][ $column ] ) ? $this->notes[ $what ][ $column ] : 0 ) + 1;
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
