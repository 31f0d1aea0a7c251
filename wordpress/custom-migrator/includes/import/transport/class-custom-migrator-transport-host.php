<?php
/**
 * Fetching through the process that hosts php-wasm.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Speaks JSON messages to the host: `fetch_start`, `fetch_wait`, `fetch_cancel`. The host holds the sockets and guards
 * the addresses; this side only names files, all of them below CLONE_DIR/import/chunks.
 */
class Custom_Migrator_Transport_Host implements Custom_Migrator_Transport {

	/** @var callable Takes a JSON string, answers one. */
	private $post;

	/** @var array<string,string> Id to the file asked for. */
	private $in_flight = array();

	/**
	 * @param callable|null $post For tests; else `post_message_to_js`.
	 */
	public function __construct( ?callable $post = null ) {
		if ( null === $post && ! function_exists( 'post_message_to_js' ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'no_transport', 'This PHP has no host process to fetch through.' );
		}
		$this->post = null === $post ? 'post_message_to_js' : $post;
	}

	public static function available(): bool {
		return function_exists( 'post_message_to_js' );
	}

	public function start( array $request ): void {
		$answer = $this->send(
			array(
				'op'         => 'fetch_start',
				'id'         => $request['id'],
				'url'        => $request['url'],
				'method'     => 'POST',
				'headers'    => (object) $request['headers'],
				'body'       => $request['body'],
				'out_file'   => $request['out_file'],
				'max_bytes'  => $request['max_bytes'],
				'timeout_ms' => $request['timeout_ms'],
			)
		);
		if ( empty( $answer['ok'] ) ) {
			throw Custom_Migrator_Import_Error::transient( 'no_transport', 'The host process refused to fetch.' );
		}
		$this->in_flight[ $request['id'] ] = $request['out_file'];
	}

	public function wait( int $timeout_ms ): ?array {
		$answer = $this->send(
			array(
				'op'         => 'fetch_wait',
				'timeout_ms' => $timeout_ms,
			)
		);
		if ( ! isset( $answer['id'] ) || ! isset( $this->in_flight[ $answer['id'] ] ) ) {
			// Nothing yet, or an answer to a request of a step that has ended.
			return null;
		}
		$id   = $answer['id'];
		$file = $this->in_flight[ $id ];
		unset( $this->in_flight[ $id ] );
		if ( isset( $answer['error'] ) ) {
			return array(
				'id'      => $id,
				'error'   => (string) $answer['error'],
				'message' => isset( $answer['message'] ) ? (string) $answer['message'] : '',
			);
		}
		$headers = array();
		foreach ( isset( $answer['headers'] ) && is_array( $answer['headers'] ) ? $answer['headers'] : array() as $name => $value ) {
			$headers[ strtolower( (string) $name ) ] = is_array( $value ) ? implode( ', ', $value ) : (string) $value;
		}
		clearstatcache( true, $file );
		return array(
			'id'      => $id,
			'status'  => isset( $answer['status'] ) ? (int) $answer['status'] : 0,
			'headers' => $headers,
			'bytes'   => is_file( $file ) ? (int) filesize( $file ) : 0,
			'file'    => $file,
		);
	}

	public function cancel_all(): void {
		$this->in_flight = array();
		$this->send( array( 'op' => 'fetch_cancel' ) );
	}

	private function send( array $message ): array {
		$text   = json_encode( $message, JSON_UNESCAPED_SLASHES );
		$answer = false === $text ? null : json_decode( (string) call_user_func( $this->post, $text ), true );
		if ( ! is_array( $answer ) ) {
			throw Custom_Migrator_Import_Error::transient( 'no_transport', 'The host process did not answer a fetch message.' );
		}
		return $answer;
	}
}
