<?php
/**
 * Taking a job's key from an administrator.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** By REST (cookies with X-WP-Nonce, or an application password) or by admin-ajax (cookies with X-WP-Nonce). */
final class Custom_Migrator_Registration {
	/** A job may ask for a key of at most this many seconds. */
	const LONGEST = 604800;

	public static function rest(): void {
		register_rest_route(
			'custom-migrator/v1',
			'/jobs',
			array(
				'methods'             => 'POST',
				'permission_callback' => array( self::class, 'may_register' ),
				'callback'            => static function ( WP_REST_Request $request ) {
					list( $status, $body ) = self::answer( (string) $request->get_body() );
					$response              = new WP_REST_Response( $body, $status );
					$response->header( 'Cache-Control', 'no-store' );
					return $response;
				},
			)
		);
	}

	public static function ajax(): void {
		$nonce = isset( $_SERVER['HTTP_X_WP_NONCE'] ) && is_string( $_SERVER['HTTP_X_WP_NONCE'] ) ? $_SERVER['HTTP_X_WP_NONCE'] : '';
		$post  = isset( $_SERVER['REQUEST_METHOD'] ) && 'POST' === $_SERVER['REQUEST_METHOD'];
		if ( ! $post || ! wp_verify_nonce( $nonce, 'wp_rest' ) || ! self::may_register() ) {
			wp_send_json(
				array(
					'ok'   => false,
					'code' => 'forbidden',
				),
				403
			);
		}
		list( $status, $body ) = self::answer( (string) file_get_contents( 'php://input', false, null, 0, 65536 ) );
		nocache_headers();
		wp_send_json( $body, $status );
	}

	/** Whoever may install and activate plugins could read the whole site anyway. */
	public static function may_register(): bool {
		return current_user_can( 'install_plugins' ) && current_user_can( 'activate_plugins' );
	}

	/**
	 * @param string $json The request's body.
	 * @return array HTTP status and body.
	 */
	private static function answer( string $json ): array {
		try {
			self::register( $json, time() );
		} catch ( Custom_Migrator_Error $error ) {
			return array(
				$error->status(),
				array(
					'ok'      => false,
					'code'    => $error->error_code(),
					'message' => $error->getMessage(),
				),
			);
		}
		return array(
			200,
			array(
				'ok'       => true,
				'protocol' => Custom_Migrator_Agent::PROTOCOL,
				'version'  => Custom_Migrator_Agent::VERSION,
			),
		);
	}

	private static function register( string $json, int $now ): void {
		$args = json_decode( $json, true, 8 );
		if ( ! is_array( $args ) ) {
			throw Custom_Migrator_Arguments::bad( 'the body must be a JSON object' );
		}
		if ( ! isset( $args['protocol'] ) || Custom_Migrator_Agent::PROTOCOL !== $args['protocol'] ) {
			throw new Custom_Migrator_Error( 'protocol_mismatch', 'This plugin speaks protocol ' . Custom_Migrator_Agent::PROTOCOL . '; update it or the service.', 409 );
		}
		$job_id = Custom_Migrator_Arguments::text( $args, 'job_id' );
		if ( 1 !== preg_match( '/\A[A-Za-z0-9._-]{1,64}\z/', $job_id ) ) {
			throw Custom_Migrator_Arguments::bad( 'job_id must be 1 to 64 letters, digits, dots, dashes' );
		}
		$key = base64_decode( Custom_Migrator_Arguments::text( $args, 'key' ), true );
		if ( ! is_string( $key ) || 32 !== strlen( $key ) ) {
			throw Custom_Migrator_Arguments::bad( 'key must be 32 bytes in base64' );
		}
		if ( 'source' !== Custom_Migrator_Arguments::text( $args, 'role' ) ) {
			throw Custom_Migrator_Arguments::bad( 'role must be "source"' );
		}
		$expires_at = Custom_Migrator_Arguments::count( $args, 'expires_at' );
		if ( $expires_at <= $now || $expires_at > $now + self::LONGEST ) {
			throw Custom_Migrator_Arguments::bad( 'expires_at must lie within the next seven days' );
		}
		if ( ! isset( $args['uploaded'] ) || ! is_bool( $args['uploaded'] ) ) {
			throw Custom_Migrator_Arguments::bad( 'uploaded must be true or false' );
		}
		Custom_Migrator_Nonce_Table::create();
		( new Custom_Migrator_Jobs() )->add( $job_id, $key, 'source', $expires_at, $args['uploaded'] );
	}
}
