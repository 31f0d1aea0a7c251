<?php
/**
 * Takes SQL text apart without being fooled by quotes.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Just enough of MySQL's lexical rules for `SHOW CREATE TABLE`.
 */
class Custom_Migrator_Sql_Text {

	/** One lexical unit that may hide commas and parentheses. */
	const QUOTED = '/\G(?:`(?:[^`]|``)*`|\'(?:[^\'\\\\]|\\\\.|\'\')*\'|"(?:[^"\\\\]|\\\\.|"")*")/s';

	/**
	 * @return array{0:string[],1:string} The elements between the outer parentheses, and what follows them.
	 */
	public static function split_create_table( string $ddl ): array {
		$ddl = self::without_comments( $ddl );
		if ( ! preg_match( '/^\s*CREATE\s+(?:TEMPORARY\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?`(?:[^`]|``)+`\s*(?=\()/i', $ddl, $match ) ) {
			return array( array(), '' );
		}
		$rest  = substr( $ddl, strlen( $match[0] ) );
		$inner = self::parenthesised( $rest );
		if ( null === $inner ) {
			return array( array(), '' );
		}
		return array( self::split( $inner ), substr( $rest, strlen( $inner ) + 2 ) );
	}

	/**
	 * What is between the parenthesis that the text starts with and its counterpart; null when there is none.
	 */
	public static function parenthesised( string $text ): ?string {
		$depth = 0;
		for ( $at = 0, $length = strlen( $text ); $at < $length; ) {
			if ( preg_match( self::QUOTED, $text, $match, 0, $at ) ) {
				$at += strlen( $match[0] );
				continue;
			}
			if ( '(' === $text[ $at ] ) {
				++$depth;
			} elseif ( ')' === $text[ $at ] && 0 === --$depth ) {
				return substr( $text, 1, $at - 1 );
			}
			++$at;
			if ( 0 === $depth ) {
				return null;
			}
		}
		return null;
	}

	/**
	 * @return string[] The parts between commas that are in no parentheses and no quotes, trimmed.
	 */
	public static function split( string $text ): array {
		$parts = array();
		$depth = 0;
		$from  = 0;
		for ( $at = 0, $length = strlen( $text ); $at < $length; ) {
			if ( preg_match( self::QUOTED, $text, $match, 0, $at ) ) {
				$at += strlen( $match[0] );
				continue;
			}
			$char = $text[ $at ];
			if ( '(' === $char ) {
				++$depth;
			} elseif ( ')' === $char ) {
				--$depth;
			} elseif ( ',' === $char && 0 === $depth ) {
				$parts[] = trim( substr( $text, $from, $at - $from ) );
				$from    = $at + 1;
			}
			++$at;
		}
		$last = trim( substr( $text, $from ) );
		if ( '' !== $last ) {
			$parts[] = $last;
		}
		return $parts;
	}

	/**
	 * Replaces each quoted string by `?n?`. A question mark cannot stand outside quotes in MySQL's DDL.
	 *
	 * @return array{0:string,1:string[]} The text, and the strings' values.
	 */
	public static function mask( string $text ): array {
		$strings = array();
		$masked  = preg_replace_callback(
			'/\'(?:[^\'\\\\]|\\\\.|\'\')*\'|"(?:[^"\\\\]|\\\\.|"")*"/s',
			static function ( array $match ) use ( &$strings ): string {
				$quote     = $match[0][0];
				$inner     = str_replace( $quote . $quote, $quote, substr( $match[0], 1, -1 ) );
				$strings[] = preg_replace_callback(
					'/\\\\(.)/s',
					static function ( array $escape ): string {
						$map = array(
							'0' => "\0",
							'n' => "\n",
							'r' => "\r",
							't' => "\t",
							'b' => "\x08",
							'Z' => "\x1a",
						);
						return isset( $map[ $escape[1] ] ) ? $map[ $escape[1] ] : $escape[1];
					},
					$inner
				);
				return '?' . ( count( $strings ) - 1 ) . '?';
			},
			$text
		);
		return array( (string) $masked, $strings );
	}

	/** A MySQL string literal. */
	public static function literal( string $value ): string {
		return "'" . str_replace( array( '\\', "'", "\0" ), array( '\\\\', "''", '\\0' ), $value ) . "'";
	}

	/** Without comments (also MySQL's version comments), those inside quotes kept. */
	private static function without_comments( string $text ): string {
		$clean = '';
		for ( $at = 0, $length = strlen( $text ); $at < $length; ) {
			if ( preg_match( self::QUOTED, $text, $match, 0, $at ) ) {
				$clean .= $match[0];
				$at    += strlen( $match[0] );
				continue;
			}
			if ( '/' === $text[ $at ] && '/*' === substr( $text, $at, 2 ) ) {
				$end = strpos( $text, '*/', $at + 2 );
				$at  = false === $end ? $length : $end + 2;
				continue;
			}
			$clean .= $text[ $at ];
			++$at;
		}
		return $clean;
	}
}
