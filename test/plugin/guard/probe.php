<?php
/**
 * Plugin Name: Clone Probe
 *
 * Tries to leave the clone in every way a plugin has, and says how it went. For tests.
 *
 * @package Clone_Probe
 */

if ( ! function_exists( 'wp_mail' ) ) {
	/** What an SMTP plugin does: brings its own wp_mail(). */
	function wp_mail( $to ) {
		file_put_contents( WP_CONTENT_DIR . '/mail-left.txt', $to );
		return true;
	}
}

add_action(
	'probe_event',
	static function () {
		file_put_contents( WP_CONTENT_DIR . '/cron-ran.txt', 'ran' );
	}
);
// The clone has no TLS here, without which WordPress offers no application passwords.
add_filter( 'wp_is_application_passwords_available', '__return_true' );

register_activation_hook(
	__FILE__,
	static function () {
		wp_schedule_event( time() - 3600, 'hourly', 'probe_event' );
		wp_insert_post(
			array(
				'post_title'  => 'Hello world',
				'post_status' => 'publish',
			)
		);
	}
);

add_action(
	'wp_ajax_nopriv_probe',
	static function () {
		wp_die( 'probe-open' );
	}
);

add_action(
	'init',
	static function () {
		$probe = isset( $_GET['probe'] ) ? (string) $_GET['probe'] : '';
		$url   = isset( $_GET['url'] ) ? (string) $_GET['url'] : '';
		if ( '' === $probe ) {
			return;
		}
		$answer = null;
		if ( 'mail' === $probe ) {
			$answer = wp_mail( 'victim@example.com', 'Your order', 'secret text' );
		} elseif ( 'mail-filtered' === $probe ) {
			remove_all_filters( 'pre_wp_mail' );
			$answer = wp_mail( array( 'other@example.com' ), 'Second', 'secret text' );
		} elseif ( 'phpmailer' === $probe ) {
			require_once ABSPATH . WPINC . '/PHPMailer/PHPMailer.php';
			require_once ABSPATH . WPINC . '/PHPMailer/Exception.php';
			$mailer = new PHPMailer\PHPMailer\PHPMailer( true );
			$mailer->addAddress( 'third@example.com' );
			$mailer->Subject = 'Third';
			do_action_ref_array( 'phpmailer_init', array( &$mailer ) );
			$answer = count( $mailer->getAllRecipientAddresses() );
		} elseif ( 'http' === $probe ) {
			$response = wp_remote_get( $url, array( 'timeout' => 20 ) );
			$answer   = is_wp_error( $response ) ? $response->get_error_code() : wp_remote_retrieve_response_code( $response );
		} elseif ( 'allowed' === $probe ) {
			// Asks the filter only: the test goes nowhere.
			$answer = false === apply_filters( 'pre_http_request', false, array( 'method' => 'POST' ), $url );
		} elseif ( 'cron' === $probe ) {
			spawn_cron();
			wp_cron();
			$answer = array( count( wp_get_ready_cron_jobs() ), (bool) wp_next_scheduled( 'probe_event' ), apply_filters( 'action_scheduler_queue_runner_concurrent_batches', 5 ), apply_filters( 'action_scheduler_allow_async_request_runner', true ) );
		} elseif ( 'public' === $probe ) {
			$answer = get_option( 'blog_public' );
		}
		wp_send_json( array( 'probe' => $answer ) );
	}
);
