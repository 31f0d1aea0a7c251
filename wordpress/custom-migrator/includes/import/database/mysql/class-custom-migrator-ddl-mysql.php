<?php
/**
 * A table's MySQL DDL, said again for the server that the clone has.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Keeps what SQLite has no use for: character sets and collations, ZEROFILL, fractions of seconds, spatial keys. The engine
 * is always InnoDB: rows and the cursor after them are written in one transaction.
 */
class Custom_Migrator_Ddl_Mysql extends Custom_Migrator_Ddl {

	const TEXT          = '/^(char|varchar|nchar|nvarchar|tinytext|text|mediumtext|longtext|enum|set)\b/';
	const MARIADB_TYPES = array( 'inet4', 'inet6', 'uuid' );

	/** MySQL takes no literal default for these; MariaDB does. */
	const NO_DEFAULT = '/^(tiny|medium|long)?(text|blob)\b|^(geometry|point|linestring|polygon|multi|geomcollection)/';

	/** @var Custom_Migrator_Mysql_Server */
	private $server;

	/**
	 * @param string                       $table   The name that the table is to be made with.
	 * @param string                       $ddl     `SHOW CREATE TABLE`.
	 * @param array                        $columns As the source's `tables` verb names them.
	 * @param Custom_Migrator_Mysql_Server $server  Where to.
	 */
	public function __construct( string $table, string $ddl, array $columns, Custom_Migrator_Mysql_Server $server ) {
		$this->server = $server;
		parent::__construct( $table, $ddl, $columns );
	}

	/**
	 * Statements to try, the best first.
	 *
	 * @param array<string,string> $widened Columns that are to be of another type.
	 * @param bool                 $loose   Without unique keys.
	 * @return array<string,string> What differs, in words, to the statement.
	 */
	public function ways( array $widened, bool $loose ): array {
		$columns = $this->columns;
		foreach ( $widened as $name => $type ) {
			if ( isset( $columns[ $name ] ) ) {
				$columns[ $name ] = $type . self::kept( $columns[ $name ], $type );
			}
		}
		$bare    = array_replace( $this->bare_columns(), array_intersect_key( $widened, $this->columns ) );
		$primary = $this->primary_key();
		$keys    = $this->keys;
		if ( $loose ) {
			$keys = preg_replace( '/^UNIQUE /', '', $keys );
			if ( '' !== $primary ) {
				$keys[] = preg_replace( '/^PRIMARY /', '', $primary );
			}
			$primary = '';
		}
		return array(
			''                                                            => $this->written( $columns, $primary, $keys ),
			'its secondary keys are missing'                              => $this->written( $columns, $primary, array() ),
			'only its columns and primary key are kept, with plain types' => $this->written( $bare, $primary, array() ),
			'only its columns are kept, with plain types'                 => $this->written( $bare, '', array() ),
		);
	}

	protected function types(): array {
		return $this->server->is_mariadb() ? array_merge( parent::types(), self::MARIADB_TYPES ) : parent::types();
	}

	protected function typed( string $name, string $type, string $tail ): string {
		if ( 'json' === $type ) {
			// What MariaDB makes of it; MySQL would write the text anew.
			if ( ! $this->server->is_mariadb() ) {
				$this->left_out[] = 'column ' . $name . ' holds its JSON as text';
			}
			return 'longtext ' . $this->server->text_as( 'utf8mb4', 'utf8mb4_bin' );
		}
		if ( self::is_unsigned( $type, $tail ) ) {
			return $type . ' unsigned' . ( preg_match( '/\bZEROFILL\b/i', $tail ) ? ' zerofill' : '' );
		}
		if ( ! preg_match( self::TEXT, $type ) ) {
			return $type;
		}
		$charset   = preg_match( '/\b(?:CHARACTER\s+SET|CHARSET)\s+([a-z0-9_]+)/i', $tail, $found ) ? $found[1] : null;
		$collation = preg_match( '/\bCOLLATE\s+([a-z0-9_]+)/i', $tail, $found ) ? $found[1] : null;
		return rtrim( $type . ' ' . $this->server->text_as( $charset, $collation ) );
	}

	protected function fraction( string $digits ): string {
		return $digits;
	}

	protected function key_kinds(): array {
		return array( 'UNIQUE', 'FULLTEXT', 'SPATIAL' );
	}

	protected function default_clause( string $name, string $type, string $tail, array $strings ): string {
		$clause = parent::default_clause( $name, $type, $tail, $strings );
		if ( '' !== $clause && ' DEFAULT NULL' !== $clause && ! $this->server->is_mariadb() && preg_match( self::NO_DEFAULT, $type ) ) {
			$this->left_out[] = 'default of column ' . $name . ' left out (MySQL has none for its type)';
			return '';
		}
		return $clause;
	}

	protected function options( string $options ): void {
		parent::options( $options );
		list( $masked ) = Custom_Migrator_Sql_Text::mask( $options );
		$charset        = preg_match( '/\b(?:CHARACTER\s+SET|CHARSET)\s*=?\s*([a-z0-9_]+)/i', $masked, $found ) ? $found[1] : null;
		$collation      = preg_match( '/\bCOLLATE\s*=?\s*([a-z0-9_]+)/i', $masked, $found ) ? $found[1] : null;
		$text           = $this->server->text_as( $charset, $collation );
		$this->options  = ' ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT ' . ( '' === $text ? 'CHARACTER SET utf8mb4' : $text ) . $this->options;
	}

	private function primary_key(): string {
		$parts = array();
		foreach ( $this->primary as $name ) {
			$parts[] = self::quote( $name ) . ( isset( $this->primary_lengths[ $name ] ) ? $this->primary_lengths[ $name ] : '' );
		}
		return array() === $parts ? '' : 'PRIMARY KEY (' . implode( ', ', $parts ) . ')';
	}

	private function written( array $columns, string $primary, array $keys ): string {
		$lines = array();
		foreach ( $columns as $name => $definition ) {
			$lines[] = self::quote( (string) $name ) . ' ' . $definition;
			// A column that numbers itself has to lead a key.
			$led = self::quote( (string) $name );
			if ( preg_match( '/ AUTO_INCREMENT$/', $definition ) && 0 !== strpos( $primary, 'PRIMARY KEY (' . $led ) && ! preg_grep( '/ \(' . preg_quote( $led, '/' ) . '/', $keys ) ) {
				$keys[] = 'KEY (' . $led . ')';
			}
		}
		if ( '' !== $primary ) {
			$lines[] = $primary;
		}
		return 'CREATE TABLE ' . self::quote( $this->table ) . " (\n  " . implode( ",\n  ", array_merge( $lines, $keys ) ) . "\n)" . $this->options;
	}

	/** Of a column's definition, what holds for its new type too. */
	private static function kept( string $definition, string $type ): string {
		$kept = preg_match( '/\bNOT NULL\b/', $definition ) && ! preg_match( '/ NULL$/', $type ) ? ' NOT NULL' : '';
		return $kept . ( preg_match( '/ AUTO_INCREMENT$/', $definition ) && preg_match( '/int\b/', $type ) ? ' AUTO_INCREMENT' : '' );
	}
}
