<?php
/**
 * The keys of the jobs that may call.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * One option, a JSON text: `{"rev":n,"uploaded":bool,"until":time|null,"jobs":{id:{key,role,expires_at}},"before":
 * {"active_plugins":base64}}`, and an autoloaded number beside it, the time at which the next job expires. `until` is
 * how long an uploaded plugin waits for its first job.
 *
 * Read and written by SQL, not by the options API: the API hands every value to other plugins' hooks, and activity logs
 * would keep the keys. Written compare-and-set, so that two registrations at once both last.
 */
final class Custom_Migrator_Jobs {
	const OPTION = 'custom_migrator_jobs';
	const MARKER = 'custom_migrator_expires';

	/** The options that are ours. */
	const OPTIONS = array( self::OPTION, self::MARKER );

	/**
	 * @param string $job_id Key id.
	 * @param int    $now    Unix seconds.
	 * @return string|null The key's 32 bytes while the job lives.
	 */
	public function key( string $job_id, int $now ): ?string {
		$state = self::parse( $this->read() );
		if ( ! isset( $state['jobs'][ $job_id ] ) || $state['jobs'][ $job_id ]['expires_at'] <= $now ) {
			return null;
		}
		$key = base64_decode( $state['jobs'][ $job_id ]['key'], true );
		return is_string( $key ) && 32 === strlen( $key ) ? $key : null;
	}

	/** Registers a job's key; the same again is fine. `uploaded` sticks: whoever comes later, the plugin was brought by us. */
	public function add( string $job_id, string $key, string $role, int $expires_at, bool $uploaded ): void {
		$this->change(
			static function ( array $state ) use ( $job_id, $key, $role, $expires_at, $uploaded ) {
				$state['jobs'][ $job_id ] = array(
					'key'        => base64_encode( $key ),
					'role'       => $role,
					'expires_at' => $expires_at,
				);
				$state['uploaded']        = $state['uploaded'] || $uploaded;
				$state['until']           = null;
				return $state;
			}
		);
	}

	/**
	 * Forgets jobs.
	 *
	 * @param callable $gone Given a job's id and row: whether it goes.
	 * @return array The state after.
	 */
	public function forget( callable $gone ): array {
		return $this->change(
			static function ( array $state ) use ( $gone ) {
				foreach ( $state['jobs'] as $id => $job ) {
					if ( $gone( (string) $id, $job ) ) {
						unset( $state['jobs'][ $id ] );
					}
				}
				return $state;
			}
		);
	}

	/**
	 * Notes an option's raw value from before the activation, once.
	 *
	 * @param string $option Option name.
	 * @param string $raw    As it is in the database.
	 */
	public function note_before( string $option, string $raw ): void {
		$this->change(
			static function ( array $state ) use ( $option, $raw ) {
				if ( ! isset( $state['before'][ $option ] ) ) {
					$state['before'][ $option ] = base64_encode( $raw );
				}
				return $state;
			}
		);
	}

	/** Notes that this copy was uploaded for a job, which should register before a time. */
	public function expect_job( int $until ): void {
		$this->change(
			static function ( array $state ) use ( $until ) {
				$state['uploaded'] = true;
				$state['until']    = array() === $state['jobs'] ? $until : null;
				return $state;
			}
		);
	}

	/** @return string|null What note_before() noted. */
	public function before( string $option ): ?string {
		$state = self::parse( $this->read() );
		if ( ! isset( $state['before'][ $option ] ) ) {
			return null;
		}
		$raw = base64_decode( $state['before'][ $option ], true );
		return is_string( $raw ) ? $raw : null;
	}

	/** Deletes both options. */
	public function delete(): void {
		global $wpdb;
		foreach ( self::OPTIONS as $name ) {
			$this->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name = %s", $name ) );
			self::forget_cached( $name );
		}
	}

	/** An option's raw text, past every cache and filter; null when there is none. */
	public static function raw_option( string $name ): ?string {
		global $wpdb;
		$quiet = $wpdb->suppress_errors( true );
		$value = $wpdb->get_var( $wpdb->prepare( "SELECT option_value FROM {$wpdb->options} WHERE option_name = %s LIMIT 1", $name ) );
		$wpdb->suppress_errors( $quiet );
		if ( '' !== (string) $wpdb->last_error ) {
			throw new Custom_Migrator_Error( 'database_error', 'The site\'s options could not be read.', 503, 5 );
		}
		return null === $value ? null : (string) $value;
	}

	/** Makes WordPress read an option anew. */
	public static function forget_cached( string $name ): void {
		wp_cache_delete( $name, 'options' );
		wp_cache_delete( 'alloptions', 'options' );
		wp_cache_delete( 'notoptions', 'options' );
	}

	private function change( callable $edit ): array {
		global $wpdb;
		for ( $attempt = 0; $attempt < 10; $attempt++ ) {
			$old          = $this->read();
			$state        = $edit( self::parse( $old ) );
			$state['rev'] = $state['rev'] + 1;
			$new          = (string) wp_json_encode( $state );
			if ( null === $old ) {
				$sql = $wpdb->prepare( "INSERT IGNORE INTO {$wpdb->options} (option_name, option_value, autoload) VALUES (%s, %s, 'no')", self::OPTION, $new );
			} else {
				$sql = $wpdb->prepare( "UPDATE {$wpdb->options} SET option_value = %s WHERE option_name = %s AND BINARY option_value = %s", $new, self::OPTION, $old );
			}
			if ( 1 === $this->query( $sql ) ) {
				self::forget_cached( self::OPTION );
				$this->mark( $state );
				return $state;
			}
		}
		throw new Custom_Migrator_Error( 'busy', 'The site\'s list of jobs is being changed by others; try again.', 503, 1 );
	}

	/** Keeps the autoloaded number in step: the earliest expiry, none when nothing expires. */
	private function mark( array $state ): void {
		global $wpdb;
		$times = array_column( $state['jobs'], 'expires_at' );
		if ( null !== $state['until'] ) {
			$times[] = $state['until'];
		}
		if ( array() === $times ) {
			$this->query( $wpdb->prepare( "DELETE FROM {$wpdb->options} WHERE option_name = %s", self::MARKER ) );
		} else {
			$next = (string) min( $times );
			$this->query( $wpdb->prepare( "INSERT INTO {$wpdb->options} (option_name, option_value, autoload) VALUES (%s, %s, 'yes') ON DUPLICATE KEY UPDATE option_value = VALUES(option_value)", self::MARKER, $next ) );
		}
		self::forget_cached( self::MARKER );
	}

	private function read(): ?string {
		return self::raw_option( self::OPTION );
	}

	private function query( string $sql ): int {
		global $wpdb;
		$quiet  = $wpdb->suppress_errors( true );
		$result = $wpdb->query( $sql ); // phpcs:ignore WordPress.DB.PreparedSQL -- Prepared by every caller.
		$wpdb->suppress_errors( $quiet );
		if ( false === $result ) {
			throw new Custom_Migrator_Error( 'database_error', 'The site\'s options could not be written.', 503, 5 );
		}
		return (int) $result;
	}

	/** A text that is not ours counts as empty: nobody is let in by it. */
	private static function parse( ?string $raw ): array {
		$state = null === $raw ? null : json_decode( $raw, true );
		$state = is_array( $state ) ? $state : array();
		$jobs  = array();
		foreach ( isset( $state['jobs'] ) && is_array( $state['jobs'] ) ? $state['jobs'] : array() as $id => $job ) {
			if ( is_array( $job ) && isset( $job['key'], $job['role'], $job['expires_at'] ) && is_string( $job['key'] ) && is_int( $job['expires_at'] ) ) {
				$jobs[ $id ] = $job;
			}
		}
		return array(
			'rev'      => isset( $state['rev'] ) && is_int( $state['rev'] ) ? $state['rev'] : 0,
			'uploaded' => isset( $state['uploaded'] ) && true === $state['uploaded'],
			'until'    => isset( $state['until'] ) && is_int( $state['until'] ) ? $state['until'] : null,
			'jobs'     => $jobs,
			'before'   => isset( $state['before'] ) && is_array( $state['before'] ) ? array_filter( $state['before'], 'is_string' ) : array(),
		);
	}
}
