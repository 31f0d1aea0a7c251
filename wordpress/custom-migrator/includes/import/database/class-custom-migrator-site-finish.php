<?php
/**
 * Makes the staged database the clone's own.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Addresses, search engines, and the clone's own administrator. These are the only rows of a clone that no row of the
 * source became; they are written after the read-back. Idempotent.
 */
class Custom_Migrator_Site_Finish {

	/** Marks the clone's own account, so that no restore carries it back. */
	const MARK = 'clone_guard_admin';

	/** @var Custom_Migrator_Staging_Database */
	private $database;

	/** @var PDO */
	private $pdo;

	/** @var string */
	private $prefix;

	/** @var string */
	private $wp_version;

	/**
	 * @param Custom_Migrator_Staging_Database $database   The staged database.
	 * @param string                           $prefix     Of its tables.
	 * @param string                           $wp_version The WordPress that will run on it.
	 */
	public function __construct( Custom_Migrator_Staging_Database $database, string $prefix, string $wp_version ) {
		$this->database   = $database;
		$this->pdo        = $database->pdo();
		$this->prefix     = $prefix;
		$this->wp_version = $wp_version;
	}

	/** Tables without which WordPress would offer its installer to any visitor. */
	public function missing_tables(): array {
		$missing = array();
		foreach ( array( 'options', 'users', 'usermeta', 'posts' ) as $name ) {
			if ( ! $this->database->has_table( $this->prefix . $name ) ) {
				$missing[] = $this->prefix . $name;
			}
		}
		return $missing;
	}

	/**
	 * @param string $url   The clone's address, no trailing slash.
	 * @param array  $admin `{username, password, email}`.
	 * @return array{username:string} The account's name, another when the site had that one.
	 */
	public function run( string $url, array $admin ): array {
		$username = '';
		$this->database->lax(
			function () use ( $url, $admin, &$username ): void {
				$this->pdo->beginTransaction();
				try {
					$this->option( 'siteurl', $url );
					$this->option( 'home', $url );
					$this->option( 'blog_public', '0' );
					$username = $this->administrator( $admin );
					$this->pdo->commit();
				} catch ( Throwable $error ) {
					$this->pdo->rollBack();
					throw $error;
				}
			}
		);
		return array( 'username' => $username );
	}

	private function option( string $name, string $value ): void {
		$table  = $this->database->quoted( $this->prefix . 'options' );
		$update = $this->pdo->prepare( "UPDATE $table SET option_value = ? WHERE option_name = ?" );
		$update->execute( array( $value, $name ) );
		if ( 0 === $update->rowCount() ) {
			$this->pdo->prepare( "INSERT INTO $table (option_name, option_value, autoload) VALUES (?, ?, 'yes')" )->execute( array( $name, $value ) );
		}
	}

	private function administrator( array $admin ): string {
		$users    = $this->database->quoted( $this->prefix . 'users' );
		$usermeta = $this->database->quoted( $this->prefix . 'usermeta' );
		$earlier  = $this->pdo->query( "SELECT user_id FROM $usermeta WHERE meta_key = '" . self::MARK . "' AND meta_value = '1'" )->fetchAll( PDO::FETCH_COLUMN );
		foreach ( $earlier as $id ) {
			$this->pdo->prepare( "DELETE FROM $users WHERE ID = ?" )->execute( array( $id ) );
			$this->pdo->prepare( "DELETE FROM $usermeta WHERE user_id = ?" )->execute( array( $id ) );
		}

		$username = $this->free( 'user_login', $admin['username'], '-%d' );
		$email    = isset( $admin['email'] ) && is_string( $admin['email'] ) && '' !== $admin['email'] ? $admin['email'] : 'clone-admin@example.invalid';
		$values   = array(
			'user_login'          => $username,
			'user_pass'           => $this->hash( $admin['password'] ),
			'user_nicename'       => $this->free( 'user_nicename', strtolower( preg_replace( '/[^A-Za-z0-9-]+/', '-', $username ) ), '-%d' ),
			'user_email'          => $this->free( 'user_email', $email, '+%d' ),
			'user_url'            => '',
			'user_registered'     => gmdate( 'Y-m-d H:i:s' ),
			'user_activation_key' => '',
			'user_status'         => '0',
			'display_name'        => $username,
		);
		$names    = implode( ', ', array_map( array( 'Custom_Migrator_Ddl', 'quote' ), array_keys( $values ) ) );
		$this->pdo->prepare( "INSERT INTO $users ($names) VALUES (" . implode( ', ', array_fill( 0, count( $values ), '?' ) ) . ')' )->execute( array_values( $values ) );
		$id   = (int) $this->pdo->lastInsertId();
		$meta = array(
			$this->prefix . 'capabilities' => 'a:1:{s:13:"administrator";b:1;}',
			$this->prefix . 'user_level'   => '10',
			'nickname'                     => $username,
			'show_admin_bar_front'         => 'true',
			self::MARK                     => '1',
		);
		$add  = $this->pdo->prepare( "INSERT INTO $usermeta (user_id, meta_key, meta_value) VALUES (?, ?, ?)" );
		foreach ( $meta as $key => $value ) {
			$add->execute( array( $id, $key, $value ) );
		}
		return $username;
	}

	/**
	 * As the site's own WordPress would hash it: one of another form is hashed anew at the first login, which ends all
	 * sessions. Before 6.8 that is phpass, which checks a plain bcrypt hash too; since then bcrypt over an HMAC.
	 */
	private function hash( string $password ): string {
		if ( version_compare( $this->wp_version, '6.8-alpha', '<' ) ) {
			return password_hash( $password, PASSWORD_BCRYPT );
		}
		return '$wp' . password_hash( base64_encode( hash_hmac( 'sha384', trim( $password ), 'wp-sha384', true ) ), PASSWORD_BCRYPT );
	}

	/** A value that no user has yet in a column, numbered if need be. */
	private function free( string $column, string $wanted, string $suffix ): string {
		$query = $this->pdo->prepare( 'SELECT COUNT(*) FROM ' . $this->database->quoted( $this->prefix . 'users' ) . " WHERE $column = ?" );
		for ( $number = 1; ; $number++ ) {
			$value = $wanted;
			if ( $number > 1 ) {
				$at    = strpos( $wanted, '@' );
				$value = false === $at ? $wanted . sprintf( $suffix, $number ) : substr( $wanted, 0, $at ) . sprintf( $suffix, $number ) . substr( $wanted, $at );
			}
			$query->execute( array( $value ) );
			if ( 0 === (int) $query->fetchColumn() ) {
				$query->closeCursor();
				return $value;
			}
		}
	}
}
