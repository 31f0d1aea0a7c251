<?php
/**
 * A signed call, as it came in.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Reads the headers and the body once, and checks the signature. The order of the checks is part of the protocol. */
final class Custom_Migrator_Request {
	/** Accepted difference of the clocks, seconds. */
	const CLOCK_SKEW = 60;

	/** A call's body is at most this long. */
	const MAX_BODY = 1048576;

	const GRANTED      = 'granted';
	const UNAUTHORIZED = 'unauthorized';
	const CLOCK_WRONG  = 'clock_skew';

	/** @var string */
	public $verb = '';

	/** @var string */
	public $key_id = '';

	/** @var string */
	public $nonce = '';

	/** @var string The key, once the signature was found right. */
	public $key = '';

	/** @var string */
	private $time = '';

	/** @var string */
	private $signature = '';

	/** @var string */
	private $body = '';

	/** @var bool Whether every part has its form. */
	private $well_formed = false;

	/** Reads the current request. Never throws: what is malformed is simply not authorized. */
	public static function current(): self {
		$request            = new self();
		$request->verb      = self::header( 'VERB', '/\A[a-z_]{1,32}\z/' );
		$request->key_id    = self::header( 'KEY', '/\A[A-Za-z0-9._-]{1,64}\z/' );
		$request->time      = self::header( 'TIME', '/\A[0-9]{1,12}\z/' );
		$request->nonce     = self::header( 'NONCE', '/\A[0-9a-f]{32}\z/' );
		$request->signature = self::header( 'SIGNATURE', '/\A[0-9a-f]{64}\z/' );
		$is_post            = isset( $_SERVER['REQUEST_METHOD'] ) && 'POST' === $_SERVER['REQUEST_METHOD'];
		$all                = array( $request->verb, $request->key_id, $request->time, $request->nonce, $request->signature );
		if ( ! $is_post || in_array( '', $all, true ) ) {
			return $request;
		}
		$input = fopen( 'php://input', 'rb' );
		if ( false === $input ) {
			return $request;
		}
		$body = stream_get_contents( $input, self::MAX_BODY + 1 );
		fclose( $input );
		if ( ! is_string( $body ) || strlen( $body ) > self::MAX_BODY ) {
			return $request;
		}
		$request->body        = $body;
		$request->well_formed = true;
		return $request;
	}

	/**
	 * Checks the signature, then the clock, then that the nonce is new.
	 *
	 * @param callable $key_of  Gives the 32 bytes of a key id, or null.
	 * @param callable $is_new  Stores a nonce: true when it was new. Throws Custom_Migrator_Error when it cannot store.
	 * @param int      $now     Unix seconds.
	 * @return string One of the constants. `key` is set from the moment the signature was right.
	 */
	public function authenticate( callable $key_of, callable $is_new, int $now ): string {
		if ( ! $this->well_formed ) {
			return self::UNAUTHORIZED;
		}
		$key   = $key_of( $this->key_id );
		$known = is_string( $key ) && 32 === strlen( $key );
		// An unknown id is compared too, against a key nobody has, so that it takes as long as a known one.
		$expected = $this->sign( $known ? $key : random_bytes( 32 ) );
		$matches  = hash_equals( $expected, $this->signature );
		if ( ! $known || ! $matches ) {
			return self::UNAUTHORIZED;
		}
		$this->key = $key;
		if ( abs( $now - (int) $this->time ) > self::CLOCK_SKEW ) {
			return self::CLOCK_WRONG;
		}
		return $is_new( $this->nonce ) ? self::GRANTED : self::UNAUTHORIZED;
	}

	/** The arguments. Throws Custom_Migrator_Error `bad_arguments` when the body is not a JSON object. */
	public function arguments(): array {
		$args = json_decode( $this->body, true, 32, JSON_BIGINT_AS_STRING );
		if ( ! is_array( $args ) || ( '' === $this->body || '{' !== $this->body[0] ) ) {
			throw Custom_Migrator_Arguments::bad( 'the body must be a JSON object' );
		}
		return $args;
	}

	private function sign( string $key ): string {
		$text = "POST\n/custom-migrator/v1/" . $this->verb . "\n" . hash( 'sha256', $this->body ) . "\n" . $this->time . "\n" . $this->nonce;
		$hmac = hash_hmac( 'sha256', $text, $key );
		if ( ! is_string( $hmac ) || 64 !== strlen( $hmac ) ) {
			// Never compare against a value that came of a failure.
			throw new Custom_Migrator_Error( 'no_crypto', 'This PHP cannot compute HMAC-SHA-256.', 500 );
		}
		return $hmac;
	}

	private static function header( string $name, string $pattern ): string {
		$name = 'HTTP_X_MIGRATOR_' . $name;
		if ( ! isset( $_SERVER[ $name ] ) || ! is_string( $_SERVER[ $name ] ) ) {
			return '';
		}
		return 1 === preg_match( $pattern, $_SERVER[ $name ] ) ? $_SERVER[ $name ] : '';
	}
}
