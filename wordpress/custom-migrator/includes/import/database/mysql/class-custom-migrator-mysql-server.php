<?php
/**
 * A MySQL or MariaDB server that an import lands in.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Connecting to it, what it has and what it lacks. What it lacks and something stands in for is named in `stand_ins()`.
 */
class Custom_Migrator_Mysql_Server {

	/**
	 * Ends of a connection, and doors that open again: no server (2002, 2003, 2005), gone (2006, 2013, 1053, 1927, 4031), full
	 * (1040, 1203, 1226), and a password or database that the service is just setting anew (1044, 1045, 1049).
	 */
	const AWAY = array( 2002, 2003, 2005, 2006, 2013, 1053, 1927, 4031, 1040, 1203, 1226, 1044, 1045, 1049 );

	/** No space: 1021, 1114; 1030 and 3 are errors of its storage. */
	const FULL = array( 3, 1021, 1030, 1114 );

	/** The session's mode: values that do not fit are refused, and dates that are none are not. */
	const STRICT = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION';
	const LAX    = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_ENGINE_SUBSTITUTION';

	/** @var PDO */
	private $pdo;

	/** @var bool */
	private $is_mariadb;

	/** @var bool */
	private $folds_case;

	/** @var int */
	private $max_packet;

	/** @var array<string,string> Collation to character set. */
	private $collations = array();

	/** @var array<string,string> What was wanted to what stands in. */
	private $stand_ins = array();

	public function __construct( PDO $pdo ) {
		$this->pdo = $pdo;
		list( $version, $comment, $fold, $packet ) = $pdo->query( 'SELECT VERSION(), @@version_comment, @@lower_case_table_names, @@max_allowed_packet' )->fetch( PDO::FETCH_NUM );

		$this->is_mariadb = false !== stripos( $version . $comment, 'mariadb' );
		$this->folds_case = 0 !== (int) $fold;
		$this->max_packet = (int) $packet;
		foreach ( $pdo->query( 'SELECT * FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY' )->fetchAll( PDO::FETCH_ASSOC ) as $row ) {
			// MariaDB since 10.10 names some collations without their character set.
			$name = isset( $row['FULL_COLLATION_NAME'] ) ? $row['FULL_COLLATION_NAME'] : $row['COLLATION_NAME'];

			$this->collations[ strtolower( (string) $name ) ] = strtolower( (string) $row['CHARACTER_SET_NAME'] );
		}
	}

	/**
	 * @param array $connection `{host, port, name, user, password, tls}`
	 * @throws PDOException When there is no way in; `is_away` tells whether there may be later.
	 */
	public static function connect( array $connection ): PDO {
		$driver  = class_exists( 'Pdo\Mysql' ) ? 'Pdo\Mysql::ATTR_' : 'PDO::MYSQL_ATTR_';
		$options = array(
			PDO::ATTR_ERRMODE                        => PDO::ERRMODE_EXCEPTION,
			PDO::ATTR_EMULATE_PREPARES               => false,
			PDO::ATTR_TIMEOUT                        => 10,
			constant( $driver . 'MULTI_STATEMENTS' ) => false,
			constant( $driver . 'LOCAL_INFILE' )     => false,
			// An UPDATE counts the rows it found, as SQLite does, not those it changed.
			constant( $driver . 'FOUND_ROWS' )       => true,
		);
		if ( $connection['tls'] ) {
			// Naming a cipher list is what makes the driver ask for TLS; whose certificate it is, it has no way to know.
			$options[ constant( $driver . 'SSL_CIPHER' ) ]             = 'DEFAULT';
			$options[ constant( $driver . 'SSL_VERIFY_SERVER_CERT' ) ] = false;
		}
		$pdo = new PDO(
			sprintf( 'mysql:host=%s;port=%d;dbname=%s;charset=utf8mb4', $connection['host'], $connection['port'], $connection['name'] ),
			$connection['user'],
			$connection['password'],
			$options
		);
		$pdo->exec( 'SET SESSION sql_mode = \'' . self::STRICT . '\', foreign_key_checks = 0' );
		return $pdo;
	}

	/** Whether an error says that the server cannot be reached just now. */
	public static function is_away( Throwable $error ): bool {
		return $error instanceof PDOException && in_array( self::number( $error ), self::AWAY, true );
	}

	public static function is_full( Throwable $error ): bool {
		return $error instanceof PDOException && in_array( self::number( $error ), self::FULL, true );
	}

	/** MySQL's own number of an error; 0 when it has none. */
	public static function number( PDOException $error ): int {
		if ( isset( $error->errorInfo[1] ) ) {
			return (int) $error->errorInfo[1];
		}
		// A connection that was never made has no more than its text.
		return preg_match( '/\[(\d{4})\]/', $error->getMessage(), $match ) ? (int) $match[1] : (int) $error->getCode();
	}

	public function is_mariadb(): bool {
		return $this->is_mariadb;
	}

	/** Whether two tables whose names differ in case only are one. */
	public function folds_case(): bool {
		return $this->folds_case;
	}

	/** Bytes of the largest value, and of one statement with all its values. */
	public function max_packet(): int {
		return $this->max_packet;
	}

	/**
	 * Runs something with values and keys cut to what fits, as CREATE TABLE of a server without strict mode does.
	 */
	public function lax( callable $run ): void {
		$this->pdo->exec( 'SET SESSION sql_mode = \'' . self::LAX . '\'' );
		try {
			$run();
		} finally {
			$this->pdo->exec( 'SET SESSION sql_mode = \'' . self::STRICT . '\'' );
		}
	}

	/**
	 * The character set and collation of a text on this server: as wanted where it has them.
	 *
	 * @return string `CHARACTER SET x COLLATE y`, or nothing when neither is wanted.
	 */
	public function text_as( ?string $charset, ?string $collation ): string {
		$charset   = null === $charset ? null : strtolower( $charset );
		$collation = null === $collation ? null : strtolower( $collation );
		if ( null === $charset && null === $collation ) {
			return '';
		}
		if ( null === $charset ) {
			$charset = explode( '_', $collation )[0];
		}
		$has = array_unique( $this->collations );
		if ( ! in_array( $charset, $has, true ) ) {
			// The same set has had two names.
			$other = 'utf8' === $charset ? 'utf8mb3' : ( 'utf8mb3' === $charset ? 'utf8' : '' );
			if ( in_array( $other, $has, true ) ) {
				$collation = null === $collation ? null : preg_replace( '/^' . $charset . '_/', $other . '_', $collation );
				$charset   = $other;
			} else {
				$this->stand_ins[ 'character set ' . $charset ] = 'utf8mb4';
				$collation = null === $collation ? null : preg_replace( '/^[a-z0-9]+_/', 'utf8mb4_', $collation );
				$charset   = 'utf8mb4';
			}
		}
		if ( null === $collation ) {
			return 'CHARACTER SET ' . $charset;
		}
		if ( ! isset( $this->collations[ $collation ] ) ) {
			$found = $this->nearest( $charset, $collation );

			$this->stand_ins[ 'collation ' . $collation ] = $found;
			$collation = $found;
		}
		return 'CHARACTER SET ' . $charset . ' COLLATE ' . $collation;
	}

	/** @return string[] A sentence each. */
	public function stand_ins(): array {
		$sentences = array();
		foreach ( $this->stand_ins as $wanted => $found ) {
			$sentences[] = sprintf( 'The clone\'s database server has no %s; %s stands in.', $wanted, $found );
		}
		return $sentences;
	}

	/** Byte for byte where case or accents told values apart; else what WordPress gives its own tables, so that both can be joined. */
	private function nearest( string $charset, string $collation ): string {
		$wanted = preg_match( '/(_bin|_cs)$/', $collation )
			? array( '_bin' )
			: array( '_unicode_520_ci', '_unicode_ci', '_general_ci' );
		foreach ( $wanted as $suffix ) {
			if ( isset( $this->collations[ $charset . $suffix ] ) ) {
				return $charset . $suffix;
			}
		}
		return (string) array_search( $charset, $this->collations, true );
	}
}
