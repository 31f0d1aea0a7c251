<?php
/**
 * What becomes of WordPress's own files.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * The bundled core stays where its files are the source's; others are replaced, added or removed at the switch, and named.
 */
class Custom_Migrator_Core_Plan {

	/** @var Custom_Migrator_File_Plan */
	private $plan;

	/** @var Custom_Migrator_Local_Files */
	private $local;

	/** @var Custom_Migrator_Import_State */
	private $state;

	/** @var string[] */
	private $replace = array();

	/** @var string[] */
	private $remove = array();

	public function __construct( Custom_Migrator_File_Plan $plan, Custom_Migrator_Local_Files $local, Custom_Migrator_Import_State $state ) {
		$this->plan  = $plan;
		$this->local = $local;
		$this->state = $state;
	}

	public function find(): void {
		if ( null === $this->found( 'wp-includes/version.php' ) || null === $this->found( 'wp-settings.php' ) ) {
			// Half a core would not run: the slot keeps its own.
			$this->state->add(
				'differences',
				array(
					'path'   => 'core',
					'reason' => 'the source\'s WordPress files could not be read; the clone runs WordPress ' . $this->local->core_version(),
				)
			);
			return;
		}
		foreach ( $this->plan->each( Custom_Migrator_File_Plan::STAGED, 0, 'core' ) as $file ) {
			$this->replace[] = $file['path'];
		}
		foreach ( $this->local->core_paths( $this->plan->paths( 'core' ) ) as $path ) {
			if ( ! in_array( $path, Custom_Migrator_File_Rules::CORE_KEPT, true ) ) {
				$this->remove[] = $path;
			}
		}
		$bundled = $this->local->core_version();
		$preflight = $this->state->mark( 'preflight' );
		if ( $bundled !== $preflight['wp_version'] ) {
			// Of another version every other file differs; that is no news.
			$this->state->add( 'core_differs', sprintf( 'WordPress %s, copied from the source (the clone came with %s)', $preflight['wp_version'], $bundled ) );
			return;
		}
		foreach ( array_merge( $this->replace, $this->remove ) as $path ) {
			$this->state->add( 'core_differs', $path );
		}
	}

	/** For state.json, where names need not be UTF-8. */
	public function as_mark(): array {
		return array(
			'replace' => array_map( 'base64_encode', $this->replace ),
			'remove'  => array_map( 'base64_encode', $this->remove ),
		);
	}

	private function found( string $path ): ?array {
		$file = $this->plan->find( 'core', $path );
		return null !== $file && in_array( (int) $file['state'], array( Custom_Migrator_File_Plan::STAGED, Custom_Migrator_File_Plan::SAME ), true ) ? $file : null;
	}
}
