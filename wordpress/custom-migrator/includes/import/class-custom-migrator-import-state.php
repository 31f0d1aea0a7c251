<?php
/**
 * The import's checkpoint: import/state.json.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * What an import knows of itself between two steps. `import_status` answers from this file alone.
 *
 * Row positions are not in here: they are in the staged database, written in the rows' own transaction.
 */
class Custom_Migrator_Import_State {

	/** Members of a named list beyond which only their number is told. */
	const LIST_MAX = 200;

	/** @var string */
	private $path;

	/** @var array */
	private $data;

	public function __construct( string $path ) {
		$this->path = $path;
		$stored     = Custom_Migrator_Json_File::read( $path );
		$this->data = null === $stored ? self::blank( 'idle', '' ) : array_merge( self::blank( 'idle', '' ), $stored );
	}

	/**
	 * @param string $state  idle, running, done or failed.
	 * @param string $job_id Whose import it is.
	 */
	public static function blank( string $state, string $job_id ): array {
		return array(
			'state'    => $state,
			'job_id'   => $job_id,
			'phase'    => '',
			'progress' => 0,
			'message'  => '',
			'error'    => null,
			'proof'    => null,
			'facts'    => array( 'warnings' => array() ),
			'marks'    => array(),
			'lists'    => array(),
		);
	}

	/**
	 * @return mixed
	 */
	public function get( string $key ) {
		return array_key_exists( $key, $this->data ) ? $this->data[ $key ] : null;
	}

	/**
	 * @param string $key   A member.
	 * @param mixed  $value JSON.
	 */
	public function set( string $key, $value ): void {
		if ( 'progress' === $key ) {
			$value = max( (int) $this->data['progress'], min( 100, (int) $value ) );
		}
		$this->data[ $key ] = $value;
	}

	/**
	 * A note of a phase's own (a cursor, a number), kept in the same file.
	 *
	 * @return mixed
	 */
	public function mark( string $key ) {
		return array_key_exists( $key, $this->data['marks'] ) ? $this->data['marks'][ $key ] : null;
	}

	/**
	 * @param string $key   Its name.
	 * @param mixed  $value JSON; null forgets it.
	 */
	public function set_mark( string $key, $value ): void {
		if ( null === $value ) {
			unset( $this->data['marks'][ $key ] );
		} else {
			$this->data['marks'][ $key ] = $value;
		}
	}

	public function fact( string $key, $value ): void {
		$this->data['facts'][ $key ] = $value;
	}

	public function warn( string $message ): void {
		if ( ! in_array( $message, $this->data['facts']['warnings'], true ) ) {
			$this->data['facts']['warnings'][] = $message;
		}
	}

	/**
	 * Adds to a list of the proof (`differences`, `left_out`, `core_differs`), once each.
	 *
	 * @param string       $name  Which list.
	 * @param array|string $entry What to name.
	 */
	public function add( string $name, $entry ): void {
		$list = isset( $this->data['lists'][ $name ] ) ? $this->data['lists'][ $name ] : array(
			'entries' => array(),
			'more'    => 0,
		);
		if ( in_array( $entry, $list['entries'], true ) ) {
			return;
		}
		if ( count( $list['entries'] ) >= self::LIST_MAX ) {
			++$list['more'];
		} else {
			$list['entries'][] = $entry;
		}
		$this->data['lists'][ $name ] = $list;
	}

	/**
	 * The list as the proof shows it: at most LIST_MAX entries, then how many more there are.
	 */
	public function entries( string $name ): array {
		if ( ! isset( $this->data['lists'][ $name ] ) ) {
			return array();
		}
		$list    = $this->data['lists'][ $name ];
		$entries = $list['entries'];
		if ( $list['more'] > 0 ) {
			$entries[] = 'core_differs' === $name
				? sprintf( '… and %d more', $list['more'] )
				: array( 'reason' => sprintf( '… and %d more', $list['more'] ) );
		}
		return $entries;
	}

	public function save(): void {
		Custom_Migrator_Json_File::write( $this->path, $this->data );
	}

	/**
	 * What `import_status` answers.
	 */
	public function report(): array {
		$report = array();
		foreach ( array( 'state', 'phase', 'progress', 'message', 'error', 'proof', 'facts' ) as $key ) {
			$report[ $key ] = $this->data[ $key ];
		}
		return $report;
	}
}
