<?php
/**
 * Loads the clone role's classes, and nothing else: no side effect, no WordPress needed.
 *
 * Classes are loaded when they are first used: a status call needs three of them, a step nearly all.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

spl_autoload_register(
	static function ( string $name ): void {
		if ( 0 !== strpos( $name, 'Custom_Migrator_' ) ) {
			return;
		}
		$file = strtolower( str_replace( '_', '-', $name ) ) . '.php';
		foreach ( array( '/class-', '/database/class-', '/database/sqlite/class-', '/database/mysql/class-', '/files/class-', '/transport/class-', '/transport/interface-', '/../class-' ) as $kind ) {
			if ( is_file( __DIR__ . $kind . $file ) ) {
				require_once __DIR__ . $kind . $file;
				return;
			}
		}
	}
);
