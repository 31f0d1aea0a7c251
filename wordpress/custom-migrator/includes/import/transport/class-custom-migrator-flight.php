<?php
/**
 * One HTTP request to the source: a call, or several.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A call is `{lane: Custom_Migrator_Lane, request: array}`. Several go as one `batch`.
 */
class Custom_Migrator_Flight {

	/** Calls in one request. */
	const CALLS = 16;

	/** @var array<int,array{lane:Custom_Migrator_Lane,request:array}> */
	private $calls;

	/** @var string 32 hex digits, what proves that an answer is this flight's. */
	private $nonce;

	/**
	 * @param array<int,array{lane:Custom_Migrator_Lane,request:array}> $calls One or more.
	 */
	public function __construct( array $calls ) {
		$this->calls = $calls;
		$this->nonce = bin2hex( random_bytes( 16 ) );
	}

	/**
	 * Puts calls together: those that say how many bytes they expect (`bytes`) share a flight as long as their sum is
	 * within `$room`; each of the others, and each that failed before, goes alone.
	 *
	 * @param array<int,array{lane:Custom_Migrator_Lane,request:array}> $calls    Calls.
	 * @param int                                                       $room     Bytes.
	 * @param Custom_Migrator_Attempts                                  $attempts Which failed before.
	 * @return self[]
	 */
	public static function pack( array $calls, int $room, Custom_Migrator_Attempts $attempts ): array {
		$groups = array();
		$shared = null;
		$bytes  = 0;
		foreach ( $calls as $call ) {
			$request = $call['request'];
			if ( ! isset( $request['bytes'] ) || $attempts->count( $request['key'] ) > 0 ) {
				$groups[] = array( $call );
				continue;
			}
			if ( null === $shared || count( $groups[ $shared ] ) >= self::CALLS || $bytes + $request['bytes'] > $room ) {
				$shared   = count( $groups );
				$groups[] = array();
				$bytes    = 0;
			}
			$groups[ $shared ][] = $call;
			$bytes              += $request['bytes'];
		}
		return array_map(
			static function ( array $group ): self {
				return new self( $group );
			},
			$groups
		);
	}

	/** @return array<int,array{lane:Custom_Migrator_Lane,request:array}> */
	public function calls(): array {
		return $this->calls;
	}

	public function nonce(): string {
		return $this->nonce;
	}

	public function verb(): string {
		return 1 === count( $this->calls ) ? $this->calls[0]['request']['verb'] : 'batch';
	}

	/**
	 * @param int $max_bytes For all of a batch.
	 * @return string JSON.
	 * @throws Custom_Migrator_Import_Error `bad_answer` when what the source named cannot be written as JSON.
	 */
	public function body( int $max_bytes ): string {
		$args = $this->calls[0]['request']['args'];
		if ( count( $this->calls ) > 1 ) {
			$args = array( 'max_bytes' => $max_bytes ) + ( empty( $args['gzip'] ) ? array() : array( 'gzip' => true ) );
			foreach ( $this->calls as $call ) {
				$args['calls'][] = array(
					'verb' => $call['request']['verb'],
					'args' => (object) $call['request']['args'],
				);
			}
		}
		$body = json_encode( (object) $args, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
		if ( false === $body ) {
			throw Custom_Migrator_Import_Error::permanent( 'bad_answer', 'The source named something that cannot be asked for again.' );
		}
		return $body;
	}

	/**
	 * @param Custom_Migrator_Answer $answer To the whole flight.
	 * @return array<int,Custom_Migrator_Answer> By the number of the call; a call that the source had no time for has none.
	 * @throws Custom_Migrator_Import_Error `bad_answer`, transient.
	 */
	public function parts( Custom_Migrator_Answer $answer ): array {
		return 1 === count( $this->calls ) ? array( $answer ) : $answer->parts( count( $this->calls ) );
	}
}
