<?php
/**
 * Writing rows in the protocol's form.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Takes rows one value after another and knows when the payload is full. How large a value may be to travel inline is
 * fixed for a table and a payload's size, so that one row never needs more than about one payload of memory.
 */
final class Custom_Migrator_Row_Writer {
	/** A larger value always travels in slices. */
	const INLINE = 1048576;

	/** A smaller one never does. */
	const INLINE_LEAST = 16384;

	/** @var Custom_Migrator_Payload */
	private $payload;

	/** @var int */
	private $max_bytes;

	/** @var int */
	private $max_rows;

	/** @var int */
	private $rows = 0;

	/** @var int[] Columns of the options table that need a look: `{name, value}`; empty for other tables. */
	private $watched = array();

	/** @var string|null The list of active plugins before we came. */
	private $plugins_before;

	/** @var string */
	private $option_name = '';

	/**
	 * @param array                   $table          Table.
	 * @param Custom_Migrator_Payload $payload        Takes the bytes.
	 * @param int                     $max_bytes      Full from here on.
	 * @param int                     $max_rows       Full from here on.
	 * @param string|null             $plugins_before The option active_plugins before the activation.
	 */
	public function __construct( array $table, Custom_Migrator_Payload $payload, int $max_bytes, int $max_rows, ?string $plugins_before ) {
		$this->payload        = $payload;
		$this->max_bytes      = $max_bytes;
		$this->max_rows       = $max_rows;
		$this->plugins_before = $plugins_before;
		if ( $table['options'] ) {
			foreach ( $table['columns'] as $i => $column ) {
				if ( 'option_name' === $column['name'] || 'option_value' === $column['name'] ) {
					$this->watched[ $column['name'] ] = $i;
				}
			}
		}
	}

	/** Values longer than this travel in slices. */
	public function inline_limit( array $table ): int {
		$large = 0;
		foreach ( $table['columns'] as $column ) {
			$large += self::may_be_large( $column ) ? 1 : 0;
		}
		return max( self::INLINE_LEAST, min( self::INLINE, intdiv( $this->max_bytes, max( 1, $large ) ) ) );
	}

	/** Whether a value of this column can exceed INLINE_LEAST bytes. */
	public static function may_be_large( array $column ): bool {
		if ( ! in_array( $column['kind'], array( 'string', 'binary', 'json' ), true ) ) {
			return false;
		}
		if ( 1 === preg_match( '/\A(?:var)?(?:char|binary)\((\d+)\)/i', $column['type'], $found ) ) {
			return (int) $found[1] * ( 'binary' === $column['kind'] ? 1 : 4 ) > self::INLINE_LEAST;
		}
		return 0 === preg_match( '/\A(tiny(text|blob)|enum|set|date|time|year|uuid|inet)/i', $column['type'] );
	}

	public function bytes_left(): int {
		return $this->max_bytes - $this->payload->raw_bytes();
	}

	public function rows(): int {
		return $this->rows;
	}

	public function full(): bool {
		return $this->rows >= $this->max_rows || $this->bytes_left() <= 0;
	}

	public function rows_left(): int {
		return $this->max_rows - $this->rows;
	}

	/** Begins a row of so many columns. */
	public function begin( int $columns ): void {
		$this->payload->add( pack( 'v', $columns ) );
		$this->option_name = '';
		++$this->rows;
	}

	/**
	 * The row's next value.
	 *
	 * @param int         $column Its place.
	 * @param string|null $value  Bytes.
	 */
	public function value( int $column, ?string $value ): void {
		if ( null === $value ) {
			$this->payload->add( 'N' );
			return;
		}
		if ( array() !== $this->watched ) {
			$value = $this->watch( $column, $value );
		}
		$this->payload->add( 'S' . pack( 'V', strlen( $value ) ) );
		$this->payload->add( $value );
	}

	/** The row's next value, which travels in slices. */
	public function large( int $length ): void {
		$this->payload->add( 'L' . pack( 'VV', $length & 0xffffffff, $length >> 32 ) );
	}

	/** The row's next value, which is large but has no key to be asked for by: its bytes follow by inline_bytes(). */
	public function begin_inline( int $length ): void {
		$this->payload->add( 'S' . pack( 'V', $length ) );
	}

	public function inline_bytes( string $bytes ): void {
		$this->payload->add( $bytes );
	}

	/** The source as it would be without us: the list of active plugins does not name this one. */
	private function watch( int $column, string $value ): string {
		if ( isset( $this->watched['option_name'] ) && $column === $this->watched['option_name'] ) {
			$this->option_name = $value;
		}
		if ( isset( $this->watched['option_value'] ) && $column === $this->watched['option_value'] && Custom_Migrator_Remover::ACTIVE === $this->option_name ) {
			return Custom_Migrator_Remover::active_plugins_without_us( $value, $this->plugins_before );
		}
		return $value;
	}
}
