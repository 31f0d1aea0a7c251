<?php
/**
 * What would have left the clone.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** Appends one JSON object a line to outbox.jsonl, outside the document root. Never an argument, a body or a query: they hold secrets. */
final class Clone_Guard_Outbox {

	/** A runaway plugin must not fill the disk. */
	const BYTES_MAX = 5242880;

	/** @var string */
	private $path;

	public function __construct( string $path ) {
		$this->path = $path;
	}

	/**
	 * @param string $kind   mail, http or cron.
	 * @param array  $fields `to`, and `subject` or `url`.
	 */
	public function add( string $kind, array $fields ): void {
		$item = array(
			'time' => gmdate( 'Y-m-d\TH:i:s\Z' ),
			'kind' => $kind,
		);
		foreach ( $fields as $name => $value ) {
			$item[ $name ] = substr( (string) $value, 0, 1000 );
		}
		$line = json_encode( $item, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE );
		clearstatcache( true, $this->path );
		if ( false === $line || ( is_file( $this->path ) && filesize( $this->path ) > self::BYTES_MAX ) ) {
			return;
		}
		if ( false === file_put_contents( $this->path, $line . "\n", FILE_APPEND | LOCK_EX ) ) {
			error_log( 'clone-guard: the outbox could not be written' ); // phpcs:ignore WordPress.PHP.DevelopmentFunctions
		}
	}
}
