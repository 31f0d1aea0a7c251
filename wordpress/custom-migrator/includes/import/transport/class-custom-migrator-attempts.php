<?php
/**
 * How often a chunk was asked for in vain.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A chunk that fails is asked for again after 0.5, 2 and 8 seconds (or when the source says), then the import fails. Kept
 * in the state's marks, so that the count outlives the step.
 */
class Custom_Migrator_Attempts {

	const ATTEMPTS     = 4;
	const DELAYS       = array( 0.5, 2.0, 8.0 );
	const WAIT_LONGEST = 120.0;

	/** @var Custom_Migrator_Import_State */
	private $state;

	public function __construct( Custom_Migrator_Import_State $state ) {
		$this->state = $state;
	}

	/** How often it failed. */
	public function count( string $key ): int {
		return $this->of( $key )['n'];
	}

	/** When it may be asked for again (`microtime( true )`); 0 when it never failed. */
	public function not_before( string $key ): float {
		return $this->of( $key )['at'];
	}

	/**
	 * Takes note of a failure.
	 *
	 * @return float When to ask again (`microtime( true )`).
	 * @throws Custom_Migrator_Import_Error The error itself, after the last attempt.
	 */
	public function failed( string $key, Custom_Migrator_Import_Error $error ): float {
		$n = $this->count( $key ) + 1;
		if ( $n >= self::ATTEMPTS ) {
			throw $error;
		}
		$at  = microtime( true ) + min( self::WAIT_LONGEST, max( self::DELAYS[ $n - 1 ], $error->retry_after() ) );
		$all = (array) $this->state->mark( 'attempts' );

		$all[ $key ] = array(
			'n'  => $n,
			'at' => $at,
		);
		$this->state->set_mark( 'attempts', $all );
		return $at;
	}

	public function forget( string $key ): void {
		$all = $this->state->mark( 'attempts' );
		if ( is_array( $all ) && isset( $all[ $key ] ) ) {
			unset( $all[ $key ] );
			$this->state->set_mark( 'attempts', array() === $all ? null : $all );
		}
	}

	/** @return array `{n: int, at: float}` */
	private function of( string $key ): array {
		$all = $this->state->mark( 'attempts' );
		return is_array( $all ) && isset( $all[ $key ] ) ? $all[ $key ] : array(
			'n'  => 0,
			'at' => 0.0,
		);
	}
}
