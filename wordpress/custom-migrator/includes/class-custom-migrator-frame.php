<?php
/**
 * Answering a call.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Writes the answer's frame (or the bare 401) as the only output of the request. */
final class Custom_Migrator_Frame {
	const MAGIC = "CMIG1\n";

	/**
	 * A refusal: status 401 and a line of JSON, the same for every reason.
	 *
	 * @param array $body `{code}`, for a wrong clock also `{time}`.
	 */
	public static function refuse( array $body ): void {
		$json = (string) json_encode( $body );
		self::headers( 401, 'application/json', strlen( $json ) );
		echo $json; // phpcs:ignore WordPress.Security.EscapeOutput -- JSON of constants.
		self::swallow_the_rest();
	}

	/**
	 * @param Custom_Migrator_Request      $request Its key signs the answer.
	 * @param int                          $status  HTTP status.
	 * @param array                        $head    Without bytes, sha256 and proof.
	 * @param Custom_Migrator_Payload|null $payload What follows the head.
	 */
	public static function send( Custom_Migrator_Request $request, int $status, array $head, ?Custom_Migrator_Payload $payload = null ): void {
		$payload = $payload ? $payload : new Custom_Migrator_Payload();
		$head   += $payload->finish();
		$signed  = json_encode( $head, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE );
		if ( ! is_string( $signed ) ) {
			throw new Custom_Migrator_Error( 'encode_failed', 'The site\'s answer could not be written as JSON: ' . json_last_error_msg() . '.', 500 );
		}
		$proof = hash_hmac( 'sha256', $request->nonce . "\n" . hash( 'sha256', $signed ), $request->key );
		$first = self::MAGIC . substr( $signed, 0, -1 ) . ',"proof":"' . $proof . "\"}\n";
		self::headers( $status, 'application/octet-stream', strlen( $first ) + $head['bytes'] );
		echo $first; // phpcs:ignore WordPress.Security.EscapeOutput -- Not HTML: a frame with its length and hash.
		$payload->send();
		self::swallow_the_rest();
	}

	private static function headers( int $status, string $type, int $length ): void {
		self::drop_buffers();
		if ( headers_sent() ) {
			return;
		}
		// Compression by PHP would make the length below a lie.
		ini_set( 'zlib.output_compression', '0' ); // phpcs:ignore WordPress.PHP.IniSet
		http_response_code( $status );
		header_remove( 'Set-Cookie' );
		header_remove( 'Content-Encoding' );
		header( 'Content-Type: ' . $type );
		header( 'Content-Length: ' . $length );
		header( 'Cache-Control: no-store, no-cache, must-revalidate, private, max-age=0' );
		header( 'Expires: Wed, 11 Jan 1984 05:00:00 GMT' );
		header( 'X-Robots-Tag: noindex, nofollow' );
		header( 'X-Content-Type-Options: nosniff' );
	}

	private static function drop_buffers(): void {
		while ( ob_get_level() > 0 ) {
			$level = ob_get_level();
			if ( ! @ob_end_clean() || ob_get_level() === $level ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- A buffer may refuse to go.
				break;
			}
		}
	}

	/** Shutdown hooks of others may still print; the answer is complete. */
	private static function swallow_the_rest(): void {
		flush();
		// WordPress would end this buffer at shutdown, before the last of the others' hooks.
		remove_action( 'shutdown', 'wp_ob_end_flush_all', 1 );
		ob_start(
			static function () {
				return '';
			}
		);
	}
}
