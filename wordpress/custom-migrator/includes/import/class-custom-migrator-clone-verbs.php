<?php
/**
 * The verbs of a clone.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * What a worker asks of a clone. None of them needs a database, so they answer while the content is being replaced.
 */
final class Custom_Migrator_Clone_Verbs {

	/** Seconds for which a login link may be used. */
	const LINK_SECONDS = 900;

	/** Outbox entries in one answer. */
	const OUTBOX_PAGE = 200;

	/** @return array<string, callable> Verb → callable that takes the arguments and returns its data. */
	public static function verbs(): array {
		$verbs = array();
		foreach ( array( 'import_start', 'import_status', 'import_cancel', 'set_expiry', 'login_link', 'outbox' ) as $verb ) {
			$verbs[ $verb ] = static function ( array $args ) use ( $verb ): array {
				try {
					return self::$verb( new Custom_Migrator_Slot( CLONE_DIR ), $args );
				} catch ( Custom_Migrator_Import_Error $error ) {
					throw new Custom_Migrator_Error( $error->error_code(), $error->getMessage(), $error->is_permanent() ? 400 : 503, null, $error );
				}
			};
		}
		return $verbs;
	}

	/** The same job's call twice is one import; a failed import is started over. */
	private static function import_start( Custom_Migrator_Slot $slot, array $args ): array {
		$request = Custom_Migrator_Import_Request::checked( $args );
		Custom_Migrator_Slot::ensure_dir( $slot->import() );
		$lock = fopen( $slot->import() . '/start.lock', 'c' );
		if ( false === $lock || ! flock( $lock, LOCK_EX ) ) {
			throw Custom_Migrator_Import_Error::transient( 'disk_full', 'The clone could not take the import\'s lock.' );
		}
		try {
			$state = $slot->state();
			$mine  = $state->get( 'job_id' ) === $request['job_id'];
			$runs  = in_array( $state->get( 'state' ), array( 'running', 'done' ), true );
			if ( $runs && ! $mine ) {
				throw new Custom_Migrator_Error( 'slot_busy', 'This clone is another job\'s.', 409 );
			}
			if ( $runs ) {
				return array( 'accepted' => true );
			}
			if ( is_file( $slot->import() . '/cancel' ) ) {
				unlink( $slot->import() . '/cancel' );
			}
			if ( null !== $request['expires_at'] ) {
				$slot->update_clone( array( 'expires_at' => $request['expires_at'] ) );
			}
			// The request first: a step that finds it with an older state starts it afresh.
			Custom_Migrator_Json_File::write( $slot->import() . '/request.json', $request );
			$blank            = Custom_Migrator_Import_State::blank( 'running', $request['job_id'] );
			$blank['phase']   = 'preflight';
			$blank['message'] = 'Waiting for the importer';
			Custom_Migrator_Json_File::write( $slot->import() . '/state.json', $blank );
		} finally {
			flock( $lock, LOCK_UN );
			fclose( $lock );
		}
		return array( 'accepted' => true );
	}

	private static function import_status( Custom_Migrator_Slot $slot, array $args ): array {
		unset( $args );
		return $slot->state()->report();
	}

	/** Stops an import at its next look; what was staged goes. No effect on one that has ended. */
	private static function import_cancel( Custom_Migrator_Slot $slot, array $args ): array {
		unset( $args );
		if ( 'running' === $slot->state()->get( 'state' ) ) {
			Custom_Migrator_Json_File::write( $slot->import() . '/cancel', array( 'at' => time() ) );
		}
		return array();
	}

	private static function set_expiry( Custom_Migrator_Slot $slot, array $args ): array {
		$slot->update_clone( array( 'expires_at' => Custom_Migrator_Import_Request::time( $args, 'expires_at' ) ) );
		return array();
	}

	/** Only the token's hash is kept, so a read of the disk logs nobody in. An earlier link dies. */
	private static function login_link( Custom_Migrator_Slot $slot, array $args ): array {
		unset( $args );
		$clone = $slot->clone_json();
		if ( empty( $clone['admin_user'] ) || empty( $clone['url'] ) ) {
			throw new Custom_Migrator_Error( 'not_a_clone_yet', 'Nothing was imported into this clone yet.', 409 );
		}
		$token = bin2hex( random_bytes( 32 ) );
		Custom_Migrator_Json_File::write(
			$slot->path( 'login-link.json' ),
			array(
				'hash'    => hash( 'sha256', $token ),
				'expires' => time() + self::LINK_SECONDS,
			)
		);
		return array( 'url' => rtrim( $clone['url'], '/' ) . '/?clone_login=' . $token );
	}

	/** The cursor is the byte to go on from. */
	private static function outbox( Custom_Migrator_Slot $slot, array $args ): array {
		$from  = isset( $args['cursor'] ) && is_int( $args['cursor'] ) && $args['cursor'] > 0 ? $args['cursor'] : 0;
		$path  = $slot->path( 'outbox.jsonl' );
		$items = array();
		$file  = is_file( $path ) ? fopen( $path, 'rb' ) : false;
		if ( false !== $file ) {
			fseek( $file, $from );
			while ( count( $items ) < self::OUTBOX_PAGE ) {
				$line = fgets( $file, 65536 );
				if ( false === $line || "\n" !== substr( $line, -1 ) ) {
					// Half a line is one that is being written.
					break;
				}
				$from += strlen( $line );
				$item  = json_decode( $line, true );
				if ( is_array( $item ) ) {
					$items[] = $item;
				}
			}
			fclose( $file );
		}
		return array(
			'items'  => $items,
			'cursor' => $from,
		);
	}
}
