<?php
/**
 * What clone.json says.
 *
 * @package Clone_Guard
 * @license GPL-2.0-or-later
 */

/** The members of clone.json that the guard needs, each of the right type. Read anew in each request. */
final class Clone_Guard_Config {

	/** @var array */
	private $clone;

	private function __construct( array $clone ) {
		$this->clone = $clone;
	}

	/** @return self|null Null when there is no readable clone.json. */
	public static function load( string $dir ): ?self {
		$text  = is_readable( $dir . '/clone.json' ) ? file_get_contents( $dir . '/clone.json' ) : false;
		$clone = false === $text ? null : json_decode( $text, true );
		return is_array( $clone ) ? new self( $clone ) : null;
	}

	/** Unix seconds; null while nobody has said. */
	public function expires_at(): ?int {
		return isset( $this->clone['expires_at'] ) && is_int( $this->clone['expires_at'] ) ? $this->clone['expires_at'] : null;
	}

	/** From the very second on. */
	public function expired(): bool {
		return null !== $this->expires_at() && time() >= $this->expires_at();
	}

	/** Anything but an explicit "public" is closed. */
	public function is_public(): bool {
		return isset( $this->clone['access'] ) && 'public' === $this->clone['access'];
	}

	/** The clone's own address, no trailing slash; empty when unknown. */
	public function url(): string {
		return $this->text( 'url' );
	}

	public function source_url(): string {
		return $this->text( 'source_url' );
	}

	public function admin_user(): string {
		return $this->text( 'admin_user' );
	}

	/** @return string[] Lower-case host names; `*.example.com` stands for every host below it. */
	public function allow_hosts(): array {
		$hosts = isset( $this->clone['allow_hosts'] ) && is_array( $this->clone['allow_hosts'] ) ? $this->clone['allow_hosts'] : array();
		return array_map( 'strtolower', array_filter( $hosts, 'is_string' ) );
	}

	private function text( string $name ): string {
		return isset( $this->clone[ $name ] ) && is_string( $this->clone[ $name ] ) ? rtrim( $this->clone[ $name ], '/' ) : '';
	}
}
