<?php
/**
 * Opening SQLite files.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * One way to open a SQLite file, on every PHP from 7.4 to 8.5.
 */
class Custom_Migrator_Import_Sqlite {

	/**
	 * @return PDO With exceptions, a rollback journal (so that the file alone is the database once it is closed), and the
	 *             functions `custom_migrator_double(text)` and `custom_migrator_hex(real)`, which keep every bit of a double
	 *             where PDO would go through a decimal text.
	 */
	public static function open( string $path ): PDO {
		$class = class_exists( 'Pdo\Sqlite' ) ? 'Pdo\Sqlite' : 'PDO';
		$pdo   = new $class( 'sqlite:' . $path );
		self::prepare( $pdo );
		return $pdo;
	}

	public static function prepare( PDO $pdo ): void {
		$pdo->setAttribute( PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION );
		$pdo->setAttribute( PDO::ATTR_TIMEOUT, 10 );
		// A killed process loses nothing: the journal is replayed. Only a power cut could, and then the whole slot is gone.
		$pdo->exec( 'PRAGMA journal_mode = TRUNCATE' );
		$pdo->exec( 'PRAGMA synchronous = OFF' );
		$pdo->exec( 'PRAGMA foreign_keys = OFF' );
		$pdo->exec( 'PRAGMA trusted_schema = ON' );
		self::define( $pdo, 'custom_migrator_double', array( __CLASS__, 'to_double' ) );
		self::define( $pdo, 'custom_migrator_hex', array( __CLASS__, 'to_hex' ) );
	}

	/**
	 * @param mixed $text A number as text, or null.
	 */
	public static function to_double( $text ): ?float {
		return null === $text ? null : self::without_negative_zero( (float) $text );
	}

	/**
	 * @param mixed $value A double, or null.
	 */
	public static function to_hex( $value ): ?string {
		return null === $value ? null : bin2hex( pack( 'E', self::without_negative_zero( (float) $value ) ) );
	}

	/** SQLite does not keep the sign of a zero. (Adding 0.0 would do, but for PHP 8.5's optimizer.) */
	private static function without_negative_zero( float $number ): float {
		return 0.0 === $number ? 0.0 : $number;
	}

	public static function quote( string $name ): string {
		return '"' . str_replace( '"', '""', $name ) . '"';
	}

	private static function define( PDO $pdo, string $name, callable $function ): void {
		if ( method_exists( $pdo, 'createFunction' ) ) {
			$pdo->createFunction( $name, $function, 1 );
		} else {
			$pdo->sqliteCreateFunction( $name, $function, 1 );
		}
	}
}
