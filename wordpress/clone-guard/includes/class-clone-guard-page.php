<?php
/**
 * Short answers that end a request.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** Sends a page (or JSON, where JSON is expected) and ends. Needs nothing of WordPress. */
final class Clone_Guard_Page {

	/**
	 * @param int    $status HTTP status.
	 * @param string $title  Plain text.
	 * @param string $text   Plain text.
	 * @param bool   $json   Whether the caller is a program.
	 */
	public static function send( int $status, string $title, string $text, bool $json = false ): void {
		if ( ! headers_sent() ) {
			http_response_code( $status );
			header( 'Cache-Control: no-store' );
			header( 'X-Robots-Tag: noindex, nofollow, noarchive' );
			header( 'Content-Type: ' . ( $json ? 'application/json' : 'text/html' ) . '; charset=UTF-8' );
			if ( 503 === $status ) {
				header( 'Retry-After: 5' );
			}
		}
		if ( $json ) {
			echo json_encode(
				array(
					'code'    => 'clone_guard_' . $status,
					'message' => $title . '. ' . $text,
					'data'    => array( 'status' => $status ),
				)
			);
			exit;
		}
		$title = htmlspecialchars( $title, ENT_QUOTES, 'UTF-8' );
		$text  = htmlspecialchars( $text, ENT_QUOTES, 'UTF-8' );
		echo '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="robots" content="noindex,nofollow">',
			'<meta name="viewport" content="width=device-width,initial-scale=1"><title>', $title, '</title></head>',
			'<body style="font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;padding:0 1em"><h1>', $title, '</h1><p>', $text, '</p></body></html>';
		exit;
	}
}
