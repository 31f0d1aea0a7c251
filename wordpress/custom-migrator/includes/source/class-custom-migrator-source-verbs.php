<?php
/**
 * The verbs of a source.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Read only: nothing here writes to the site. (`remove` is not here, because only an ordinary site has it.) */
final class Custom_Migrator_Source_Verbs {
	/** @return array<string, callable> Verb → callable that takes the arguments. */
	public static function verbs(): array {
		$budget = new Custom_Migrator_Budget();
		$verbs  = array(
			'hello'     => array( 'Custom_Migrator_Agent', 'hello' ),
			'preflight' => static function () {
				return self::with_database(
					static function ( $database, $schema ) {
						return ( new Custom_Migrator_Preflight( $database, $schema, new Custom_Migrator_Roots() ) )->report();
					}
				);
			},
			'tables'    => static function ( array $args ) use ( $budget ) {
				return self::with_database(
					static function ( $database, $schema ) use ( $args, $budget ) {
						return ( new Custom_Migrator_Tables( $database, $schema ) )->page( $args, $budget );
					}
				);
			},
			'rows'      => static function ( array $args ) use ( $budget ) {
				return self::with_database(
					static function ( $database, $schema ) use ( $args, $budget ) {
						return ( new Custom_Migrator_Rows( $database, $schema ) )->rows( $args, $budget );
					}
				);
			},
			'value'     => static function ( array $args ) {
				return self::with_database(
					static function ( $database, $schema ) use ( $args ) {
						return ( new Custom_Migrator_Rows( $database, $schema ) )->value( $args );
					}
				);
			},
			'files'     => static function ( array $args ) use ( $budget ) {
				return ( new Custom_Migrator_File_List( new Custom_Migrator_Roots(), $budget ) )->page( $args );
			},
			'read'      => static function ( array $args ) use ( $budget ) {
				return ( new Custom_Migrator_File_Reader( new Custom_Migrator_Roots(), $budget ) )->read( $args );
			},
		);
		return $verbs + array( 'batch' => array( new Custom_Migrator_Batch( $verbs, $budget ), 'run' ) );
	}

	/** Runs something with the site's database open, and puts the connection back. */
	private static function with_database( callable $work ) {
		global $wpdb;
		$database = self::open();
		try {
			return $work( $database, new Custom_Migrator_Schema( $database, $wpdb->prefix ) );
		} finally {
			$database->close();
		}
	}

	private static function open(): Custom_Migrator_Database {
		global $wpdb;
		if ( Custom_Migrator_Sqlite::is_in_use() ) {
			return new Custom_Migrator_Sqlite( Custom_Migrator_Sqlite::connect( $wpdb ) );
		}
		// Some database drop-ins connect with the first query.
		$wpdb->query( 'SELECT 1' );
		if ( ! isset( $wpdb->dbh ) || ! $wpdb->dbh instanceof mysqli ) {
			throw new Custom_Migrator_Error( 'database_unsupported', 'The site talks to its database in a way this plugin does not know (no mysqli, no SQLite integration).', 501 );
		}
		return new Custom_Migrator_Mysql( $wpdb->dbh );
	}
}
