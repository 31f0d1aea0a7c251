<?php
/**
 * Scheduled jobs.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** No event of the site's schedule runs; what was due is listed. The schedule itself is left as it is. */
final class Clone_Guard_Cron {

	/** Seconds between two looks at what is due. */
	const LOOK_EVERY = 60;

	/** Remembered events; older ones are forgotten. */
	const SEEN_MAX = 500;

	/** @var Clone_Guard_Outbox */
	private $outbox;

	/** @var string */
	private $seen_file;

	public function __construct( Clone_Guard_Outbox $outbox, string $seen_file ) {
		$this->outbox    = $outbox;
		$this->seen_file = $seen_file;
	}

	public function register(): void {
		$script = isset( $_SERVER['SCRIPT_NAME'] ) ? (string) $_SERVER['SCRIPT_NAME'] : '';
		if ( 'wp-cron.php' === basename( $script ) ) {
			Clone_Guard_Page::send( 403, 'No scheduled jobs here', 'This is a temporary copy of a site.' );
		}
		foreach ( array( 'DISABLE_WP_CRON' => true, 'ALTERNATE_WP_CRON' => false ) as $name => $value ) {
			if ( ! defined( $name ) ) {
				define( $name, $value );
			}
		}
		add_filter( 'pre_get_ready_cron_jobs', array( $this, 'none' ), PHP_INT_MAX );
		add_filter( 'automatic_updater_disabled', '__return_true', PHP_INT_MAX );
		add_filter( 'action_scheduler_allow_async_request_runner', '__return_false', PHP_INT_MAX );
		add_filter( 'action_scheduler_queue_runner_concurrent_batches', '__return_zero', PHP_INT_MAX );
		add_filter( 'action_scheduler_queue_runner_batch_size', '__return_zero', PHP_INT_MAX );
		add_action( 'shutdown', array( $this, 'list_due' ) );
	}

	public function none(): array {
		return array();
	}

	/** Puts events that have come due since the last look into the outbox, each once. */
	public function list_due(): void {
		if ( ! function_exists( '_get_cron_array' ) ) {
			return;
		}
		$cron  = _get_cron_array();
		$cron  = is_array( $cron ) ? $cron : array();
		$state = md5( (string) json_encode( $cron ) );
		clearstatcache( true, $this->seen_file );
		$fresh = is_file( $this->seen_file ) && time() - filemtime( $this->seen_file ) < self::LOOK_EVERY;
		$last  = is_file( $this->seen_file ) ? json_decode( (string) file_get_contents( $this->seen_file ), true ) : null;
		if ( $fresh && isset( $last['schedule'] ) && $last['schedule'] === $state ) {
			return;
		}
		$seen = isset( $last['seen'] ) && is_array( $last['seen'] ) ? $last['seen'] : array();
		foreach ( $cron as $time => $hooks ) {
			if ( ! is_numeric( $time ) || $time > time() || ! is_array( $hooks ) ) {
				continue;
			}
			foreach ( array_keys( $hooks ) as $hook ) {
				$event = $time . ' ' . $hook;
				if ( ! in_array( $event, $seen, true ) ) {
					$seen[] = $event;
					$this->outbox->add( 'cron', array( 'to' => $hook ) );
				}
			}
		}
		$next = array(
			'schedule' => $state,
			'seen'     => array_slice( $seen, -self::SEEN_MAX ),
		);
		file_put_contents( $this->seen_file, (string) json_encode( $next ), LOCK_EX );
	}
}
