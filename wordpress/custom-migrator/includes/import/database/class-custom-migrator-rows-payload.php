<?php
/**
 * Reads the payload of a `rows` answer.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Row by row, so that never more than one row is decoded at a time.
 */
class Custom_Migrator_Rows_Payload {

	/**
	 * @param string $payload The payload.
	 * @param int    $columns How many columns each row must have.
	 * @return Generator Yields arrays of: null, a string, or an int (bytes of a value that is fetched with `value`).
	 * @throws Custom_Migrator_Import_Error `bad_answer` when it is not what the protocol says.
	 */
	public static function rows( string $payload, int $columns ): Generator {
		$at  = 0;
		$end = strlen( $payload );
		while ( $at < $end ) {
			if ( $at + 2 > $end || unpack( 'v', $payload, $at )[1] !== $columns ) {
				throw self::bad();
			}
			$at += 2;
			$row = array();
			for ( $i = 0; $i < $columns; $i++ ) {
				$tag = $at < $end ? $payload[ $at ] : '';
				++$at;
				if ( 'N' === $tag ) {
					$row[] = null;
				} elseif ( 'S' === $tag && $at + 4 <= $end ) {
					$length = unpack( 'V', $payload, $at )[1];
					$at    += 4;
					if ( $at + $length > $end ) {
						throw self::bad();
					}
					$row[] = $length > 0 ? substr( $payload, $at, $length ) : '';
					$at   += $length;
				} elseif ( 'L' === $tag && $at + 8 <= $end ) {
					$length = unpack( 'P', $payload, $at )[1];
					$at    += 8;
					if ( $length < 0 ) {
						throw self::bad();
					}
					$row[] = 0 === $length ? '' : $length;
				} else {
					throw self::bad();
				}
			}
			yield $row;
		}
	}

	private static function bad(): Custom_Migrator_Import_Error {
		return Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source sent rows in a form that is not the protocol\'s.' );
	}
}
