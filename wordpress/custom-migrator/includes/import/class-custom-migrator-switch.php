<?php
/**
 * Puts what was staged in the place of what is live.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Lifecycle: `begin` writes import/switch.json, the point of no return but by `undo`; `go_on` does what is left, each step
 * found done or not by what lies on the disk, so that it may be called again after a crash at any point.
 *
 *     tables of a MySQL database get their own names (one statement)
 *     wp-content → import/old/content        staging/content → wp-content
 *     core file  → import/old/core/…         staging/core/…  → core file
 *     clone.json                             switch.json removed
 *
 * While switch.json is there nothing may be served but a short "come back": wp-content may be missing, and the table
 * prefix may be another's. When a step cannot be done, everything goes back the same way (`direction: "undo"`); but for
 * tables that have their names already: no site refers to them, and they go with what was staged.
 */
class Custom_Migrator_Switch {

	/** @var Custom_Migrator_Slot */
	private $slot;

	public function __construct( Custom_Migrator_Slot $slot ) {
		$this->slot = $slot;
	}

	public function pending(): bool {
		return is_file( $this->slot->switch_file() );
	}

	/**
	 * @param string[] $replace Core files that lie staged, relative to ABSPATH.
	 * @param string[] $remove  Core files of the slot that the source has not.
	 * @param array    $clone   Members of clone.json to write.
	 * @param array[]  $renames Of tables, as the staging database's `ready_to_switch()` gave them.
	 */
	public function begin( array $replace, array $remove, array $clone, array $renames = array() ): void {
		foreach ( Custom_Migrator_Slot::FIXTURES as $fixture ) {
			if ( ! is_file( $this->slot->staged_content() . '/' . $fixture ) ) {
				throw Custom_Migrator_Import_Error::permanent( 'slot_damaged', 'The clone would go live without its ' . basename( $fixture ) . '; make it again.' );
			}
		}
		$before = array_intersect_key( $this->slot->clone_json(), $clone );
		$added  = array();
		foreach ( $replace as $path ) {
			if ( ! is_file( $this->slot->wordpress() . '/' . $path ) ) {
				$added[] = $path;
			}
		}
		Custom_Migrator_Json_File::write(
			$this->slot->switch_file(),
			array(
				'direction' => 'do',
				'replace'   => array_map( 'base64_encode', $replace ),
				'remove'    => array_map( 'base64_encode', $remove ),
				'added'     => array_map( 'base64_encode', $added ),
				'clone'     => $clone,
				'before'    => (object) $before,
				'renames'   => $renames,
			)
		);
	}

	/**
	 * Finishes (or undoes) the switch that switch.json tells of.
	 *
	 * @return bool True when the new content is live; false when the old one is back.
	 * @throws Custom_Migrator_Import_Error `switch_failed`, when the switch could not be made and was undone.
	 */
	public function go_on(): bool {
		$plan = Custom_Migrator_Json_File::read( $this->slot->switch_file() );
		if ( null === $plan ) {
			return true;
		}
		if ( 'undo' === $plan['direction'] ) {
			$this->undo( $plan );
			return false;
		}
		try {
			$this->forward( $plan );
		} catch ( Throwable $error ) {
			$plan['direction'] = 'undo';
			$plan['before']    = (object) $plan['before'];
			Custom_Migrator_Json_File::write( $this->slot->switch_file(), $plan );
			$this->undo( (array) Custom_Migrator_Json_File::read( $this->slot->switch_file() ) );
			throw Custom_Migrator_Import_Error::transient( 'switch_failed', 'The imported site could not be put in place; the clone is as it was.', 0.0, $error );
		}
		return true;
	}

	/** Removes what was live before. Only once nothing refers to it. */
	public function clear_old(): void {
		Custom_Migrator_Slot::remove_tree( $this->old() );
	}

	/**
	 * Called after each step. For tests, which end the process here.
	 *
	 * @param string $step Its name.
	 */
	protected function passed( string $step ): void {
		unset( $step );
	}

	private function forward( array $plan ): void {
		$live   = $this->slot->live_content();
		$staged = $this->slot->staged_content();
		$old    = $this->old() . '/content';
		Custom_Migrator_Slot::ensure_dir( $this->old() );
		$this->passed( 'begun' );
		if ( isset( $plan['renames'] ) && array() !== $plan['renames'] ) {
			Custom_Migrator_Staging_Database::for_slot( $this->slot )->switch_tables( $plan['renames'] );
			$this->passed( 'tables_in' );
		}
		if ( is_dir( $staged ) ) {
			if ( is_dir( $live ) && ! is_dir( $old ) ) {
				self::move( $live, $old );
			}
			$this->passed( 'content_away' );
			if ( is_dir( $live ) ) {
				// A request that came in between made a new, empty one.
				self::move( $live, $this->old() . '/stray-' . bin2hex( random_bytes( 4 ) ) );
			}
			self::move( $staged, $live );
		}
		$this->passed( 'content_in' );
		foreach ( array_map( 'base64_decode', $plan['replace'] ) as $path ) {
			$this->replace_core( $path );
			$this->passed( 'core_file' );
		}
		foreach ( array_map( 'base64_decode', $plan['remove'] ) as $path ) {
			$this->put_away( $path );
		}
		$this->passed( 'core_done' );
		$this->slot->update_clone( $plan['clone'] );
		$this->passed( 'clone_written' );
		unlink( $this->slot->switch_file() );
		$this->passed( 'ended' );
	}

	private function undo( array $plan ): void {
		foreach ( array_map( 'base64_decode', array_merge( $plan['replace'], $plan['remove'] ) ) as $path ) {
			$away = $this->old() . '/core/' . $path;
			if ( is_file( $away ) ) {
				self::move( $away, $this->slot->wordpress() . '/' . $path );
			}
		}
		foreach ( array_map( 'base64_decode', $plan['added'] ) as $path ) {
			$current = $this->slot->wordpress() . '/' . $path;
			if ( is_file( $current ) ) {
				unlink( $current );
			}
		}
		$live = $this->slot->live_content();
		$old  = $this->old() . '/content';
		if ( is_dir( $old ) ) {
			if ( is_dir( $live ) ) {
				self::move( $live, $this->old() . '/stray-' . bin2hex( random_bytes( 4 ) ) );
			}
			self::move( $old, $live );
		}
		$this->slot->update_clone( (array) $plan['before'] );
		unlink( $this->slot->switch_file() );
	}

	private function replace_core( string $path ): void {
		$staged = $this->slot->staged_core() . '/' . $path;
		if ( ! is_file( $staged ) ) {
			return;
		}
		$this->put_away( $path );
		$jail = new Custom_Migrator_Jailed_Writer( $this->slot->wordpress() );
		self::move( $staged, $jail->place( $path ) );
	}

	private function put_away( string $path ): void {
		$current = $this->slot->wordpress() . '/' . $path;
		$away    = $this->old() . '/core/' . $path;
		if ( is_file( $current ) && ! is_link( $current ) && ! is_file( $away ) ) {
			Custom_Migrator_Slot::ensure_dir( dirname( $away ) );
			self::move( $current, $away );
		}
	}

	private function old(): string {
		return $this->slot->import() . '/old';
	}

	private static function move( string $from, string $to ): void {
		if ( ! rename( $from, $to ) ) {
			throw Custom_Migrator_Import_Error::transient( 'switch_failed', 'A file could not be moved into place.' );
		}
	}
}
