<?php
/**
 * The verb `preflight`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** What the other side must know before it begins. */
final class Custom_Migrator_Preflight {
	/** @var Custom_Migrator_Database */
	private $database;

	/** @var Custom_Migrator_Schema */
	private $schema;

	/** @var Custom_Migrator_Roots */
	private $roots;

	public function __construct( Custom_Migrator_Database $database, Custom_Migrator_Schema $schema, Custom_Migrator_Roots $roots ) {
		$this->database = $database;
		$this->schema   = $schema;
		$this->roots    = $roots;
	}

	public function report(): array {
		global $wpdb;
		$tables  = $this->schema->sorted();
		$uploads = wp_get_upload_dir();
		$content = $this->roots->folder( Custom_Migrator_Roots::CONTENT );
		return array(
			'wp_version'          => self::wp_version(),
			'locale'              => get_locale(),
			'php_version'         => PHP_VERSION,
			'db'                  => $this->database->describe(),
			'table_prefix'        => $wpdb->prefix,
			'multisite'           => is_multisite(),
			'site_url'            => (string) get_option( 'siteurl' ),
			'home_url'            => (string) get_option( 'home' ),
			// Where constants in wp-config.php say otherwise, the database still holds these.
			'db_site_url'         => (string) Custom_Migrator_Jobs::raw_option( 'siteurl' ),
			'db_home_url'         => (string) Custom_Migrator_Jobs::raw_option( 'home' ),
			'content_url'         => content_url(),
			'uploads_url'         => isset( $uploads['baseurl'] ) ? (string) $uploads['baseurl'] : '',
			'content_dir_default' => realpath( ABSPATH . 'wp-content' ) === $content,
			'plugins_in_content'  => realpath( WP_CONTENT_DIR . '/plugins' ) === realpath( WP_PLUGIN_DIR ),
			'uploads_in_content'  => ! $this->has_root( Custom_Migrator_Roots::UPLOADS ),
			'users_table_in_site' => in_array( $wpdb->users, $tables['tables'], true ) && in_array( $wpdb->usermeta, $tables['tables'], true ),
			'db_bytes'            => $this->database->total_bytes( $tables['tables'] ),
			'tables'              => count( $tables['tables'] ),
			'hints'               => array(
				'memory_limit' => self::bytes_of( (string) ini_get( 'memory_limit' ) ),
				'time_limit'   => (int) ini_get( 'max_execution_time' ),
				'post_max'     => self::bytes_of( (string) ini_get( 'post_max_size' ) ),
			),
			'dropins'             => self::named( array_filter( array_keys( Custom_Migrator_Roots::LEFT_OUT ), array( self::class, 'is_dropin' ) ) ),
			'mu_plugins'          => self::named( self::files_of( WPMU_PLUGIN_DIR ) ),
			'active_plugins'      => self::named( self::active_plugins() ),
			'theme'               => (string) get_option( 'stylesheet' ),
			'parent_theme'        => (string) get_option( 'template' ),
			'charset'             => (string) $wpdb->charset,
			'other_tables'        => $tables['others'],
		);
	}

	/** Read from the file: plugins that hide the version change the variable. */
	private static function wp_version(): string {
		$wp_version = '';
		require ABSPATH . WPINC . '/version.php';
		return $wp_version;
	}

	private function has_root( string $root ): bool {
		try {
			$this->roots->folder( $root );
			return true;
		} catch ( Custom_Migrator_Error $error ) {
			return false;
		}
	}

	private static function is_dropin( string $path ): bool {
		return 'drop-in' === Custom_Migrator_Roots::LEFT_OUT[ $path ] && is_file( WP_CONTENT_DIR . '/' . $path );
	}

	/** @return string[] */
	private static function active_plugins(): array {
		$active = get_option( 'active_plugins' );
		return is_array( $active ) ? array_diff( array_filter( $active, 'is_string' ), array( Custom_Migrator_Remover::basename() ) ) : array();
	}

	/** @return string[] PHP files of a folder. */
	private static function files_of( string $folder ): array {
		$names = is_dir( $folder ) ? scandir( $folder ) : array();
		return array_filter(
			$names ? $names : array(),
			static function ( $name ) {
				return '.php' === substr( $name, -4 );
			}
		);
	}

	/** Names as JSON can hold them. */
	private static function named( array $names ): array {
		return array_map( array( 'Custom_Migrator_Arguments', 'json_bytes' ), array_values( $names ) );
	}

	/** A size as php.ini writes it; 0 stands for no limit. */
	private static function bytes_of( string $setting ): int {
		$number = (int) $setting;
		$units  = array(
			'k' => 1024,
			'm' => 1048576,
			'g' => 1073741824,
		);
		$unit   = strtolower( substr( trim( $setting ), -1 ) );
		return max( 0, $number * ( isset( $units[ $unit ] ) ? $units[ $unit ] : 1 ) );
	}
}
