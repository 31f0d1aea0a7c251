<?php
/**
 * The function wp_mail(), which sends nothing.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/**
 * Takes a mail as WordPress's own function does, filters included, records it and says that it was sent.
 *
 * @param string|string[] $to          Recipients.
 * @param string          $subject     Subject.
 * @param string          $message     Text.
 * @param string|string[] $headers     Headers.
 * @param string|string[] $attachments Files.
 * @param string|string[] $embeds      Embedded files (WordPress 6.9 and later).
 */
function wp_mail( $to, $subject, $message, $headers = '', $attachments = array(), $embeds = array() ) { // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals
	$atts = apply_filters( 'wp_mail', compact( 'to', 'subject', 'message', 'headers', 'attachments', 'embeds' ) );
	$done = apply_filters( 'pre_wp_mail', null, $atts );
	if ( null === $done ) {
		// Somebody removed our filter.
		Clone_Guard_Mail::record( is_array( $atts ) ? $atts : array() );
		$done = true;
	}
	if ( $done ) {
		do_action( 'wp_mail_succeeded', is_array( $atts ) ? $atts : array() );
	}
	return (bool) $done;
}
