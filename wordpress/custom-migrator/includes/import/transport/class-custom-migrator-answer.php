<?php
/**
 * An agent's answer, proved and checked.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Opens a frame (docs/migrator-protocol.md, "Transport").
 */
class Custom_Migrator_Answer {

	const MARKER = "CMIG1\n";

	/** Another plugin may have printed before the frame. */
	const MARKER_WITHIN = 65536;

	/** A compressed payload that unpacks to more is refused. */
	const RAW_MAX = 67108864;

	/** @var bool */
	private $ok;

	/** @var array The whole head. */
	private $head;

	/** @var string */
	private $payload;

	private function __construct( array $head, string $payload ) {
		$this->ok      = true === $head['ok'];
		$this->head    = $head;
		$this->payload = $payload;
	}

	/**
	 * @param string $body  The HTTP body.
	 * @param string $key   The agent key, 32 bytes.
	 * @param string $nonce The nonce of the request this must be the answer to.
	 * @return self|null Null when there is no frame in it: something else answered.
	 * @throws Custom_Migrator_Import_Error `bad_answer`, transient: cut off, altered, or an answer to another request.
	 */
	public static function open( string $body, string $key, string $nonce ): ?self {
		$start = strpos( substr( $body, 0, self::MARKER_WITHIN + strlen( self::MARKER ) ), self::MARKER );
		if ( false === $start ) {
			return null;
		}
		$start += strlen( self::MARKER );
		$end    = strpos( $body, "\n", $start );
		if ( false === $end ) {
			throw self::bad( 'is cut off' );
		}
		$line = substr( $body, $start, $end - $start );
		if ( ! preg_match( '/,"proof":"([0-9a-f]{64})"\}$/D', $line, $match ) ) {
			throw self::bad( 'carries no proof' );
		}
		$signed   = substr( $line, 0, -strlen( $match[0] ) ) . '}';
		$expected = hash_hmac( 'sha256', $nonce . "\n" . hash( 'sha256', $signed ), $key );
		if ( ! hash_equals( $expected, $match[1] ) ) {
			throw self::bad( 'is not proved by the key, or belongs to another request' );
		}
		$head = json_decode( $line, true );
		if ( ! is_array( $head ) || ! isset( $head['ok'], $head['bytes'], $head['sha256'] ) || ! is_int( $head['bytes'] ) || ! is_string( $head['sha256'] ) ) {
			throw self::bad( 'has a head of another shape' );
		}
		$payload = (string) substr( $body, $end + 1, $head['bytes'] );
		if ( strlen( $payload ) !== $head['bytes'] ) {
			throw self::bad( 'is cut off' );
		}
		if ( ! hash_equals( $head['sha256'], hash( 'sha256', $payload ) ) ) {
			throw self::bad( 'carries data that does not match its checksum' );
		}
		return new self( $head, self::unpack( $head, $payload ) );
	}

	public function ok(): bool {
		return $this->ok;
	}

	public function data(): array {
		return isset( $this->head['data'] ) && is_array( $this->head['data'] ) ? $this->head['data'] : array();
	}

	public function payload(): string {
		return $this->payload;
	}

	public function code(): string {
		$code = isset( $this->head['code'] ) && is_string( $this->head['code'] ) ? $this->head['code'] : '';
		return preg_match( '/^[a-z0-9_]{1,64}$/D', $code ) ? $code : 'agent_failed';
	}

	public function message(): string {
		$message = isset( $this->head['message'] ) && is_string( $this->head['message'] ) ? $this->head['message'] : '';
		return substr( $message, 0, 500 );
	}

	public function retry_after(): float {
		return isset( $this->head['retry_after'] ) && is_numeric( $this->head['retry_after'] ) ? (float) $this->head['retry_after'] : 0.0;
	}

	/**
	 * The answers to a batch's calls, in their order; the last ones may be missing.
	 *
	 * @param int $calls How many were asked.
	 * @return self[]
	 * @throws Custom_Migrator_Import_Error `bad_answer`, transient: parts of another shape, or that are not the payload.
	 */
	public function parts( int $calls ): array {
		$data  = $this->data();
		$heads = isset( $data['parts'] ) && is_array( $data['parts'] ) ? array_values( $data['parts'] ) : array();
		if ( array() === $heads || count( $heads ) > $calls ) {
			throw self::bad( 'has parts that were not asked for' );
		}
		$parts = array();
		$at    = 0;
		foreach ( $heads as $head ) {
			$raw = is_array( $head ) && isset( $head['raw'] ) && is_int( $head['raw'] ) ? $head['raw'] : 0;
			if ( ! is_array( $head ) || ! isset( $head['ok'] ) || $raw < 0 || $raw > strlen( $this->payload ) - $at ) {
				throw self::bad( 'has parts of another shape' );
			}
			$parts[] = new self( $head, (string) substr( $this->payload, $at, $raw ) );
			$at     += $raw;
		}
		if ( strlen( $this->payload ) !== $at ) {
			throw self::bad( 'carries more than its parts' );
		}
		return $parts;
	}

	private static function unpack( array $head, string $payload ): string {
		if ( ! isset( $head['encoding'] ) ) {
			return $payload;
		}
		$raw_bytes = isset( $head['raw_bytes'] ) && is_int( $head['raw_bytes'] ) ? $head['raw_bytes'] : -1;
		if ( 'gzip' !== $head['encoding'] || $raw_bytes < 0 || $raw_bytes > self::RAW_MAX ) {
			throw self::bad( 'is compressed in a way that is not accepted' );
		}
		$raw = @gzdecode( $payload, $raw_bytes + 1 ); // phpcs:ignore WordPress.PHP.NoSilencedErrors.Discouraged
		if ( false === $raw || strlen( $raw ) !== $raw_bytes ) {
			throw self::bad( 'does not unpack to its stated size' );
		}
		return $raw;
	}

	private static function bad( string $what ): Custom_Migrator_Import_Error {
		return Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source\'s answer ' . $what . '. Something between the clone and the site may be altering it.' );
	}
}
