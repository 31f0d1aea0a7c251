<?php
/**
 * Which tables are the site's, and what is in them.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Chooses the site's tables by prefix and describes them. */
final class Custom_Migrator_Schema {
	/** A second WordPress in the same database has at least these. */
	const CORE = array( 'comments', 'options', 'postmeta', 'posts', 'terms', 'usermeta', 'users' );

	const KINDS = array(
		'tinyint'    => 'int',
		'smallint'   => 'int',
		'mediumint'  => 'int',
		'int'        => 'int',
		'integer'    => 'int',
		'bigint'     => 'int',
		'year'       => 'int',
		'decimal'    => 'decimal',
		'numeric'    => 'decimal',
		'float'      => 'float',
		'double'     => 'float',
		'real'       => 'float',
		'bit'        => 'bit',
		'json'       => 'json',
		'binary'     => 'binary',
		'varbinary'  => 'binary',
		'tinyblob'   => 'binary',
		'blob'       => 'binary',
		'mediumblob' => 'binary',
		'longblob'   => 'binary',
		'vector'     => 'binary',
	);

	const SPATIAL = array( 'geometry', 'point', 'linestring', 'polygon', 'multipoint', 'multilinestring', 'multipolygon', 'geometrycollection', 'geomcollection' );

	/** @var Custom_Migrator_Database */
	private $database;

	/** @var string */
	private $prefix;

	/** @var array|null */
	private $sorted = null;

	public function __construct( Custom_Migrator_Database $database, string $prefix ) {
		$this->database = $database;
		$this->prefix   = $prefix;
	}

	/**
	 * Sorts the database's tables into ours, ours that are views, and others. Names that begin with our prefix belong
	 * to another site when that site's whole core set is there under a longer prefix.
	 *
	 * @return array `{tables: [name], views: [name], others: [name]}`
	 */
	public function sorted(): array {
		if ( null !== $this->sorted ) {
			return $this->sorted;
		}
		$fold   = ! $this->database->case_sensitive();
		$all    = $this->database->tables();
		$names  = array();
		$prefix = $fold ? strtolower( $this->prefix ) : $this->prefix;
		foreach ( $all as $table ) {
			$names[ $fold ? strtolower( $table['name'] ) : $table['name'] ] = true;
		}
		$foreign = self::longer_prefixes( $names, $prefix );
		$sorted  = array(
			'tables' => array(),
			'views'  => array(),
			'others' => array(),
		);
		foreach ( $all as $table ) {
			$name = $fold ? strtolower( $table['name'] ) : $table['name'];
			if ( $table['name'] === Custom_Migrator_Nonce_Table::name() ) {
				continue;
			}
			if ( 0 !== strncmp( $name, $prefix, strlen( $prefix ) ) || self::begins_with_any( $name, $foreign ) ) {
				$sorted['others'][] = $table['name'];
			} elseif ( $table['view'] ) {
				$sorted['views'][] = $table['name'];
			} else {
				$sorted['tables'][] = $table['name'];
			}
		}
		$this->sorted = $sorted;
		return $sorted;
	}

	/**
	 * One of the site's tables, by its exact name. Throws `no_such_table` for any other name.
	 *
	 * @return array `{name, columns: [{name, type, kind, nullable, collation, generated}], key: [name]|null, options: bool}`
	 */
	public function table( string $name ): array {
		if ( in_array( $name, $this->sorted()['tables'], true ) ) {
			return $this->describe( $name );
		}
		throw new Custom_Migrator_Error( 'no_such_table', 'The site has no such table.', 404 );
	}

	private function describe( string $name ): array {
		$columns = array();
		foreach ( $this->database->show_columns( $name ) as $column ) {
			$columns[] = array(
				'name'      => (string) $column['Field'],
				'type'      => (string) $column['Type'],
				'kind'      => self::kind( (string) $column['Type'] ),
				'nullable'  => 'NO' !== strtoupper( (string) $column['Null'] ),
				'collation' => (string) $column['Collation'],
				'generated' => 1 === preg_match( '/\b(VIRTUAL|STORED|PERSISTENT)\b/i', (string) $column['Extra'] ),
			);
		}
		return array(
			'name'    => $name,
			'columns' => $columns,
			'key'     => self::key( $this->database->show_index( $name ), array_column( $columns, 'nullable', 'name' ) ),
			// Where our own rows would be.
			'options' => 0 === strcasecmp( $name, $this->prefix . 'options' ),
		);
	}

	/** The first word of a column's type, e.g. `varchar`. */
	public static function base_type( string $type ): string {
		return 1 === preg_match( '/\A[a-z0-9_]+/', strtolower( $type ), $found ) ? $found[0] : '';
	}

	private static function kind( string $type ): string {
		$base = self::base_type( $type );
		if ( isset( self::KINDS[ $base ] ) ) {
			return self::KINDS[ $base ];
		}
		return in_array( $base, self::SPATIAL, true ) ? 'binary' : 'string';
	}

	/**
	 * The primary key, else the first unique key over whole columns that cannot be NULL.
	 *
	 * @param array[] $index    Rows of SHOW INDEX.
	 * @param bool[]  $nullable By column name.
	 * @return string[]|null
	 */
	private static function key( array $index, array $nullable ): ?array {
		$keys = array();
		foreach ( $index as $part ) {
			$name = (string) $part['Key_name'];
			if ( 0 !== (int) $part['Non_unique'] ) {
				continue;
			}
			if ( ! isset( $keys[ $name ] ) ) {
				$keys[ $name ] = array();
			}
			$column  = isset( $part['Column_name'] ) ? (string) $part['Column_name'] : '';
			$partial = isset( $part['Sub_part'] ) && '' !== (string) $part['Sub_part'];
			$usable  = isset( $nullable[ $column ] ) && ! $nullable[ $column ];
			if ( 'PRIMARY' !== $name && ( $partial || 'BTREE' !== strtoupper( (string) $part['Index_type'] ) ) ) {
				$usable = false;
			}
			$keys[ $name ][ (int) $part['Seq_in_index'] ] = $usable ? $column : null;
		}
		if ( isset( $keys['PRIMARY'] ) ) {
			$keys = array( 'PRIMARY' => $keys['PRIMARY'] ) + $keys;
		}
		foreach ( $keys as $columns ) {
			if ( ! in_array( null, $columns, true ) ) {
				ksort( $columns );
				return array_values( $columns );
			}
		}
		return null;
	}

	/** Prefixes, longer than ours and beginning with it, under which a whole other site lives. */
	private static function longer_prefixes( array $names, string $prefix ): array {
		$found = array();
		foreach ( array_keys( $names ) as $name ) {
			$name = (string) $name;
			if ( 'options' !== substr( $name, -7 ) ) {
				continue;
			}
			$other = substr( $name, 0, -7 );
			if ( strlen( $other ) <= strlen( $prefix ) || 0 !== strncmp( $other, $prefix, strlen( $prefix ) ) ) {
				continue;
			}
			$complete = true;
			foreach ( self::CORE as $core ) {
				$complete = $complete && isset( $names[ $other . $core ] );
			}
			if ( $complete ) {
				$found[] = $other;
			}
		}
		return $found;
	}

	private static function begins_with_any( string $name, array $prefixes ): bool {
		foreach ( $prefixes as $prefix ) {
			if ( 0 === strncmp( $name, $prefix, strlen( $prefix ) ) ) {
				return true;
			}
		}
		return false;
	}
}
