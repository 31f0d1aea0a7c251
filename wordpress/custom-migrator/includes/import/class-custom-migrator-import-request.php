<?php
/**
 * Checks the arguments of `import_start`.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * What an import was asked for, every member of the right type, nothing else in it.
 */
final class Custom_Migrator_Import_Request {

	/**
	 * @return array `{job_id, source, target, admin, access, allow_hosts, limits, expires_at, allow_private}`
	 * @throws Custom_Migrator_Import_Error `bad_arguments`
	 */
	public static function checked( array $args ): array {
		$source = self::texts( $args, 'source', array( 'agent_url', 'key_id', 'agent_key', 'url' ) );
		$target = self::texts( $args, 'target', array( 'url' ) );
		$admin  = self::texts( $args, 'admin', array( 'username', 'password' ) );
		foreach ( array( $source['agent_url'], $source['url'], $target['url'] ) as $url ) {
			if ( ! preg_match( '#^https?://[^/?\#@\s]+([/?][^\s]*)?$#Di', $url ) ) {
				throw self::bad( 'an address is not http or https, or carries a user name' );
			}
		}
		$key = base64_decode( $source['agent_key'], true );
		if ( false === $key || 32 !== strlen( $key ) ) {
			throw self::bad( 'source.agent_key is not the base64 of 32 bytes' );
		}
		if ( ! preg_match( '/^[A-Za-z0-9._@-]{1,60}$/D', $admin['username'] ) || strlen( $admin['password'] ) > 72 ) {
			throw self::bad( 'admin.username must be 1–60 letters, digits or ._@-, admin.password at most 72 bytes' );
		}
		$admin['email'] = isset( $args['admin']['email'] ) && is_string( $args['admin']['email'] ) ? $args['admin']['email'] : '';
		if ( ! isset( $args['job_id'] ) || ! is_string( $args['job_id'] ) || ! preg_match( '/^[A-Za-z0-9_-]{1,64}$/D', $args['job_id'] ) ) {
			throw self::bad( 'job_id is missing' );
		}
		$hosts = array();
		foreach ( isset( $args['allow_hosts'] ) && is_array( $args['allow_hosts'] ) ? $args['allow_hosts'] : array() as $host ) {
			if ( ! is_string( $host ) || ! preg_match( '/^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$/D', $host ) ) {
				throw self::bad( 'allow_hosts holds something that is no host name' );
			}
			$hosts[] = strtolower( $host );
		}
		$target['url'] = rtrim( $target['url'], '/' );
		return array(
			'job_id'        => $args['job_id'],
			'source'        => $source,
			'target'        => $target,
			'admin'         => $admin,
			'access'        => isset( $args['access'] ) && 'public' === $args['access'] ? 'public' : 'login',
			'allow_hosts'   => $hosts,
			'limits'        => array( 'max_bytes' => isset( $args['limits']['max_bytes'] ) && is_int( $args['limits']['max_bytes'] ) ? max( 0, $args['limits']['max_bytes'] ) : 0 ),
			'expires_at'    => isset( $args['expires_at'] ) ? self::time( $args, 'expires_at' ) : null,
			'allow_private' => isset( $args['allow_private'] ) && true === $args['allow_private'],
		);
	}

	/** Unix seconds. Milliseconds are a mistake that would keep a clone for ever, so they are refused. */
	public static function time( array $args, string $name ): int {
		if ( ! isset( $args[ $name ] ) || ! is_int( $args[ $name ] ) || $args[ $name ] < 1 || $args[ $name ] > 99999999999 ) {
			throw self::bad( $name . ' must be a time in Unix seconds' );
		}
		return $args[ $name ];
	}

	private static function texts( array $args, string $group, array $names ): array {
		$texts = array();
		foreach ( $names as $name ) {
			if ( ! isset( $args[ $group ][ $name ] ) || ! is_string( $args[ $group ][ $name ] ) || '' === $args[ $group ][ $name ] ) {
				throw self::bad( $group . '.' . $name . ' is missing' );
			}
			$texts[ $name ] = $args[ $group ][ $name ];
		}
		return $texts;
	}

	private static function bad( string $what ): Custom_Migrator_Import_Error {
		return Custom_Migrator_Import_Error::permanent( 'bad_arguments', 'Bad arguments: ' . $what . '.' );
	}
}
