<?php
/**
 * The verb `batch`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Several calls in one request. On a small site most of a request's cost is WordPress itself starting: a dozen small
 * tables asked for one by one cost a dozen starts.
 */
final class Custom_Migrator_Batch {
	/** Calls in one request. */
	const CALLS = 32;

	/** @var array<string,callable> */
	private $verbs;

	/** @var Custom_Migrator_Budget The one that the verbs have too. */
	private $budget;

	/**
	 * @param array<string,callable>  $verbs  What may be called. A batch holds no batch.
	 * @param Custom_Migrator_Budget $budget When to stop.
	 */
	public function __construct( array $verbs, Custom_Migrator_Budget $budget ) {
		$this->verbs  = $verbs;
		$this->budget = $budget;
	}

	/**
	 * `{calls: [{verb, args}], max_bytes?, gzip?}` → `{parts: [{ok: true, data, raw} | {ok: false, code, message,
	 * retry_after?}]}` and the calls' payloads, `raw` bytes each, one after another. Calls that time or room did not
	 * suffice for have no part: the first call always has one. A call's own `gzip` is ignored.
	 */
	public function run( array $args ): Custom_Migrator_Reply {
		$calls = isset( $args['calls'] ) && is_array( $args['calls'] ) ? array_values( $args['calls'] ) : array();
		if ( array() === $calls || count( $calls ) > self::CALLS ) {
			throw Custom_Migrator_Arguments::bad( 'calls must be a list of 1 to ' . self::CALLS );
		}
		foreach ( $calls as $call ) {
			if ( ! is_array( $call ) || ! isset( $call['args'] ) || ! is_array( $call['args'] ) || ! isset( $this->verbs[ Custom_Migrator_Arguments::text( $call, 'verb' ) ] ) ) {
				throw Custom_Migrator_Arguments::bad( 'each call must be {verb, args}, with a verb that can be called in a batch' );
			}
		}
		$max     = Custom_Migrator_Arguments::max_bytes( $args );
		$payload = new Custom_Migrator_Payload( ! empty( $args['gzip'] ) );
		$parts   = array();
		foreach ( $calls as $call ) {
			$room = $max - $payload->raw_bytes();
			if ( array() !== $parts && ( $this->budget->spent() || $room < Custom_Migrator_Arguments::MIN_BYTES ) ) {
				break;
			}
			$parts[] = $this->call( $call, $room, $payload );
		}
		return new Custom_Migrator_Reply( array( 'parts' => $parts ), $payload );
	}

	private function call( array $call, int $room, Custom_Migrator_Payload $payload ): array {
		$args              = $call['args'];
		$args['max_bytes'] = min( $room, Custom_Migrator_Arguments::max_bytes( $args ) );
		unset( $args['gzip'] );
		try {
			$result = call_user_func( $this->verbs[ $call['verb'] ], $args );
			$raw    = 0;
			if ( $result instanceof Custom_Migrator_Reply ) {
				$raw    = $result->payload->raw_bytes();
				$result->payload->pour_into( $payload );
				$result = $result->data;
			}
			return array(
				'ok'   => true,
				'data' => array() === $result ? new stdClass() : $result,
				'raw'  => $raw,
			);
		} catch ( Custom_Migrator_Error $error ) {
			$part = array(
				'ok'      => false,
				'code'    => $error->error_code(),
				'message' => $error->getMessage(),
			);
			return null === $error->retry_after() ? $part : $part + array( 'retry_after' => $error->retry_after() );
		}
	}
}
