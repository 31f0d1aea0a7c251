<?php
/**
 * Used nonces of a clone.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A folder beside the document root, one empty folder a nonce. Making a folder is atomic on every file system that a
 * clone may have, also through Playground's, where exclusive creation of files is not.
 */
final class Custom_Migrator_Nonce_Folder {
	/** @var string */
	private $dir;

	/** @param string $clone_dir CLONE_DIR. */
	public function __construct( string $clone_dir ) {
		$this->dir = $clone_dir . '/nonces';
	}

	/**
	 * @param string $nonce 32 hex digits.
	 * @param int    $now   Unix seconds.
	 * @return bool False when it was used before.
	 */
	public function use_once( string $nonce, int $now ): bool {
		$this->prune( $now );
		if ( @mkdir( $this->dir . '/' . $nonce, 0700, true ) ) { // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Looked at below.
			return true;
		}
		if ( is_dir( $this->dir . '/' . $nonce ) ) {
			return false;
		}
		throw new Custom_Migrator_Error( 'nonce_store_failed', 'The clone\'s folder of used nonces cannot be written; try again.', 503, 5 );
	}

	private function prune( int $now ): void {
		$names = is_dir( $this->dir ) ? scandir( $this->dir ) : array();
		foreach ( $names ? $names : array() as $name ) {
			if ( 1 === preg_match( '/\A[0-9a-f]{32}\z/', $name ) ) {
				$made = @filemtime( $this->dir . '/' . $name ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- Another request may prune too.
				if ( false !== $made && $made + Custom_Migrator_Nonce_Table::KEEP < $now ) {
					@rmdir( $this->dir . '/' . $name ); // phpcs:ignore WordPress.PHP.NoSilencedErrors -- As above.
				}
			}
		}
	}
}
