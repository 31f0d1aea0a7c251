<?php
/**
 * Mail.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/**
 * Records mail instead of sending it. The function wp_mail() itself is ours (must-use plugins come before those that
 * define it, and before WordPress's own, both of which stand back), so it does not matter which mail plugin the site has.
 */
final class Clone_Guard_Mail {

	/** @var Clone_Guard_Outbox */
	private static $outbox = null;

	public function __construct( Clone_Guard_Outbox $outbox ) {
		self::$outbox = $outbox;
	}

	public function register(): void {
		if ( ! function_exists( 'wp_mail' ) ) {
			require_once __DIR__ . '/wp-mail.php';
		}
		// For a wp_mail() that was defined before us after all.
		add_filter( 'pre_wp_mail', array( __CLASS__, 'instead' ), PHP_INT_MAX, 2 );
		add_action( 'phpmailer_init', array( __CLASS__, 'disarm' ), PHP_INT_MAX );
	}

	/**
	 * @param mixed $answer Null, or what another filter answered.
	 * @param array $atts   `{to, subject, …}`.
	 */
	public static function instead( $answer, $atts ): bool {
		if ( null !== $answer ) {
			return (bool) $answer;
		}
		self::record( is_array( $atts ) ? $atts : array() );
		return true;
	}

	/**
	 * @param object $mailer PHPMailer, about to send.
	 */
	public static function disarm( $mailer ): void {
		if ( ! is_object( $mailer ) || ! method_exists( $mailer, 'clearAllRecipients' ) ) {
			return;
		}
		self::record(
			array(
				'to'      => method_exists( $mailer, 'getToAddresses' ) ? array_column( $mailer->getToAddresses(), 0 ) : '',
				'subject' => isset( $mailer->Subject ) ? $mailer->Subject : '', // phpcs:ignore WordPress.NamingConventions
			)
		);
		$mailer->clearAllRecipients();
	}

	public static function record( array $atts ): void {
		$to = isset( $atts['to'] ) ? $atts['to'] : '';
		self::$outbox->add(
			'mail',
			array(
				'to'      => is_array( $to ) ? implode( ', ', array_filter( $to, 'is_string' ) ) : (string) $to,
				'subject' => isset( $atts['subject'] ) && is_string( $atts['subject'] ) ? $atts['subject'] : '',
			)
		);
	}
}
