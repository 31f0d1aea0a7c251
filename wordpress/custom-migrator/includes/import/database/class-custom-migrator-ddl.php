<?php
/**
 * Reads a table's MySQL DDL and says it again in plain words.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * From `SHOW CREATE TABLE` of any MySQL or MariaDB to a statement that the SQLite integration's driver takes.
 *
 * Nothing of the source's text is passed on as it is: each column and key is parsed and written anew, so a hostile DDL can
 * at most name odd columns. What has no counterpart (foreign keys, checks, generated columns, partitions, expressions) is
 * left out and named in `left_out()`.
 */
class Custom_Migrator_Ddl {

	const TYPES = array( 'bit', 'bool', 'boolean', 'tinyint', 'smallint', 'mediumint', 'int', 'integer', 'bigint', 'float', 'double', 'real', 'decimal', 'dec', 'fixed', 'numeric', 'char', 'varchar', 'nchar', 'nvarchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set', 'json', 'date', 'time', 'datetime', 'timestamp', 'year', 'binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon', 'geomcollection', 'geometrycollection' );

	/** What stands in for a type that the driver does not know, by the column's kind. */
	const STAND_INS = array(
		'int'     => 'bigint',
		'decimal' => 'decimal(65,30)',
		'float'   => 'double',
		'string'  => 'longtext',
		'binary'  => 'longblob',
		'bit'     => 'bit(64)',
		'json'    => 'longtext',
	);

	/** @var string */
	protected $table;

	/** @var array<string,string> Column name to kind, in order. */
	protected $kinds = array();

	/** @var array<string,string> Column name to its definition. */
	protected $columns = array();

	/** @var string[] */
	protected $primary = array();

	/** @var array<string,string> Of the primary key's columns, how much of each: `(191)`, or nothing. */
	protected $primary_lengths = array();

	/** @var string[] Secondary keys, written out. */
	protected $keys = array();

	/** @var string */
	protected $options = '';

	/** @var string[] */
	protected $left_out = array();

	/** @var string[] Columns that compare byte by byte. */
	private $binary = array();

	/**
	 * @param string $table   The table's name.
	 * @param string $ddl     `SHOW CREATE TABLE`.
	 * @param array  $columns `[{name, type, kind, nullable}]` as the source's `tables` verb names them.
	 */
	public function __construct( string $table, string $ddl, array $columns ) {
		$this->table = $table;
		foreach ( $columns as $column ) {
			$this->kinds[ $column['name'] ] = $column['kind'];
		}
		list( $elements, $options ) = Custom_Migrator_Sql_Text::split_create_table( $ddl );
		$table_binary               = (bool) preg_match( '/COLLATE\s*=?\s*[a-z0-9]+_(bin|cs)\b/i', $options );
		foreach ( $elements as $element ) {
			$this->element( $element, $table_binary );
		}
		$this->options( $options );
		foreach ( $columns as $column ) {
			if ( ! isset( $this->columns[ $column['name'] ] ) ) {
				$this->columns[ $column['name'] ] = $this->stand_in( $column );
			}
		}
		$this->columns = array_replace( array_fill_keys( array_keys( $this->kinds ), '' ), array_intersect_key( $this->columns, $this->kinds ) );
		$this->primary = array_values( array_intersect( $this->primary, array_keys( $this->kinds ) ) );
	}

	/** Everything the driver may take. */
	public function full(): string {
		return $this->compose( $this->columns, $this->keys );
	}

	/** Without secondary keys. */
	public function without_keys(): string {
		return $this->compose( $this->columns, array() );
	}

	/** Only names and storage kinds, and the primary key. */
	public function bare(): string {
		return $this->compose( $this->bare_columns(), array() );
	}

	/** @return array<string,string> */
	protected function bare_columns(): array {
		$columns = array();
		foreach ( $this->kinds as $name => $kind ) {
			$columns[ $name ] = isset( self::STAND_INS[ $kind ] ) ? self::STAND_INS[ $kind ] : 'longtext';
		}
		return $columns;
	}

	/** @return string[] What has no counterpart in the clone, in words. */
	public function left_out(): array {
		return $this->left_out;
	}

	/** @return string[] */
	public function binary_columns(): array {
		return $this->binary;
	}

	protected function compose( array $columns, array $keys ): string {
		$lines = array();
		foreach ( $columns as $name => $definition ) {
			$lines[] = '  ' . self::quote( (string) $name ) . ' ' . $definition;
		}
		if ( array() !== $this->primary ) {
			$lines[] = '  PRIMARY KEY (' . implode( ', ', array_map( array( __CLASS__, 'quote' ), $this->primary ) ) . ')';
		}
		foreach ( $keys as $key ) {
			$lines[] = '  ' . $key;
		}
		return 'CREATE TABLE ' . self::quote( $this->table ) . " (\n" . implode( ",\n", $lines ) . "\n)" . $this->options;
	}

	private function element( string $element, bool $table_binary ): void {
		if ( preg_match( '/^`((?:[^`]|``)+)`\s+(.*)$/s', $element, $match ) ) {
			$this->column( str_replace( '``', '`', $match[1] ), $match[2], $table_binary );
			return;
		}
		if ( preg_match( '/^PRIMARY\s+KEY\b[^(]*\((.*)\)/is', $element, $match ) ) {
			$parts = $this->key_columns( $match[1] );
			if ( null !== $parts ) {
				$this->primary         = array_column( $parts, 0 );
				$this->primary_lengths = array_column( $parts, 1, 0 );
			}
			return;
		}
		if ( preg_match( '/^(UNIQUE|FULLTEXT|SPATIAL)?\s*(?:KEY|INDEX)\s+`((?:[^`]|``)+)`[^(]*(\(.*)$/is', $element, $match ) ) {
			$this->secondary( strtoupper( $match[1] ), str_replace( '``', '`', $match[2] ), $match[3] );
			return;
		}
		$what = preg_match( '/\bFOREIGN\s+KEY\b/i', $element ) ? 'foreign key' : ( preg_match( '/\bCHECK\b/i', $element ) ? 'check' : 'clause' );
		$name = preg_match( '/^CONSTRAINT\s+`((?:[^`]|``)+)`/i', $element, $match ) ? ' ' . $match[1] : '';
		$this->left_out[] = $what . $name . ' left out';
	}

	private function secondary( string $type, string $name, string $rest ): void {
		$inner = Custom_Migrator_Sql_Text::parenthesised( $rest );
		$parts = null === $inner ? null : $this->key_columns( $inner );
		if ( null === $parts ) {
			$this->left_out[] = 'key ' . $name . ' left out (it is on an expression)';
			return;
		}
		$columns = array();
		foreach ( $parts as $part ) {
			$columns[] = self::quote( $part[0] ) . $part[1];
		}
		$this->keys[] = ( in_array( $type, $this->key_kinds(), true ) ? $type . ' ' : '' ) . 'KEY ' . self::quote( $name ) . ' (' . implode( ', ', $columns ) . ')';
	}

	/**
	 * @return array[]|null `[name, "(length)" or ""]` each; null when it holds an expression or an unknown column.
	 */
	private function key_columns( string $list ): ?array {
		$parts = array();
		foreach ( Custom_Migrator_Sql_Text::split( $list ) as $part ) {
			if ( ! preg_match( '/^`((?:[^`]|``)+)`\s*(\(\d+\))?\s*(?:ASC|DESC)?$/i', $part, $match ) ) {
				return null;
			}
			$name = str_replace( '``', '`', $match[1] );
			if ( ! isset( $this->kinds[ $name ] ) ) {
				return null;
			}
			$parts[] = array( $name, isset( $match[2] ) ? $match[2] : '' );
		}
		return $parts;
	}

	private function column( string $name, string $definition, bool $table_binary ): void {
		if ( ! isset( $this->kinds[ $name ] ) ) {
			return;
		}
		list( $masked, $strings ) = Custom_Migrator_Sql_Text::mask( $definition );
		if ( ! preg_match( '/^([a-z0-9]+)(?:\s+precision)?\s*(\([^()]*\))?(.*)$/is', $masked, $match ) ) {
			return;
		}
		$type = strtolower( $match[1] );
		$tail = $match[3];
		$sql  = in_array( $type, $this->types(), true ) ? $type . self::type_arguments( $type, $match[2], $strings ) : self::STAND_INS[ isset( self::STAND_INS[ $this->kinds[ $name ] ] ) ? $this->kinds[ $name ] : 'string' ];
		$sql  = $this->typed( $name, $sql, $tail );

		$generated = (bool) preg_match( '/\b(?:GENERATED\s+ALWAYS\s+)?AS\s*\(/i', $tail );
		if ( $generated ) {
			$this->left_out[] = 'generated column ' . $name . ' is a plain one';
		}
		if ( ! $generated && preg_match( '/\bNOT\s+NULL\b/i', $tail ) ) {
			$sql .= ' NOT NULL';
		}
		if ( preg_match( '/\bAUTO_INCREMENT\b/i', $tail ) ) {
			$sql .= ' AUTO_INCREMENT';
		} elseif ( ! $generated ) {
			$sql .= $this->default_clause( $name, $sql, $tail, $strings );
		}
		if ( preg_match( '/\bON\s+UPDATE\s+CURRENT_TIMESTAMP\b(\(\d\))?/i', $tail, $found ) ) {
			$sql .= ' ON UPDATE CURRENT_TIMESTAMP' . $this->fraction( isset( $found[1] ) ? $found[1] : '' );
		}
		$collation = preg_match( '/\bCOLLATE\s+([a-z0-9_]+)/i', $tail, $found ) ? $found[1] : '';
		if ( preg_match( '/(_bin|_cs)$/i', $collation ) || ( '' === $collation && $table_binary ) ) {
			$this->binary[] = $name;
		}
		$this->columns[ $name ] = $sql;
	}

	/** @return string[] Types that the database knows. */
	protected function types(): array {
		return self::TYPES;
	}

	/**
	 * A column's type with its attributes.
	 *
	 * @param string $name Column.
	 * @param string $type Its type, arguments included.
	 * @param string $tail What follows it, quoted strings masked.
	 */
	protected function typed( string $name, string $type, string $tail ): string {
		unset( $name );
		return self::is_unsigned( $type, $tail ) ? $type . ' unsigned' : $type;
	}

	protected static function is_unsigned( string $type, string $tail ): bool {
		return preg_match( '/\bUNSIGNED\b/i', $tail ) && preg_match( '/int|decimal|float|double/', $type );
	}

	/** Digits of a second that CURRENT_TIMESTAMP is to have: `(6)`, or nothing. */
	protected function fraction( string $digits ): string {
		unset( $digits );
		return '';
	}

	/** @return string[] Kinds of secondary keys that the database knows. */
	protected function key_kinds(): array {
		return array( 'UNIQUE', 'FULLTEXT' );
	}

	protected function default_clause( string $name, string $type, string $tail, array $strings ): string {
		unset( $type );
		if ( ! preg_match( '/\bDEFAULT\s+(.*)$/is', $tail, $match ) ) {
			return '';
		}
		$rest = $match[1];
		if ( preg_match( '/^CURRENT_TIMESTAMP\b(\(\d\))?/i', $rest, $found ) ) {
			return ' DEFAULT CURRENT_TIMESTAMP' . $this->fraction( isset( $found[1] ) ? $found[1] : '' );
		}
		if ( preg_match( '/^NULL\b/i', $rest ) ) {
			return ' DEFAULT NULL';
		}
		if ( preg_match( '/^([bx]?)\?(\d+)\?/i', $rest, $found ) ) {
			$text = isset( $strings[ (int) $found[2] ] ) ? $strings[ (int) $found[2] ] : '';
			if ( '' === $found[1] ) {
				return ' DEFAULT ' . Custom_Migrator_Sql_Text::literal( $text );
			}
			if ( 'b' === strtolower( $found[1] ) && preg_match( '/^[01]{1,62}$/D', $text ) ) {
				return ' DEFAULT ' . bindec( $text );
			}
		} elseif ( preg_match( '/^(-?\d+(?:\.\d+)?)(?![\w(])/', $rest, $found ) ) {
			return ' DEFAULT ' . $found[1];
		}
		$this->left_out[] = 'default of column ' . $name . ' left out (it is an expression)';
		return '';
	}

	/** Lengths and lists of values, each number and literal checked. */
	private static function type_arguments( string $type, string $arguments, array $strings ): string {
		if ( '' === $arguments ) {
			return 'varchar' === $type || 'varbinary' === $type ? '(255)' : '';
		}
		if ( preg_match( '/^\(\s*\d+\s*(,\s*\d+\s*)?\)$/D', $arguments ) ) {
			return preg_replace( '/\s+/', '', $arguments );
		}
		if ( ( 'enum' === $type || 'set' === $type ) && preg_match( '/^\(\s*\?\d+\?(\s*,\s*\?\d+\?)*\s*\)$/D', $arguments ) ) {
			preg_match_all( '/\?(\d+)\?/', $arguments, $found );
			$values = array();
			foreach ( $found[1] as $number ) {
				$values[] = Custom_Migrator_Sql_Text::literal( isset( $strings[ (int) $number ] ) ? $strings[ (int) $number ] : '' );
			}
			return '(' . implode( ',', $values ) . ')';
		}
		return '';
	}

	protected function options( string $options ): void {
		if ( preg_match( '/\bAUTO_INCREMENT\s*=\s*(\d{1,18})\b/i', $options, $match ) ) {
			$this->options = ' AUTO_INCREMENT=' . $match[1];
		}
	}

	private function stand_in( array $column ): string {
		return self::STAND_INS[ isset( self::STAND_INS[ $column['kind'] ] ) ? $column['kind'] : 'string' ];
	}

	public static function quote( string $name ): string {
		return '`' . str_replace( '`', '``', $name ) . '`';
	}
}
