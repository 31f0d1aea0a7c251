<?php
/**
 * An import, from the request to the running clone.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Lifecycle, each phase resumable: preflight → schema → transfer → indexes → verify → finish → switch → switched, then
 * state `done`. Every phase answers null when it is over, or the seconds after which to call again.
 *
 * Until `switch` nothing outside import/ is touched; a failure removes what was staged.
 */
class Custom_Migrator_Importer {

	const PHASES = array( 'preflight', 'schema', 'transfer', 'indexes', 'verify', 'finish', 'switch', 'switched' );

	const MESSAGES = array(
		'preflight' => 'Looking at the source',
		'schema'    => 'Making the tables',
		'transfer'  => 'Copying',
		'indexes'   => 'Building indexes',
		'verify'    => 'Reading everything back',
		'finish'    => 'Preparing the clone\'s own settings',
		'switch'    => 'Putting the site in place',
		'switched'  => 'Cleaning up',
	);

	const STARTS_AT = array(
		'preflight' => 1,
		'schema'    => 2,
		'transfer'  => 5,
		'indexes'   => 86,
		'verify'    => 88,
		'finish'    => 94,
		'switch'    => 96,
		'switched'  => 99,
	);

	/** @var Custom_Migrator_Slot */
	private $slot;

	/** @var Custom_Migrator_Import_State */
	private $state;

	/** @var array */
	private $request;

	/** @var Custom_Migrator_Transport */
	private $transport;

	/** @var Custom_Migrator_Switch */
	private $switch;

	/** @var Custom_Migrator_Staging_Database */
	private $database;

	/** @var Custom_Migrator_File_Plan|null */
	private $plan = null;

	/** @var array|null The first page of tables, which came with the preflight. */
	private $first_tables = null;

	public function __construct( Custom_Migrator_Slot $slot, Custom_Migrator_Import_State $state, array $request, Custom_Migrator_Transport $transport, Custom_Migrator_Switch $switch ) {
		$this->slot      = $slot;
		$this->state     = $state;
		$this->request   = $request;
		$this->transport = $transport;
		$this->switch    = $switch;
		$this->database  = Custom_Migrator_Staging_Database::for_slot( $slot );
	}

	/**
	 * Works until the import is done or the time is up.
	 *
	 * @param float $until `microtime( true )`.
	 * @return float Seconds after which there is something to do again.
	 */
	public function run( float $until ): float {
		// What an interrupted step was fetching is fetched again: nothing of it may be taken for something else.
		Custom_Migrator_Slot::remove_tree( $this->slot->chunks() );
		Custom_Migrator_Slot::ensure_dir( $this->slot->chunks() );
		do {
			$phase = (string) $this->state->get( 'phase' );
			if ( ! in_array( $phase, self::PHASES, true ) ) {
				$phase = 'preflight';
			}
			if ( $this->slot->cancelled() && ! in_array( $phase, array( 'switch', 'switched' ), true ) ) {
				throw Custom_Migrator_Import_Error::permanent( 'cancelled', 'The import was cancelled.' );
			}
			$this->state->set( 'phase', $phase );
			$this->state->set( 'message', self::MESSAGES[ $phase ] );
			$this->state->set( 'progress', self::STARTS_AT[ $phase ] );
			$this->state->save();
			$wait = $this->{ $phase }( $until );
			if ( null !== $wait ) {
				return $wait;
			}
			$at = (int) array_search( $phase, self::PHASES, true ) + 1;
			if ( count( self::PHASES ) === $at ) {
				$this->state->set( 'state', 'done' );
				$this->state->set( 'progress', 100 );
				$this->state->set( 'message', 'The clone is ready' );
				$this->state->save();
				return 0.0;
			}
			$this->state->set( 'phase', self::PHASES[ $at ] );
			$this->state->set_mark( 'deaths', 0 );
			$this->state->save();
		} while ( microtime( true ) < $until );
		return 0.0;
	}

	private function preflight( float $until ): ?float {
		// What an earlier import of this slot left, when it failed with the database out of reach.
		$this->database->discard();
		$pump    = $this->pump();
		$answers = $pump->call(
			array(
				'preflight' => array(),
				'tables'    => array(),
			),
			$until
		);
		if ( null === $answers ) {
			return $pump->last_wait();
		}
		$this->first_tables = $answers['tables'];
		$data               = $answers['preflight'];
		if ( isset( $data['protocol'] ) && 1 !== $data['protocol'] ) {
			throw Custom_Migrator_Import_Error::permanent( 'unsupported_protocol', 'The plugin on the source is of another version; remove it there and start again.' );
		}
		foreach ( array( 'wp_version', 'php_version', 'table_prefix', 'site_url', 'home_url' ) as $name ) {
			if ( ! isset( $data[ $name ] ) || ! is_string( $data[ $name ] ) || '' === $data[ $name ] ) {
				throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source did not say its ' . $name . '.' );
			}
		}
		if ( ! empty( $data['multisite'] ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'multisite', 'The source is a multisite network; only single sites can be cloned.' );
		}
		if ( ! preg_match( '/^[A-Za-z0-9_]+$/D', $data['table_prefix'] ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'table_prefix_unsupported', 'The source\'s table prefix has characters other than letters, digits and underscores.' );
		}
		$this->state->set_mark(
			'preflight',
			array_intersect_key( $data, array_fill_keys( array( 'wp_version', 'php_version', 'table_prefix', 'site_url', 'home_url', 'content_url', 'uploads_url', 'uploads_in_content', 'db_bytes' ), 1 ) ) + array( 'db_bytes' => 0 )
		);
		$this->state->fact( 'wp_version', $data['wp_version'] );
		$this->state->fact( 'php_version', PHP_VERSION );
		if ( self::minor( $data['php_version'] ) !== self::minor( PHP_VERSION ) ) {
			$this->state->warn( sprintf( 'The source runs PHP %s, the clone PHP %s.', self::minor( $data['php_version'] ), self::minor( PHP_VERSION ) ) );
		}
		foreach ( isset( $data['dropins'] ) && is_array( $data['dropins'] ) ? $data['dropins'] : array() as $name ) {
			$this->state->add(
				'left_out',
				array(
					'path'   => 'content/' . ( is_string( $name ) ? $name : '?' ),
					'reason' => 'drop-in',
				)
			);
		}
		return null;
	}

	private function schema( float $until ): ?float {
		$pump = $this->pump();
		while ( true ) {
			$cursor = $this->state->mark( 'tables_cursor' );
			$data   = null === $cursor ? $this->first_tables : null;
			if ( null === $data ) {
				$answers = $pump->call( array( 'tables' => null === $cursor ? array() : array( 'cursor' => $cursor ) ), $until );
				if ( null === $answers ) {
					return $pump->last_wait();
				}
				$data = $answers['tables'];
			}
			foreach ( isset( $data['views'] ) && is_array( $data['views'] ) && null === $cursor ? $data['views'] : array() as $view ) {
				$this->state->add(
					'left_out',
					array(
						'table'  => (string) $view,
						'reason' => 'view',
					)
				);
			}
			foreach ( isset( $data['tables'] ) && is_array( $data['tables'] ) ? $data['tables'] : array() as $table ) {
				$this->make_table( Custom_Migrator_Table_Shape::checked( $table ) );
			}
			$next = isset( $data['cursor'] ) ? $data['cursor'] : null;
			if ( null === $next ) {
				break;
			}
			$this->state->set_mark( 'tables_cursor', $next );
			$this->state->save();
		}
		return null;
	}

	private function make_table( array $table ): void {
		try {
			$made = $this->database->create_table( $table );
		} catch ( Custom_Migrator_Import_Error $error ) {
			if ( 'table_refused' !== $error->error_code() ) {
				throw $error;
			}
			$made = array(
				'differences' => array( 'missing: the clone\'s database cannot hold it' ),
				'left_out'    => array(),
			);
		}
		foreach ( isset( $made['warnings'] ) ? $made['warnings'] : array() as $warning ) {
			$this->state->warn( $warning );
		}
		unset( $made['warnings'] );
		foreach ( $made as $list => $reasons ) {
			foreach ( $reasons as $reason ) {
				$this->state->add(
					$list,
					array(
						'table'  => $table['name'],
						'reason' => $reason,
					)
				);
			}
		}
	}

	private function transfer( float $until ): ?float {
		$transfer = new Custom_Migrator_Transfer( $this->slot, $this->state, $this->database, $this->plan(), $this->request );
		return $transfer->run( $this->pump(), $until );
	}

	private function indexes( float $until ): ?float {
		while ( $this->database->finish_one() ) {
			if ( microtime( true ) >= $until ) {
				return 0.0;
			}
		}
		return null;
	}

	private function verify( float $until ): ?float {
		$verifier = $this->database->verifier();
		if ( ! $verifier->run( $until ) ) {
			return 0.0;
		}
		$after = (int) $this->state->mark( 'verified_file' );
		foreach ( $this->plan()->each( Custom_Migrator_File_Plan::STAGED, $after ) as $file ) {
			$folder = 'core' === $file['root'] ? $this->slot->staged_core() : $this->slot->staged_content();
			$path   = $folder . '/' . Custom_Migrator_File_Rules::target( $file['root'], $file['path'] );
			if ( is_link( $path ) || ! is_file( $path ) || filesize( $path ) !== $file['size'] ) {
				$this->state->add(
					'differences',
					array(
						'path'   => $file['root'] . '/' . $file['path'],
						'reason' => 'what lies in the clone is not what was written',
					)
				);
			}
			if ( microtime( true ) >= $until ) {
				$this->state->set_mark( 'verified_file', $file['id'] );
				return 0.0;
			}
		}
		$outcome = $verifier->outcome();
		foreach ( $outcome['differences'] as $difference ) {
			$this->state->add( 'differences', $difference );
		}
		$this->state->set_mark( 'outcome', array_diff_key( $outcome, array( 'differences' => 1 ) ) );
		return null;
	}

	private function finish( float $until ): ?float {
		unset( $until );
		$preflight = $this->state->mark( 'preflight' );
		$finish    = new Custom_Migrator_Site_Finish( $this->database, $preflight['table_prefix'], $preflight['wp_version'] );
		$missing   = $finish->missing_tables();
		if ( array() !== $missing ) {
			throw Custom_Migrator_Import_Error::permanent( 'site_incomplete', 'The source has no table ' . implode( ', ', $missing ) . '; a site without it does not run.' );
		}
		$account = $finish->run( $this->request['target']['url'], $this->request['admin'] );
		if ( $account['username'] !== $this->request['admin']['username'] ) {
			$this->state->warn( sprintf( 'The site has a user %s already; the clone\'s administrator is %s.', $this->request['admin']['username'], $account['username'] ) );
		}
		$this->state->fact( 'username', $account['username'] );
		$core = new Custom_Migrator_Core_Plan( $this->plan(), new Custom_Migrator_Local_Files( $this->slot ), $this->state );
		$core->find();
		$this->state->set_mark( 'core', $core->as_mark() );
		$this->put_fixtures();

		$outcome = $this->state->mark( 'outcome' );
		$files   = $this->plan()->total( Custom_Migrator_File_Plan::STAGED, Custom_Migrator_File_Plan::SAME );
		$this->state->set(
			'proof',
			array(
				'tables'       => $outcome['tables'],
				'rows'         => $outcome['rows'],
				'files'        => $files['files'],
				'bytes'        => $files['bytes'],
				'differences'  => $this->state->entries( 'differences' ),
				'left_out'     => $this->state->entries( 'left_out' ),
				'core_differs' => $this->state->entries( 'core_differs' ),
			)
		);
		return null;
	}

	private function switch( float $until ): ?float {
		unset( $until );
		$this->plan = null;
		if ( ! $this->switch->pending() ) {
			if ( ! is_dir( $this->slot->staged_content() ) ) {
				// Ended just before the last crash.
				return null;
			}
			$renames = $this->database->ready_to_switch();
			$core = $this->state->mark( 'core' );
			$this->switch->begin(
				array_map( 'base64_decode', $core['replace'] ),
				array_map( 'base64_decode', $core['remove'] ),
				array(
					'url'          => $this->request['target']['url'],
					'table_prefix' => $this->state->mark( 'preflight' )['table_prefix'],
					'admin_user'   => $this->state->get( 'facts' )['username'],
					'source_url'   => isset( $this->request['source']['url'] ) ? $this->request['source']['url'] : $this->state->mark( 'preflight' )['home_url'],
					'access'       => 'public' === $this->request['access'] ? 'public' : 'login',
					'allow_hosts'  => array_values( $this->request['allow_hosts'] ),
					'engine'       => $this->database->engine(),
				),
				$renames
			);
		}
		if ( ! $this->switch->go_on() ) {
			throw Custom_Migrator_Import_Error::transient( 'switch_failed', 'The imported site could not be put in place; the clone is as it was.' );
		}
		return null;
	}

	private function switched( float $until ): ?float {
		unset( $until );
		$this->switch->clear_old();
		$this->database->forget();
		$this->slot->remove_staged();
		return null;
	}

	/** The slot's own files go into the staged content: nothing goes live unguarded. */
	private function put_fixtures(): void {
		$jail = new Custom_Migrator_Jailed_Writer( $this->slot->staged_content() );
		foreach ( array_merge( Custom_Migrator_Slot::FIXTURES, array( 'index.php' ) ) as $fixture ) {
			$from = $this->slot->live_content() . '/' . $fixture;
			$to   = $jail->place( $fixture );
			if ( is_file( $from ) && ( 'index.php' !== $fixture || ! is_file( $to ) ) && ! copy( $from, $to ) ) {
				throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not write a file; its disk may be full.' );
			}
		}
		$jail->folder( 'uploads' );
		$jail->folder( 'plugins' );
		$jail->folder( 'themes' );
	}

	private function pump(): Custom_Migrator_Pump {
		return new Custom_Migrator_Pump( $this->transport, $this->slot, $this->state, $this->request['source'] );
	}

	private function plan(): Custom_Migrator_File_Plan {
		if ( null === $this->plan ) {
			$this->plan = new Custom_Migrator_File_Plan( $this->slot->work_database() );
		}
		return $this->plan;
	}

	private static function minor( string $version ): string {
		return preg_match( '/^\d+\.\d+/', $version, $match ) ? $match[0] : $version;
	}
}
