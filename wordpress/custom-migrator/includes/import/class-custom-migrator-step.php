<?php
/**
 * One step of an import.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * What import-step.php does: takes the lock, finishes what a crash left, works for a while, writes down how it went.
 */
class Custom_Migrator_Step {

	/** Steps in a row that ended without a word before the import is given up. A killed process is no fault of the import's. */
	const DEATHS_MAX = 20;

	/** Seconds for which a database server may be away. */
	const AWAY_MAX = 600;

	/** Unknown failures in a row before the import is given up. */
	const FAULTS_MAX = 4;

	/** @var Custom_Migrator_Slot */
	private $slot;

	/** @var Custom_Migrator_Switch */
	private $switch;

	/** @var callable Makes the transport from the request. */
	private $make_transport;

	public function __construct( Custom_Migrator_Slot $slot, Custom_Migrator_Switch $switch, callable $make_transport ) {
		$this->slot           = $slot;
		$this->switch         = $switch;
		$this->make_transport = $make_transport;
	}

	/**
	 * @param float $budget Seconds to work for, about.
	 * @return array `{state, progress, wait_ms}`
	 */
	public function run( float $budget ): array {
		Custom_Migrator_Slot::ensure_dir( $this->slot->import() );
		$lock = fopen( $this->slot->import() . '/lock', 'c' );
		if ( false === $lock ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not take the import\'s lock.' );
		}
		if ( ! flock( $lock, LOCK_EX | LOCK_NB ) ) {
			return $this->line( $this->slot->state(), 1.0 );
		}
		try {
			return $this->locked( microtime( true ) + $budget );
		} finally {
			flock( $lock, LOCK_UN );
			fclose( $lock );
		}
	}

	private function locked( float $until ): array {
		$state   = $this->slot->state();
		$request = $this->slot->request();
		if ( null === $request ) {
			return $this->line( $state, 1.0 );
		}
		if ( $state->get( 'job_id' ) !== $request['job_id'] ) {
			// import_start wrote the request and died before the state.
			Custom_Migrator_Json_File::write( $this->slot->import() . '/state.json', Custom_Migrator_Import_State::blank( 'running', $request['job_id'] ) );
			$state = $this->slot->state();
		}
		if ( 'running' !== $state->get( 'state' ) ) {
			$this->forget_secrets( $request );
			return $this->line( $state, 1.0 );
		}
		try {
			$deaths = (int) $state->mark( 'deaths' ) + 1;
			if ( $deaths > self::DEATHS_MAX ) {
				throw Custom_Migrator_Import_Error::transient( 'import_crashed', 'The import ended again and again without a word: the clone may be out of memory.' );
			}
			$state->set_mark( 'deaths', $deaths );
			$state->save();
			$importer = new Custom_Migrator_Importer( $this->slot, $state, $request, call_user_func( $this->make_transport, $request ), $this->switch );
			$wait     = $importer->run( $until );
			$state->set_mark( 'deaths', 0 );
			$state->set_mark( 'faults', null );
			$state->set_mark( 'away_since', null );
			$state->save();
			unset( $importer );
		} catch ( Custom_Migrator_Import_Error $error ) {
			return $this->failed( $state, $request, $error->error_code(), $error->getMessage(), $error->is_permanent() );
		} catch ( Throwable $error ) {
			if ( Custom_Migrator_Mysql_Server::is_away( $error ) ) {
				return $this->without_database( $state, $request );
			}
			$faults = (int) $state->mark( 'faults' ) + 1;
			$where  = get_class( $error ) . ' at ' . basename( $error->getFile() ) . ':' . $error->getLine();
			error_log( 'custom-migrator import: ' . $where . ': ' . $error->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
			if ( $faults >= self::FAULTS_MAX ) {
				return $this->failed( $state, $request, 'import_failed', 'The import failed inside the clone (' . $where . ').', false );
			}
			$state->set_mark( 'faults', $faults );
			$state->set_mark( 'deaths', 0 );
			$state->save();
			return $this->line( $state, 1.0 );
		}
		if ( 'done' === $state->get( 'state' ) ) {
			$this->forget_secrets( $request );
		}
		return $this->line( $state, $wait );
	}

	/** The database server restarts, or its password is being changed: it is asked again for a while. */
	private function without_database( Custom_Migrator_Import_State $state, array $request ): array {
		$since = null === $state->mark( 'away_since' ) ? time() : (int) $state->mark( 'away_since' );
		if ( time() - $since > self::AWAY_MAX ) {
			return $this->failed( $state, $request, 'database_unreachable', 'The clone\'s database server does not answer, or does not let it in.', false );
		}
		$state->set_mark( 'away_since', $since );
		$state->set_mark( 'deaths', 0 );
		$state->set( 'message', 'Waiting for the clone\'s database server' );
		$state->save();
		return $this->line( $state, 2.0 );
	}

	private function failed( Custom_Migrator_Import_State $state, array $request, string $code, string $message, bool $permanent ): array {
		if ( $this->switch->pending() ) {
			// Past the point of no return, and not undone: the next step goes on with it.
			$state->save();
			return $this->line( $state, 1.0 );
		}
		$this->slot->remove_staged();
		$this->switch->clear_old();
		try {
			Custom_Migrator_Staging_Database::for_slot( $this->slot )->discard();
		} catch ( Throwable $left ) {
			// Out of reach, which may be what the import failed of. The tables go with the next import, or with the clone.
			error_log( 'custom-migrator import: the staged tables are left: ' . $left->getMessage() ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
		}
		$state->set( 'state', 'failed' );
		$state->set( 'proof', null );
		$state->set(
			'error',
			array(
				'code'      => $code,
				'message'   => $message,
				'permanent' => $permanent,
			)
		);
		$state->set( 'message', $message );
		$state->save();
		$this->forget_secrets( $request );
		return $this->line( $state, 0.0 );
	}

	/** The source's key and the administrator's password are of no use any more. */
	private function forget_secrets( array $request ): void {
		if ( ! isset( $request['source']['agent_key'] ) && ! isset( $request['admin']['password'] ) ) {
			return;
		}
		unset( $request['source']['agent_key'], $request['admin']['password'] );
		Custom_Migrator_Json_File::write( $this->slot->import() . '/request.json', $request );
	}

	private function line( Custom_Migrator_Import_State $state, float $wait ): array {
		return array(
			'state'    => $state->get( 'state' ),
			'progress' => $state->get( 'progress' ),
			'wait_ms'  => (int) ceil( 1000 * $wait ),
		);
	}
}
