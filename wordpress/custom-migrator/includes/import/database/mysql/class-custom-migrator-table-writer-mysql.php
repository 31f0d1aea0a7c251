<?php
/**
 * Writes one table's rows into a MySQL database.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Many rows to a statement, every value bound. The session is strict: a value that its column would cut, bend or drop is
 * refused, and the column becomes one that takes it (Custom_Migrator_Mysql_Type::wider).
 */
class Custom_Migrator_Table_Writer_Mysql extends Custom_Migrator_Table_Writer {

	/** Duplicate keys: 1022, 1062, 1169, 1586. */
	const DUPLICATE = array( 1022, 1062, 1169, 1586 );

	/** Values that a column refuses: NULL, out of range, cut, wrong characters, too long, no date, no geometry. */
	const REFUSED = array( 1048, 1264, 1265, 1292, 1366, 1406, 1411, 1416, 1690, 3140 );

	/** A statement has at most 65,535 marks; beyond a hundred rows nothing is gained. */
	const ROWS_MAX  = 100;
	const MARKS_MAX = 60000;

	/** Columns of a table that are widened one by one; then all that are left become as wide as can be. */
	const PATIENCE = 3;

	/** A smaller value always travels inside its statement. */
	const INLINE = 65536;

	/** @var int */
	private $max_packet;

	/** @var PDOStatement|null For `batch_rows()` rows. */
	private $batch = null;

	/** @var PDOStatement|null For one row. */
	private $single = null;

	/** @var array<string,string> */
	private $refused = array();

	protected function prepare(): void {
		$types = $this->database->types( $this->name );

		$this->max_packet = $this->database->server()->max_packet();
		$this->columns    = array();
		$this->batch      = null;
		$this->single     = null;
		foreach ( $this->database->progress( $this->name )['info']['columns'] as $column ) {
			$type            = $types[ $column['name'] ];
			$this->columns[] = array(
				'name'    => $column['name'],
				'type'    => $type,
				'rewrite' => $type->takes_text() && in_array( $column['kind'], array( 'string', 'json' ), true ),
			);
		}
	}

	protected function batch_rows(): int {
		return max( 1, min( self::ROWS_MAX, intdiv( self::MARKS_MAX, count( $this->columns ) ) ) );
	}

	protected function unfit( array $row ): array {
		$wider = array();
		foreach ( $this->columns as $i => $column ) {
			$type = is_string( $row[ $i ] ) ? $column['type']->unfit( $row[ $i ] ) : null;
			if ( null !== $type ) {
				$wider[ $column['name'] ] = $type;
			}
		}
		return $wider;
	}

	protected function refused(): array {
		return $this->refused;
	}

	protected function try_insert( array $rows ): bool {
		$this->refused = array();
		$values        = array();
		foreach ( $rows as $row ) {
			foreach ( $this->within_limit( $row ) as $value ) {
				$values[] = $value;
			}
		}
		$large = $this->to_gather( $values );
		if ( array() !== $large && count( $rows ) > 1 ) {
			return false;
		}
		try {
			$statement = $this->statement( count( $rows ), $this->gather( $values, $large ) );
			$place     = 0;
			foreach ( $values as $i => $value ) {
				if ( ! isset( $large[ $i ] ) ) {
					$statement->bindValue( ++$place, $value, null === $value ? PDO::PARAM_NULL : PDO::PARAM_STR );
				}
			}
			$statement->execute();
		} catch ( PDOException $error ) {
			return $this->is_refusal( $error, $rows );
		}
		return true;
	}

	protected function landed( array $row ): array {
		$parts = array();
		$taken = $this->within_limit( $row );
		foreach ( $this->columns as $i => $column ) {
			if ( $taken[ $i ] !== $row[ $i ] ) {
				$this->note( 'dropped' );
			}
			if ( is_array( $taken[ $i ] ) ) {
				$parts[] = Custom_Migrator_Row_Digest::encode_hashed( $column['type']->letter(), $row[ $i ][1], (string) hash_file( 'sha256', $row[ $i ][0], true ) );
				$this->note( 'huge' );
			} else {
				$parts[] = Custom_Migrator_Row_Digest::encode( $column['type']->letter(), null === $taken[ $i ] ? null : $column['type']->canonical( $taken[ $i ] ) );
			}
		}
		return $parts;
	}

	/** The row without values that the server takes in no way: those are left empty, and counted. */
	private function within_limit( array $row ): array {
		foreach ( $row as $i => $value ) {
			$length = is_array( $value ) ? $value[1] : ( null === $value ? 0 : strlen( $value ) );
			if ( $length >= $this->max_packet - 1024 ) {
				$row[ $i ] = '';
			}
		}
		return $row;
	}

	/** @return array<int,true> Places of values that do not fit into one statement with the others. */
	private function to_gather( array $values ): array {
		$bytes = 0;
		$large = array();
		foreach ( $values as $i => $value ) {
			$length = is_array( $value ) ? PHP_INT_MAX : ( null === $value ? 0 : strlen( $value ) );
			$bytes  = min( PHP_INT_MAX - self::INLINE, $bytes ) + min( self::INLINE, $length );
			if ( $length > self::INLINE ) {
				$large[ $i ] = true;
				$bytes      += is_array( $value ) ? $this->max_packet : $length;
			}
		}
		return $bytes > intdiv( $this->max_packet, 2 ) ? $large : array();
	}

	/**
	 * Sends large values ahead, slice by slice, into variables of the session.
	 *
	 * @return array<int,string> Place to the variable.
	 */
	private function gather( array $values, array $large ): array {
		$pdo       = $this->database->pdo();
		$size      = max( self::INLINE, min( self::SLICE, intdiv( $this->max_packet, 4 ) ) );
		$variables = array();
		foreach ( array_keys( $large ) as $i ) {
			$variable = '@_custom_migrator_' . $i;
			$append   = $pdo->prepare( "SET $variable = CONCAT($variable, CAST(? AS BINARY))" );
			$pdo->exec( "SET $variable = CAST('' AS BINARY)" );
			foreach ( self::slices( $values[ $i ], $size ) as $slice ) {
				$append->bindValue( 1, $slice, PDO::PARAM_LOB );
				$append->execute();
			}
			$variables[ $i ] = $variable;
		}
		return $variables;
	}

	/**
	 * @param string|array $value A value, or `[path, length]` of one in a file.
	 */
	private static function slices( $value, int $size ): Generator {
		if ( is_string( $value ) ) {
			for ( $at = 0, $length = strlen( $value ); $at < $length; $at += $size ) {
				yield substr( $value, $at, $size );
			}
			return;
		}
		$file = fopen( $value[0], 'rb' );
		while ( false !== $file && ! feof( $file ) ) {
			$slice = (string) fread( $file, $size );
			if ( '' !== $slice ) {
				yield $slice;
			}
		}
		fclose( $file );
	}

	private function statement( int $rows, array $variables ): PDOStatement {
		if ( 1 === $rows && array() === $variables && null !== $this->single ) {
			return $this->single;
		}
		if ( $rows > 1 && $rows === $this->batch_rows() && null !== $this->batch ) {
			return $this->batch;
		}
		$names = array();
		$marks = array();
		foreach ( $this->columns as $i => $column ) {
			$names[] = Custom_Migrator_Ddl::quote( $column['name'] );
			$marks[] = isset( $variables[ $i ] ) ? $column['type']->mark_of_bytes( $variables[ $i ] ) : $column['type']->mark();
		}
		$tuple     = '(' . implode( ', ', $marks ) . ')';
		$statement = $this->database->pdo()->prepare(
			'INSERT INTO ' . $this->database->quoted( $this->name ) . ' (' . implode( ', ', $names ) . ') VALUES ' . implode( ', ', array_fill( 0, $rows, $tuple ) )
		);
		if ( 1 === $rows && array() === $variables ) {
			$this->single = $statement;
		} elseif ( $rows > 1 && $rows === $this->batch_rows() ) {
			$this->batch = $statement;
		}
		return $statement;
	}

	/**
	 * @return bool Always false: the rows are at fault, and `refused()` tells what to widen.
	 * @throws Throwable When they are not.
	 */
	private function is_refusal( PDOException $error, array $rows ): bool {
		$number = Custom_Migrator_Mysql_Server::number( $error );
		if ( Custom_Migrator_Mysql_Server::is_full( $error ) ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone\'s database could not be written: its disk may be full.', 0.0, $error );
		}
		if ( in_array( $number, self::DUPLICATE, true ) ) {
			return false;
		}
		if ( ! in_array( $number, self::REFUSED, true ) ) {
			throw $error;
		}
		if ( 1 === count( $rows ) ) {
			$this->refused = $this->to_widen( $number, $error->getMessage(), $rows[0] );
		}
		return false;
	}

	/** @return array<string,string> */
	private function to_widen( int $number, string $message, array $row ): array {
		$named = preg_match( '/column (?:[\'`].*[\'`]\.)?[\'`](.+?)[\'`](?: at row|$)|Column [\'`](.+)[\'`] cannot/s', $message, $match ) ? end( $match ) : '';
		$wider   = array();
		$patient = count( $this->database->progress( $this->name )['widened'] ) < self::PATIENCE;
		foreach ( $this->columns as $i => $column ) {
			if ( $patient && $column['name'] === $named ) {
				return array( $named => $column['type']->wider( $number, is_string( $row[ $i ] ) ? $row[ $i ] : '' ) );
			}
			// This message names no column.
			if ( 1416 !== $number || $column['type']->is_geometry() ) {
				$wider[ $column['name'] ] = 'longblob';
			}
		}
		return $wider;
	}
}
