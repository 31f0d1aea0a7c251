<?php
/**
 * Fetching with curl_multi, on an ordinary PHP (a pod).
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Connects to public addresses only, unless told otherwise: the name is resolved here, every answer is checked, and curl
 * is pinned to the checked ones (so a second, different answer of the name server is never used).
 */
class Custom_Migrator_Transport_Curl implements Custom_Migrator_Transport {

	/** @var bool */
	private $allow_private;

	/** @var resource|CurlMultiHandle */
	private $multi;

	/** @var array<int,array{id:string,handle:mixed,file:string,out:resource,too_large:bool,headers:array}> By the handle's number. */
	private $requests = array();

	/** @var array[] Answers known before a socket was opened. */
	private $ready = array();

	public function __construct( bool $allow_private ) {
		if ( ! function_exists( 'curl_multi_init' ) ) {
			throw Custom_Migrator_Import_Error::permanent( 'no_transport', 'The clone\'s PHP has no curl extension.' );
		}
		$this->allow_private = $allow_private;
		$this->multi         = curl_multi_init();
	}

	public function start( array $request ): void {
		try {
			$pin = $this->pin( $request['url'] );
		} catch ( Custom_Migrator_Import_Error $error ) {
			$this->refuse( $request['id'], $error->error_code(), $error->getMessage() );
			return;
		}
		if ( null === $pin ) {
			$this->refuse( $request['id'], 'source_not_allowed', 'The source\'s address is not a public one.' );
			return;
		}
		$out = fopen( $request['out_file'], 'wb' );
		if ( false === $out ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not open a chunk file.' );
		}
		$lines = array( 'Expect:' );
		foreach ( $request['headers'] as $name => $value ) {
			$lines[] = $name . ': ' . $value;
		}
		$handle = curl_init();
		$number = self::number( $handle );

		$this->requests[ $number ] = array(
			'id'        => $request['id'],
			'handle'    => $handle,
			'file'      => $request['out_file'],
			'out'       => $out,
			'too_large' => false,
			'headers'   => array(),
		);
		$left = $request['max_bytes'];
		curl_setopt_array(
			$handle,
			array(
				CURLOPT_URL               => $request['url'],
				CURLOPT_POST              => true,
				CURLOPT_POSTFIELDS        => $request['body'],
				CURLOPT_HTTPHEADER        => $lines,
				CURLOPT_FOLLOWLOCATION    => false,
				CURLOPT_PROTOCOLS         => CURLPROTO_HTTP | CURLPROTO_HTTPS,
				CURLOPT_RESOLVE           => $pin,
				CURLOPT_PROXY             => '',
				CURLOPT_TIMEOUT_MS        => $request['timeout_ms'],
				CURLOPT_CONNECTTIMEOUT_MS => min( 10000, $request['timeout_ms'] ),
				CURLOPT_NOSIGNAL          => true,
				CURLOPT_HEADERFUNCTION    => function ( $handle, string $line ) use ( $number ): int {
					unset( $handle );
					$parts = explode( ':', $line, 2 );
					if ( 2 === count( $parts ) ) {
						$this->requests[ $number ]['headers'][ strtolower( trim( $parts[0] ) ) ] = trim( $parts[1] );
					}
					return strlen( $line );
				},
				CURLOPT_WRITEFUNCTION     => function ( $handle, string $data ) use ( $number, &$left ): int {
					unset( $handle );
					$left -= strlen( $data );
					if ( $left < 0 ) {
						$this->requests[ $number ]['too_large'] = true;
						return 0;
					}
					return (int) fwrite( $this->requests[ $number ]['out'], $data );
				},
			)
		);
		curl_multi_add_handle( $this->multi, $handle );
		$running = 0;
		curl_multi_exec( $this->multi, $running );
	}

	public function wait( int $timeout_ms ): ?array {
		if ( array() !== $this->ready ) {
			return array_shift( $this->ready );
		}
		$until = microtime( true ) + $timeout_ms / 1000;
		while ( array() !== $this->requests ) {
			$running = 0;
			curl_multi_exec( $this->multi, $running );
			$done = curl_multi_info_read( $this->multi );
			if ( false !== $done ) {
				return $this->finish( $done['handle'], $done['result'] );
			}
			$left = $until - microtime( true );
			if ( $left <= 0 ) {
				return null;
			}
			if ( -1 === curl_multi_select( $this->multi, min( 1.0, $left ) ) ) {
				usleep( 5000 );
			}
		}
		return null;
	}

	public function cancel_all(): void {
		foreach ( $this->requests as $request ) {
			curl_multi_remove_handle( $this->multi, $request['handle'] );
			fclose( $request['out'] );
		}
		$this->requests = array();
		$this->ready    = array();
	}

	private function refuse( string $id, string $error, string $message ): void {
		$this->ready[] = array(
			'id'      => $id,
			'error'   => $error,
			'message' => $message,
		);
	}

	private function finish( $handle, int $result ): array {
		$number  = self::number( $handle );
		$request = $this->requests[ $number ];
		unset( $this->requests[ $number ] );
		$status = (int) curl_getinfo( $handle, CURLINFO_RESPONSE_CODE );
		$reason = curl_error( $handle );
		curl_multi_remove_handle( $this->multi, $handle );
		fclose( $request['out'] );
		if ( CURLE_OK !== $result ) {
			$code = CURLE_OPERATION_TIMEDOUT === $result ? 'source_timeout' : 'source_unavailable';
			return array(
				'id'      => $request['id'],
				'error'   => $request['too_large'] ? 'answer_too_large' : $code,
				'message' => $reason,
			);
		}
		clearstatcache( true, $request['file'] );
		return array(
			'id'      => $request['id'],
			'status'  => $status,
			'headers' => $request['headers'],
			'bytes'   => (int) filesize( $request['file'] ),
			'file'    => $request['file'],
		);
	}

	/**
	 * @return string[]|null Entries for CURLOPT_RESOLVE; null when the address must not be connected to.
	 * @throws Custom_Migrator_Import_Error `source_unavailable` when the name has no address now.
	 */
	private function pin( string $url ): ?array {
		$parts = parse_url( $url );
		if ( ! is_array( $parts ) || empty( $parts['host'] ) || isset( $parts['user'] ) || ! isset( $parts['scheme'] ) || ! in_array( $parts['scheme'], array( 'http', 'https' ), true ) ) {
			return null;
		}
		if ( $this->allow_private ) {
			return array();
		}
		$host = trim( $parts['host'], '[]' );
		$port = isset( $parts['port'] ) ? (int) $parts['port'] : ( 'https' === $parts['scheme'] ? 443 : 80 );
		if ( 80 !== $port && 443 !== $port ) {
			return null;
		}
		if ( false !== filter_var( $host, FILTER_VALIDATE_IP ) ) {
			return Custom_Migrator_Public_Address::is_public( $host ) ? array() : null;
		}
		// A name ends in a label that has a letter; what does not is an address in a spelling that only some parsers read.
		if ( ! preg_match( '/^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*\.?$/i', $host ) || preg_match( '/\.0x[0-9a-f]*\.?$/i', $host ) ) {
			return null;
		}
		$addresses = gethostbynamel( $host );
		$addresses = false === $addresses ? array() : $addresses;
		$records   = function_exists( 'dns_get_record' ) ? dns_get_record( $host, DNS_AAAA ) : array();
		foreach ( is_array( $records ) ? $records : array() as $record ) {
			$addresses[] = $record['ipv6'];
		}
		foreach ( $addresses as $address ) {
			if ( ! Custom_Migrator_Public_Address::is_public( $address ) ) {
				return null;
			}
		}
		if ( array() === $addresses ) {
			throw Custom_Migrator_Import_Error::transient( 'source_unavailable', 'The source\'s name has no address.' );
		}
		return array( $host . ':' . $port . ':' . implode( ',', $addresses ) );
	}

	private static function number( $handle ): int {
		return is_object( $handle ) ? spl_object_id( $handle ) : (int) $handle;
	}
}
