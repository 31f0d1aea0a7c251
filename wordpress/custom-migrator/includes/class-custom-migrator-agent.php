<?php
/**
 * The agent: who is asked, and by whom.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Serves one signed call and ends the request.
 *
 * A role is three things: where keys come from, where used nonces go, and a table of verbs. A verb is a callable that
 * takes the arguments and returns its data (or a Custom_Migrator_Reply when it has a payload), or throws
 * Custom_Migrator_Error.
 */
final class Custom_Migrator_Agent {
	const PROTOCOL = 1;
	const VERSION  = '0.1.0';

	/** Freed when memory has run out, so that the answer can still be written. */
	const RESERVE = 262144;

	/** @var Custom_Migrator_Request|null Set while a call is being served. */
	private static $open = null;

	/** @var string */
	private static $reserve = '';

	/** On an ordinary site: keys that an administrator registered, verbs of a source. Ends the request. */
	public static function boot_source(): void {
		$jobs = new Custom_Migrator_Jobs();
		$now  = time();
		self::serve(
			static function ( string $id ) use ( $jobs, $now ) {
				return $jobs->key( $id, $now );
			},
			static function ( string $nonce ) use ( $now ) {
				return Custom_Migrator_Nonce_Table::use_once( $nonce, $now );
			},
			static function ( string $key_id ) {
				return array(
					'remove' => static function () use ( $key_id ) {
						return array( 'removed' => Custom_Migrator_Remover::forget( $key_id ) );
					},
				) + Custom_Migrator_Source_Verbs::verbs();
			},
			$now
		);
	}

	/**
	 * On a clone (CLONE_DIR is defined): the slot's own key from clone.json, verbs of a clone, and those of a source
	 * too, because a restore reads from it. Returns when the request is no call; else ends it.
	 */
	public static function boot_clone(): void {
		if ( ! isset( $_SERVER['HTTP_X_MIGRATOR_VERB'] ) || ! defined( 'CLONE_DIR' ) ) {
			return;
		}
		$now    = time();
		$nonces = new Custom_Migrator_Nonce_Folder( CLONE_DIR );
		self::serve(
			static function ( string $id ) {
				$json  = @file_get_contents( CLONE_DIR . '/clone.json' ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- No file, no key.
				$clone = is_string( $json ) ? json_decode( $json, true ) : null;
				if ( ! is_array( $clone ) || ! isset( $clone['slot_id'], $clone['agent_key'] ) || $clone['slot_id'] !== $id || ! is_string( $clone['agent_key'] ) ) {
					return null;
				}
				$key = base64_decode( $clone['agent_key'], true );
				return is_string( $key ) ? $key : null;
			},
			static function ( string $nonce ) use ( $nonces, $now ) {
				return $nonces->use_once( $nonce, $now );
			},
			static function () {
				if ( ! class_exists( 'Custom_Migrator_Clone_Verbs', false ) ) {
					require_once __DIR__ . '/import/load.php';
				}
				return Custom_Migrator_Clone_Verbs::verbs() + Custom_Migrator_Source_Verbs::verbs();
			},
			$now
		);
	}

	/** @return array `{protocol, version, time}` */
	public static function hello(): array {
		return array(
			'protocol' => self::PROTOCOL,
			'version'  => self::VERSION,
			'time'     => time(),
		);
	}

	private static function serve( callable $key_of, callable $is_new, callable $verbs_for, int $now ): void {
		self::prepare();
		$request = Custom_Migrator_Request::current();
		try {
			$verdict = $request->authenticate( $key_of, $is_new, $now );
		} catch ( Throwable $fault ) {
			// Before the signature was found right nobody is told anything; after it, the caller may know why.
			if ( '' !== $request->key ) {
				self::answer_fault( $request, $fault );
				exit;
			}
			$verdict = Custom_Migrator_Request::UNAUTHORIZED;
		}
		if ( Custom_Migrator_Request::GRANTED !== $verdict ) {
			$body = array( 'code' => $verdict );
			Custom_Migrator_Frame::refuse( Custom_Migrator_Request::CLOCK_WRONG === $verdict ? $body + array( 'time' => $now ) : $body );
			exit;
		}
		self::$open = $request;
		try {
			$verbs = $verbs_for( $request->key_id );
			if ( ! isset( $verbs[ $request->verb ] ) ) {
				throw new Custom_Migrator_Error( 'unknown_verb', 'This agent has no verb of that name.', 404 );
			}
			$result  = call_user_func( $verbs[ $request->verb ], $request->arguments() );
			$payload = null;
			if ( $result instanceof Custom_Migrator_Reply ) {
				$payload = $result->payload;
				$result  = $result->data;
			}
			$head = array(
				'ok'   => true,
				// An empty array would become a JSON list.
				'data' => array() === $result ? new stdClass() : $result,
			);
			Custom_Migrator_Frame::send( $request, 200, $head, $payload );
		} catch ( Throwable $fault ) {
			self::answer_fault( $request, $fault );
		}
		self::$open = null;
		exit;
	}

	/** Makes the request ours: no notices in the output, no fatal-error mail to the site's owner, our own last word. */
	private static function prepare(): void {
		ini_set( 'display_errors', '0' ); // phpcs:ignore WordPress.PHP.IniSet
		if ( function_exists( 'set_time_limit' ) ) {
			@set_time_limit( 30 ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Some hosts forbid it.
		}
		foreach ( array( 'DONOTCACHEPAGE', 'WP_SANDBOX_SCRAPING' ) as $constant ) {
			// The second one makes WordPress's own fatal-error handler, which writes mails and pages, stand aside.
			if ( ! defined( $constant ) ) {
				define( $constant, true );
			}
		}
		self::$reserve = str_repeat( 'x', self::RESERVE );
		register_shutdown_function( array( self::class, 'last_word' ) );
	}

	/** A fatal error (memory, time) during a call still answers with a frame. */
	public static function last_word(): void {
		self::$reserve = '';
		if ( null === self::$open ) {
			return;
		}
		$request    = self::$open;
		self::$open = null;
		$last       = error_get_last();
		$what       = is_array( $last ) ? basename( $last['file'] ) . ':' . $last['line'] : 'unknown place';
		Custom_Migrator_Frame::send(
			$request,
			500,
			array(
				'ok'      => false,
				'code'    => 'agent_died',
				'message' => 'PHP stopped the agent (' . $what . '): out of memory or time. Ask for fewer bytes.',
			)
		);
	}

	private static function answer_fault( Custom_Migrator_Request $request, Throwable $fault ): void {
		if ( ! $fault instanceof Custom_Migrator_Error ) {
			// Another's message may hold a path or a value, so only its place is told.
			$place = get_class( $fault ) . ' at ' . basename( $fault->getFile() ) . ':' . $fault->getLine();
			$fault = new Custom_Migrator_Error( 'agent_failed', 'The agent failed (' . $place . ').', 500, null, $fault );
		}
		$head = array(
			'ok'      => false,
			'code'    => $fault->error_code(),
			'message' => $fault->getMessage(),
		);
		if ( null !== $fault->retry_after() ) {
			$head['retry_after'] = $fault->retry_after();
		}
		Custom_Migrator_Frame::send( $request, $fault->status(), $head );
	}
}
