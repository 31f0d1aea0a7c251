<?php
/**
 * Keeps several requests to the source in flight.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Signs, sends, checks, retries. Life of a chunk: asked for → answered and proved (`advance`, so the next one is on its
 * way) → landed. A chunk that fails is asked for again after 0.5, 2 and 8 seconds (or when the source says), then the
 * import fails. The count of attempts outlives the step, in the state's marks.
 */
class Custom_Migrator_Pump {

	const IN_FLIGHT     = 4;
	const ATTEMPTS      = 4;
	const DELAYS        = array( 0.5, 2.0, 8.0 );
	const WAIT_LONGEST  = 120.0;
	const CHUNK_MAX     = 4194304;
	const CHUNK_MIN     = 65536;
	const TIMEOUT_MS    = 45000;
	const ANSWER_SLACK  = 12582912;
	const SHRINK_CODES  = array( 'source_timeout', 'answer_too_large', 'bad_answer', 'source_failed', 'agent_died' );

	/** @var Custom_Migrator_Transport */
	private $transport;

	/** @var Custom_Migrator_Import_State */
	private $state;

	/** @var Custom_Migrator_Slot */
	private $slot;

	/** @var array {agent_url, key_id} */
	private $source;

	/** @var string 32 bytes. */
	private $key;

	/** @var Custom_Migrator_Answer_Reader */
	private $reader;

	/** @var array<string,array{lane:Custom_Migrator_Lane,request:array,nonce:string,verb:string}> */
	private $flying = array();

	/** @var array<string,array{lane:Custom_Migrator_Lane,request:array,at:float}> Failed chunks that wait for their time, by key. */
	private $held = array();

	/** @var float */
	private $last_wait = 0.0;

	/** @var callable|null Called about once a second. */
	private $tick = null;

	/** @var float */
	private $ticked = 0.0;

	/** @var int Where the round over the lanes goes on. */
	private $turn = 0;

	public function __construct( Custom_Migrator_Transport $transport, Custom_Migrator_Slot $slot, Custom_Migrator_Import_State $state, array $source ) {
		$this->transport = $transport;
		$this->slot      = $slot;
		$this->state     = $state;
		$key             = base64_decode( isset( $source['agent_key'] ) ? (string) $source['agent_key'] : '', true );
		if ( false === $key || 32 !== strlen( $key ) || empty( $source['agent_url'] ) || empty( $source['key_id'] ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'bad_request', 'The import was started without a usable source.' );
		}
		unset( $source['agent_key'] );
		$this->source = $source;
		$this->key    = $key;
		$this->reader = new Custom_Migrator_Answer_Reader( $key, $state );
	}

	/**
	 * Runs the lanes until none has anything to do, or until the time is up.
	 *
	 * @param Custom_Migrator_Lane[] $lanes Lanes.
	 * @param float                  $until When no more requests are started (`microtime( true )`); what is in flight then
	 *                                      is given five more seconds.
	 * @return float|null Null when everything is done; else seconds until there is something to do again.
	 * @throws Custom_Migrator_Import_Error When a chunk failed for good, or the import was cancelled.
	 */
	public function run( array $lanes, float $until ): ?float {
		$due = null;
		try {
			while ( true ) {
				if ( $this->slot->cancelled() ) {
					throw Custom_Migrator_Import_Error::permanent( 'cancelled', 'The import was cancelled.' );
				}
				$this->tick();
				$now = microtime( true );
				if ( $now < $until ) {
					$this->release_held( $now );
					$this->fill( $lanes );
				} elseif ( $now > $until + 5.0 ) {
					break;
				}
				if ( array() === $this->flying ) {
					$due = $this->next_due();
					if ( null === $due && $now < $until ) {
						$this->tick( true );
						return null;
					}
					if ( null === $due || $due >= $until ) {
						break;
					}
					usleep( (int) ( 1e6 * max( 0.0, min( 0.5, $due - $now ) ) ) );
					continue;
				}
				$due      = $this->next_due();
				$patience = null === $due ? 0.5 : max( 0.01, min( 0.5, $due - $now ) );
				$answer   = $this->transport->wait( (int) ( 1000 * $patience ) );
				if ( null !== $answer && isset( $this->flying[ $answer['id'] ] ) ) {
					$this->take( $answer, $lanes, $until );
				}
			}
			$due = $this->next_due();
		} finally {
			$this->abandon();
		}
		$this->tick( true );
		return null === $due ? 0.0 : max( 0.0, $due - microtime( true ) );
	}

	/**
	 * One request, waited for. For the few that come before the transfer.
	 *
	 * @return array|null The answer's data; null when the time was up first.
	 */
	public function call( string $verb, array $args, float $until ): ?array {
		$lane = new Custom_Migrator_Single_Lane( $verb, $args );
		$wait = $this->run( array( $lane ), $until );
		$this->last_wait = null === $wait ? 0.0 : $wait;
		return null === $lane->answer() ? null : $lane->answer()->data();
	}

	/**
	 * @param callable|null $tick Called about once a second while `run` runs, and after its end.
	 */
	public function on_tick( ?callable $tick ): void {
		$this->tick = $tick;
	}

	private function tick( bool $now = false ): void {
		if ( null !== $this->tick && ( $now || microtime( true ) - $this->ticked >= 1.0 ) ) {
			call_user_func( $this->tick );
			$this->ticked = microtime( true );
		}
	}

	/** Seconds that the last unanswered `call` wants to wait. */
	public function last_wait(): float {
		return $this->last_wait;
	}

	/**
	 * @param Custom_Migrator_Lane[] $lanes Lanes.
	 */
	private function fill( array $lanes ): void {
		$count = count( $lanes );
		$empty = 0;
		while ( $count > 0 && $empty < $count && count( $this->flying ) < self::IN_FLIGHT ) {
			$lane    = $lanes[ $this->turn % $count ];
			$request = $lane->next( $this->chunk_bytes() );
			++$this->turn;
			if ( null === $request ) {
				++$empty;
				continue;
			}
			$empty    = 0;
			$attempts = $this->attempts( $request['key'] );
			if ( $attempts['at'] > microtime( true ) ) {
				$this->held[ $request['key'] ] = array(
					'lane'    => $lane,
					'request' => $request,
					'at'      => $attempts['at'],
				);
				continue;
			}
			$this->send( $lane, $request );
		}
	}

	private function send( Custom_Migrator_Lane $lane, array $request ): void {
		$body  = json_encode( (object) $request['args'], JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
		if ( false === $body ) {
			throw Custom_Migrator_Import_Error::permanent( 'bad_answer', 'The source named something that cannot be asked for again.' );
		}
		$id    = bin2hex( random_bytes( 8 ) );
		$nonce = bin2hex( random_bytes( 16 ) );
		$time  = time() + (int) $this->state->mark( 'clock_offset' );
		$text  = "POST\n/custom-migrator/v1/" . $request['verb'] . "\n" . hash( 'sha256', $body ) . "\n" . $time . "\n" . $nonce;

		$this->flying[ $id ] = array(
			'lane'    => $lane,
			'request' => $request,
			'nonce'   => $nonce,
		);
		$this->transport->start(
			array(
				'id'         => $id,
				'url'        => $this->source['agent_url'],
				'headers'    => array(
					'Content-Type'         => 'application/json',
					'X-Migrator-Verb'      => $request['verb'],
					'X-Migrator-Key'       => $this->source['key_id'],
					'X-Migrator-Time'      => (string) $time,
					'X-Migrator-Nonce'     => $nonce,
					'X-Migrator-Signature' => hash_hmac( 'sha256', $text, $this->key ),
				),
				'body'       => $body,
				'out_file'   => $this->slot->chunks() . '/' . $id . '.bin',
				'max_bytes'  => self::CHUNK_MAX + self::ANSWER_SLACK,
				'timeout_ms' => self::TIMEOUT_MS,
			)
		);
	}

	/**
	 * @param array                  $answer The transport's.
	 * @param Custom_Migrator_Lane[] $lanes  Lanes, to keep busy while this one lands.
	 * @param float                  $until  When no more are started.
	 */
	private function take( array $answer, array $lanes, float $until ): void {
		$flight = $this->flying[ $answer['id'] ];
		unset( $this->flying[ $answer['id'] ] );
		$lane    = $flight['lane'];
		$request = $flight['request'];
		try {
			$opened = $this->reader->read( $answer, $flight['nonce'] );
		} catch ( Custom_Migrator_Import_Error $error ) {
			$this->failed( $lane, $request, $error );
			return;
		} finally {
			if ( isset( $answer['file'] ) && is_file( $answer['file'] ) ) {
				unlink( $answer['file'] );
			}
		}
		$this->forget_attempts( $request['key'] );
		$this->grow( strlen( $opened->payload() ) );
		try {
			$lane->advance( $request, $opened );
		} catch ( Custom_Migrator_Import_Error $error ) {
			$this->failed( $lane, $request, $error );
			return;
		}
		if ( microtime( true ) < $until ) {
			$this->fill( $lanes );
		}
		$lane->land( $request, $opened );
	}

	private function failed( Custom_Migrator_Lane $lane, array $request, Custom_Migrator_Import_Error $error ): void {
		if ( $error->is_permanent() ) {
			throw $error;
		}
		if ( in_array( $error->error_code(), self::SHRINK_CODES, true ) ) {
			$this->state->set_mark( 'chunk_bytes', max( self::CHUNK_MIN, intdiv( $this->chunk_bytes(), 2 ) ) );
		}
		$key      = $request['key'];
		$attempts = $this->attempts( $key )['n'] + 1;
		if ( $attempts >= self::ATTEMPTS ) {
			throw $error;
		}
		$delay = min( self::WAIT_LONGEST, max( self::DELAYS[ $attempts - 1 ], $error->retry_after() ) );
		$at    = microtime( true ) + $delay;
		$all   = (array) $this->state->mark( 'attempts' );

		$all[ $key ] = array(
			'n'  => $attempts,
			'at' => $at,
		);
		$this->state->set_mark( 'attempts', $all );
		$this->state->save();
		$this->held[ $key ] = array(
			'lane'    => $lane,
			'request' => $request,
			'at'      => $at,
		);
	}

	private function release_held( float $now ): void {
		foreach ( $this->held as $key => $held ) {
			if ( $held['at'] <= $now ) {
				unset( $this->held[ $key ] );
				$held['lane']->again( $held['request'] );
			}
		}
	}

	private function next_due(): ?float {
		return array() === $this->held ? null : (float) min( array_column( $this->held, 'at' ) );
	}

	/** Gives back what is unanswered or waiting: the lanes ask for it again in the next run. */
	private function abandon(): void {
		if ( array() !== $this->flying ) {
			$this->transport->cancel_all();
		}
		foreach ( array_merge( array_values( $this->flying ), array_values( $this->held ) ) as $item ) {
			$item['lane']->again( $item['request'] );
		}
		$this->flying = array();
		$this->held   = array();
	}

	private function attempts( string $key ): array {
		$all = $this->state->mark( 'attempts' );
		return is_array( $all ) && isset( $all[ $key ] ) ? $all[ $key ] : array(
			'n'  => 0,
			'at' => 0.0,
		);
	}

	private function forget_attempts( string $key ): void {
		$all = $this->state->mark( 'attempts' );
		if ( is_array( $all ) && isset( $all[ $key ] ) ) {
			unset( $all[ $key ] );
			$this->state->set_mark( 'attempts', array() === $all ? null : $all );
		}
	}

	private function chunk_bytes(): int {
		$bytes = $this->state->mark( 'chunk_bytes' );
		return is_int( $bytes ) ? $bytes : self::CHUNK_MAX;
	}

	/** Only an answer that made use of the size says that it could be larger. */
	private function grow( int $carried ): void {
		$bytes = $this->chunk_bytes();
		if ( $bytes < self::CHUNK_MAX && $carried >= intdiv( $bytes, 2 ) ) {
			$this->state->set_mark( 'chunk_bytes', min( self::CHUNK_MAX, $bytes + 262144 ) );
		}
	}
}
