<?php
/**
 * How much to ask for at once.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Halved by what smaller answers may help against, grown slowly by answers that made use of it. Kept in the state's marks.
 */
class Custom_Migrator_Chunk_Size {

	const MAX    = 4194304;
	const MIN    = 65536;
	const GROWTH = 262144;

	/** Errors after which less is asked for. */
	const SHRINK_CODES = array( 'source_timeout', 'answer_too_large', 'bad_answer', 'source_failed', 'agent_died' );

	/** @var Custom_Migrator_Import_State */
	private $state;

	public function __construct( Custom_Migrator_Import_State $state ) {
		$this->state = $state;
	}

	public function bytes(): int {
		$bytes = $this->state->mark( 'chunk_bytes' );
		return is_int( $bytes ) ? $bytes : self::MAX;
	}

	public function failed( Custom_Migrator_Import_Error $error ): void {
		if ( in_array( $error->error_code(), self::SHRINK_CODES, true ) ) {
			$this->state->set_mark( 'chunk_bytes', max( self::MIN, intdiv( $this->bytes(), 2 ) ) );
		}
	}

	/** Only an answer that made use of the size says that it could be larger. */
	public function carried( int $bytes ): void {
		if ( $this->bytes() < self::MAX && $bytes >= intdiv( $this->bytes(), 2 ) ) {
			$this->state->set_mark( 'chunk_bytes', min( self::MAX, $this->bytes() + self::GROWTH ) );
		}
	}
}
