<?php
/**
 * Says what came back from the source.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A proved answer that says yes, or an error of the right class: what the agent said, or what stood in its place.
 */
class Custom_Migrator_Answer_Reader {

	/** Codes of the agent after which the same request would fail again. */
	const PERMANENT = array( 'agent_gone', 'unknown_verb', 'bad_arguments', 'bad_request', 'unsupported_protocol', 'multisite' );

	/** @var string 32 bytes. */
	private $key;

	/** @var Custom_Migrator_Import_State Takes note of how far the source's clock is off. */
	private $state;

	public function __construct( string $key, Custom_Migrator_Import_State $state ) {
		$this->key   = $key;
		$this->state = $state;
	}

	/**
	 * @param array  $answer The transport's.
	 * @param string $nonce  Of the request.
	 * @throws Custom_Migrator_Import_Error Whatever else it is.
	 */
	public function read( array $answer, string $nonce ): Custom_Migrator_Answer {
		if ( isset( $answer['error'] ) ) {
			$code = preg_match( '/^[a-z0-9_]{1,64}$/D', $answer['error'] ) ? $answer['error'] : 'source_unavailable';
			if ( 'source_not_allowed' === $code ) {
				throw Custom_Migrator_Import_Error::permanent( $code, 'The source\'s address is not a public one.' );
			}
			throw Custom_Migrator_Import_Error::transient( $code, 'source_timeout' === $code ? 'The source did not answer in time.' : 'The source could not be reached, or broke off its answer.' );
		}
		$body   = (string) file_get_contents( $answer['file'] );
		$opened = Custom_Migrator_Answer::open( $body, $this->key, $nonce );
		if ( null === $opened ) {
			throw $this->foreign( $answer, $body );
		}
		return self::granted( $opened );
	}

	/**
	 * @throws Custom_Migrator_Import_Error When the agent said no.
	 */
	public static function granted( Custom_Migrator_Answer $opened ): Custom_Migrator_Answer {
		if ( ! $opened->ok() ) {
			throw new Custom_Migrator_Import_Error(
				$opened->code(),
				'' === $opened->message() ? 'The source\'s agent could not answer.' : $opened->message(),
				in_array( $opened->code(), self::PERMANENT, true ),
				$opened->retry_after()
			);
		}
		return $opened;
	}

	/**
	 * What an answer that is not the agent's means.
	 */
	private function foreign( array $answer, string $body ): Custom_Migrator_Import_Error {
		$status = $answer['status'];
		$json   = strlen( $body ) < 4096 ? json_decode( trim( $body ), true ) : null;
		$code   = is_array( $json ) && isset( $json['code'] ) ? $json['code'] : '';
		if ( 401 === $status && 'unauthorized' === $code ) {
			return Custom_Migrator_Import_Error::permanent( 'agent_gone', 'The source no longer accepts the job\'s key: the agent was removed or the key has ended. Start the clone again.' );
		}
		if ( 'clock_skew' === $code && isset( $json['time'] ) && is_numeric( $json['time'] ) ) {
			$this->state->set_mark( 'clock_offset', (int) $json['time'] - time() );
			return Custom_Migrator_Import_Error::transient( 'clock_skew', 'The source\'s clock differs from ours.' );
		}
		$after = isset( $answer['headers']['retry-after'] ) ? self::seconds( $answer['headers']['retry-after'] ) : 0.0;
		if ( 429 === $status ) {
			return Custom_Migrator_Import_Error::transient( 'source_rate_limited', 'The source limits how often it may be called; allow the clone service in its firewall.', $after );
		}
		if ( 413 === $status ) {
			return Custom_Migrator_Import_Error::transient( 'answer_too_large', 'The source refused the size of a request.' );
		}
		if ( $status >= 500 ) {
			return Custom_Migrator_Import_Error::transient( 'source_failed', sprintf( 'The source answered with status %d; look into its PHP error log.', $status ), $after );
		}
		return Custom_Migrator_Import_Error::transient( 'bad_answer', sprintf( 'Something other than the agent answered for the source (status %d): a firewall, a proxy or another plugin.', $status ), $after );
	}

	private static function seconds( string $retry_after ): float {
		if ( is_numeric( $retry_after ) ) {
			return max( 0.0, (float) $retry_after );
		}
		$time = strtotime( $retry_after );
		return false === $time ? 0.0 : max( 0.0, (float) ( $time - time() ) );
	}
}
