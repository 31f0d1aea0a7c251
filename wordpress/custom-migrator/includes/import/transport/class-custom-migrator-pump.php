<?php
/**
 * Keeps several requests to the source in flight.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Signs, sends, checks, retries. Life of a chunk: asked for → answered and proved (`advance`, so the next one is on its
 * way) → landed. A chunk that fails is asked for again, alone, as Custom_Migrator_Attempts says.
 */
class Custom_Migrator_Pump {

	const IN_FLIGHT    = 4;
	const TIMEOUT_MS   = 45000;
	const ANSWER_SLACK = 12582912;

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

	/** @var Custom_Migrator_Attempts */
	private $attempts;

	/** @var Custom_Migrator_Chunk_Size */
	private $size;

	/** @var Custom_Migrator_Flight[] That wait for room. */
	private $ready = array();

	/** @var array<string,Custom_Migrator_Flight> */
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
		$this->source   = $source;
		$this->key      = $key;
		$this->reader   = new Custom_Migrator_Answer_Reader( $key, $state );
		$this->attempts = new Custom_Migrator_Attempts( $state );
		$this->size     = new Custom_Migrator_Chunk_Size( $state );
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
	 * A few calls in one request, waited for. For those that come before the transfer.
	 *
	 * @param array<string,array> $calls Verb → arguments.
	 * @return array<string,array>|null Verb → the answer's data; null when the time was up first.
	 */
	public function call( array $calls, float $until ): ?array {
		$lanes = array();
		foreach ( $calls as $verb => $args ) {
			$lanes[ $verb ] = new Custom_Migrator_Single_Lane( $verb, $args );
		}
		$wait = $this->run( array_values( $lanes ), $until );
		$this->last_wait = null === $wait ? 0.0 : $wait;
		$data = array();
		foreach ( $lanes as $verb => $lane ) {
			if ( null === $lane->answer() ) {
				return null;
			}
			$data[ $verb ] = $lane->answer()->data();
		}
		return $data;
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
		while ( count( $this->flying ) < self::IN_FLIGHT ) {
			if ( array() === $this->ready ) {
				$this->ready = Custom_Migrator_Flight::pack( $this->gather( $lanes ), $this->size->bytes(), $this->attempts );
			}
			$flight = array_shift( $this->ready );
			if ( null === $flight ) {
				return;
			}
			$this->send( $flight );
		}
	}

	/**
	 * One request of each lane that has one to make now.
	 *
	 * @param Custom_Migrator_Lane[] $lanes Lanes.
	 * @return array<int,array{lane:Custom_Migrator_Lane,request:array}>
	 */
	private function gather( array $lanes ): array {
		$calls = array();
		$count = count( $lanes );
		for ( $i = 0; $i < $count; $i++ ) {
			$lane    = $lanes[ ( $this->turn + $i ) % $count ];
			$request = $lane->next( $this->size->bytes() );
			if ( null === $request ) {
				continue;
			}
			$at = $this->attempts->not_before( $request['key'] );
			if ( $at > microtime( true ) ) {
				$this->hold( $lane, $request, $at );
				continue;
			}
			$calls[] = array(
				'lane'    => $lane,
				'request' => $request,
			);
		}
		++$this->turn;
		return $calls;
	}

	private function send( Custom_Migrator_Flight $flight ): void {
		$body = $flight->body( $this->size->bytes() );
		$id   = bin2hex( random_bytes( 8 ) );
		$time = time() + (int) $this->state->mark( 'clock_offset' );
		$text = "POST\n/custom-migrator/v1/" . $flight->verb() . "\n" . hash( 'sha256', $body ) . "\n" . $time . "\n" . $flight->nonce();

		$this->flying[ $id ] = $flight;
		$this->transport->start(
			array(
				'id'         => $id,
				'url'        => $this->source['agent_url'],
				'headers'    => array(
					'Content-Type'         => 'application/json',
					'X-Migrator-Verb'      => $flight->verb(),
					'X-Migrator-Key'       => $this->source['key_id'],
					'X-Migrator-Time'      => (string) $time,
					'X-Migrator-Nonce'     => $flight->nonce(),
					'X-Migrator-Signature' => hash_hmac( 'sha256', $text, $this->key ),
				),
				'body'       => $body,
				'out_file'   => $this->slot->chunks() . '/' . $id . '.bin',
				'max_bytes'  => Custom_Migrator_Chunk_Size::MAX + self::ANSWER_SLACK,
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
		try {
			$opened = $this->reader->read( $answer, $flight->nonce() );
			$parts  = $flight->parts( $opened );
		} catch ( Custom_Migrator_Import_Error $error ) {
			$this->failed( $flight->calls(), $error );
			return;
		} finally {
			if ( isset( $answer['file'] ) && is_file( $answer['file'] ) ) {
				unlink( $answer['file'] );
			}
		}
		$this->size->carried( strlen( $opened->payload() ) );
		$good = array();
		foreach ( $flight->calls() as $i => $call ) {
			if ( ! isset( $parts[ $i ] ) ) {
				// The source had no time left for it.
				$call['lane']->again( $call['request'] );
				continue;
			}
			try {
				$call['lane']->advance( $call['request'], Custom_Migrator_Answer_Reader::granted( $parts[ $i ] ) );
				$this->attempts->forget( $call['request']['key'] );
				$good[ $i ] = $call;
			} catch ( Custom_Migrator_Import_Error $error ) {
				$this->failed( array( $call ), $error );
			}
		}
		if ( microtime( true ) < $until ) {
			$this->fill( $lanes );
		}
		foreach ( $good as $i => $call ) {
			$call['lane']->land( $call['request'], $parts[ $i ] );
		}
	}

	/**
	 * @param array<int,array{lane:Custom_Migrator_Lane,request:array}> $calls What one answer would have answered.
	 * @throws Custom_Migrator_Import_Error When asking again is of no use.
	 */
	private function failed( array $calls, Custom_Migrator_Import_Error $error ): void {
		if ( $error->is_permanent() ) {
			throw $error;
		}
		$this->size->failed( $error );
		foreach ( $calls as $call ) {
			$at = $this->attempts->failed( $call['request']['key'], $error );
			$this->hold( $call['lane'], $call['request'], $at );
		}
		$this->state->save();
	}

	private function hold( Custom_Migrator_Lane $lane, array $request, float $at ): void {
		$this->held[ $request['key'] ] = array(
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
		$calls = array_values( $this->held );
		foreach ( array_merge( array_values( $this->flying ), $this->ready ) as $flight ) {
			$calls = array_merge( $calls, $flight->calls() );
		}
		foreach ( $calls as $call ) {
			$call['lane']->again( $call['request'] );
		}
		$this->ready  = array();
		$this->flying = array();
		$this->held   = array();
	}
}
