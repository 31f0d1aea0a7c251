<?php
/**
 * Reading a verb's arguments.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Typed access to the JSON arguments of a call. Every fault is `bad_arguments`. */
final class Custom_Migrator_Arguments {
	/** A payload's size unless the caller asks for less. */
	const MAX_BYTES = 4194304;

	/** The least a caller can ask for. */
	const MIN_BYTES = 65536;

	public static function text( array $args, string $name ): string {
		if ( ! isset( $args[ $name ] ) || ! is_string( $args[ $name ] ) ) {
			throw self::bad( $name . ' must be a string' );
		}
		return $args[ $name ];
	}

	/**
	 * @param array    $args     Arguments.
	 * @param string   $name     Which.
	 * @param int|null $fallback When absent; null: it must be there.
	 */
	public static function count( array $args, string $name, ?int $fallback = null ): int {
		if ( ! isset( $args[ $name ] ) && null !== $fallback ) {
			return $fallback;
		}
		if ( ! isset( $args[ $name ] ) || ! is_int( $args[ $name ] ) || $args[ $name ] < 0 ) {
			throw self::bad( $name . ' must be a whole number, zero or more' );
		}
		return $args[ $name ];
	}

	/** `max_bytes`, within what a request may carry. */
	public static function max_bytes( array $args ): int {
		return max( self::MIN_BYTES, min( self::MAX_BYTES, self::count( $args, 'max_bytes', self::MAX_BYTES ) ) );
	}

	/**
	 * Bytes out of JSON: a string, or `{"b": base64}` for what is not UTF-8.
	 *
	 * @param mixed  $value As decoded.
	 * @param string $name  For the message.
	 */
	public static function bytes( $value, string $name ): string {
		if ( is_string( $value ) ) {
			return $value;
		}
		if ( is_int( $value ) ) {
			return (string) $value;
		}
		if ( is_array( $value ) && isset( $value['b'] ) && is_string( $value['b'] ) && 1 === count( $value ) ) {
			$bytes = base64_decode( $value['b'], true );
			if ( false !== $bytes ) {
				return $bytes;
			}
		}
		throw self::bad( $name . ' must be a string or {"b": base64}' );
	}

	/**
	 * The other way round.
	 *
	 * @return string|array
	 */
	public static function json_bytes( string $bytes ) {
		return 1 === preg_match( '//u', $bytes ) ? $bytes : array( 'b' => base64_encode( $bytes ) );
	}

	public static function bad( string $what ): Custom_Migrator_Error {
		return new Custom_Migrator_Error( 'bad_arguments', 'Bad arguments: ' . $what . '.', 400 );
	}
}
