<?php
/**
 * Asks for the list of one root's files.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Each page of the list is put into the plan in one transaction with the cursor after it. What the slot has already, byte
 * for byte, is taken from there.
 */
class Custom_Migrator_Index_Lane implements Custom_Migrator_Lane {

	/** @var string */
	private $root;

	/** @var Custom_Migrator_File_Plan */
	private $plan;

	/** @var Custom_Migrator_Local_Files */
	private $local;

	/** @var Custom_Migrator_Jailed_Writer */
	private $writer;

	/** @var Custom_Migrator_Import_State */
	private $state;

	/** @var mixed */
	private $cursor;

	/** @var bool */
	private $asked_all;

	/** @var bool */
	private $busy = false;

	/**
	 * @param string                        $root   content, core or uploads.
	 * @param Custom_Migrator_File_Plan     $plan   The plan.
	 * @param Custom_Migrator_Local_Files   $local  What the slot has.
	 * @param Custom_Migrator_Jailed_Writer $writer For this root's staging folder.
	 * @param Custom_Migrator_Import_State  $state  For what is left out.
	 */
	public function __construct( string $root, Custom_Migrator_File_Plan $plan, Custom_Migrator_Local_Files $local, Custom_Migrator_Jailed_Writer $writer, Custom_Migrator_Import_State $state ) {
		$this->root      = $root;
		$this->plan      = $plan;
		$this->local     = $local;
		$this->writer    = $writer;
		$this->state     = $state;
		$stored          = $plan->root( $root );
		$this->cursor    = $stored['cursor'];
		$this->asked_all = $stored['listed'];
	}

	public function next( int $max_bytes ): ?array {
		if ( $this->busy || $this->asked_all ) {
			return null;
		}
		$this->busy = true;
		$args       = array(
			'root'      => $this->root,
			'max_bytes' => min( 1048576, $max_bytes ),
		);
		if ( null !== $this->cursor ) {
			$args['cursor'] = $this->cursor;
		}
		return array(
			'key'  => 'files:' . $this->root . ':' . substr( hash( 'sha256', (string) json_encode( $this->cursor ) ), 0, 16 ),
			'verb' => 'files',
			'args' => $args,
		);
	}

	public function again( array $request ): void {
		unset( $request );
		$this->busy = false;
	}

	public function advance( array $request, Custom_Migrator_Answer $answer ): void {
		unset( $request );
		$data = $answer->data();
		if ( ! array_key_exists( 'cursor', $data ) ) {
			throw Custom_Migrator_Import_Error::transient( 'bad_answer', 'The source sent a list of files without saying where to go on.' );
		}
		$this->busy      = false;
		$this->cursor    = $data['cursor'];
		$this->asked_all = null === $data['cursor'];
	}

	public function land( array $request, Custom_Migrator_Answer $answer ): void {
		unset( $request );
		$data = $answer->data();
		$this->plan->begin();
		try {
			foreach ( explode( "\n", $answer->payload() ) as $line ) {
				if ( '' !== $line ) {
					$this->entry( $line );
				}
			}
			foreach ( isset( $data['skipped'] ) && is_array( $data['skipped'] ) ? $data['skipped'] : array() as $skipped ) {
				$this->leave_out( self::bytes( isset( $skipped['path'] ) ? $skipped['path'] : null ), isset( $skipped['reason'] ) ? (string) $skipped['reason'] : '' );
			}
			$this->plan->save_root( $this->root, $data['cursor'] );
			$this->plan->commit();
		} catch ( Throwable $error ) {
			$this->plan->roll_back();
			throw $error;
		}
	}

	private function entry( string $line ): void {
		$raw  = json_decode( $line, true );
		$path = is_array( $raw ) && isset( $raw['p'] ) ? self::bytes( $raw['p'] ) : null;
		if ( null === $path ) {
			throw Custom_Migrator_Import_Error::permanent( 'bad_answer', 'The source sent a list of files in a form that is not the protocol\'s.' );
		}
		$target = Custom_Migrator_File_Rules::target( $this->root, $path );
		$reason = Custom_Migrator_File_Rules::refused( $this->root, $path );
		if ( null !== $reason ) {
			$this->leave_out( $path, $reason );
			return;
		}
		if ( ! $this->local->can_name( $path ) ) {
			$this->state->add(
				'differences',
				array(
					'path'   => $this->root . '/' . $path,
					'reason' => 'missing: this host cannot hold a file name that is not UTF-8',
				)
			);
			return;
		}
		if ( isset( $raw['d'] ) ) {
			if ( 'core' !== $this->root ) {
				$this->writer->folder( $target );
			}
			return;
		}
		// A file that is too long to be hashed while it is listed comes without a hash: then each of its parts is kept with its own.
		$hash  = isset( $raw['h'] ) ? $raw['h'] : '';
		$known = isset( $raw['s'], $raw['m'] ) && is_int( $raw['s'] ) && $raw['s'] >= 0 && is_int( $raw['m'] ) && is_string( $hash ) && preg_match( '/^([0-9a-f]{64})?$/D', $hash );
		if ( ! $known ) {
			throw Custom_Migrator_Import_Error::permanent( 'bad_answer', 'The source sent a list of files in a form that is not the protocol\'s.' );
		}
		$this->plan_file(
			array(
				'path'   => $path,
				'size'   => $raw['s'],
				'mtime'  => $raw['m'],
				'sha256' => $hash,
			),
			$target
		);
	}

	private function plan_file( array $entry, string $target ): void {
		$before = $this->plan->find( $this->root, $entry['path'] );
		if ( null !== $before && $before['sha256'] === $entry['sha256'] && (int) $before['size'] === $entry['size'] && (int) $before['mtime'] === $entry['mtime'] && Custom_Migrator_File_Plan::CHANGED !== (int) $before['state'] ) {
			return;
		}
		if ( 'core' === $this->root && $this->local->core_is( $entry['path'], $entry['size'], $entry['sha256'] ) ) {
			$this->plan->put( $this->root, $entry, Custom_Migrator_File_Plan::SAME );
			return;
		}
		if ( 0 === $entry['size'] ) {
			$this->writer->write_at( $target, 0, '' );
			$this->writer->seal( $target, 0, $entry['mtime'] );
			$this->plan->put( $this->root, $entry, Custom_Migrator_File_Plan::STAGED );
			return;
		}
		if ( 'content' === $this->root && $this->local->copy_content( $entry['path'], $entry['size'], $entry['sha256'], $this->writer->place( $target ) ) ) {
			$staged = $this->writer->seal( $target, $entry['size'], $entry['mtime'] ) === $entry['sha256'];
			$this->plan->put( $this->root, $entry, $staged ? Custom_Migrator_File_Plan::STAGED : Custom_Migrator_File_Plan::WANTED );
			return;
		}
		$this->plan->put( $this->root, $entry, Custom_Migrator_File_Plan::WANTED );
	}

	private function leave_out( ?string $path, string $reason ): void {
		$this->state->add(
			'left_out',
			array(
				'path'   => $this->root . '/' . ( null === $path ? '?' : $path ),
				'reason' => substr( $reason, 0, 200 ),
			)
		);
	}

	/**
	 * @param mixed $value A string, or `{"b": base64}`.
	 */
	private static function bytes( $value ): ?string {
		if ( is_string( $value ) ) {
			return $value;
		}
		$bytes = is_array( $value ) && isset( $value['b'] ) && is_string( $value['b'] ) ? base64_decode( $value['b'], true ) : false;
		return false === $bytes ? null : $bytes;
	}
}
