<?php
/**
 * One request and its answer.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * A lane of a single request.
 */
class Custom_Migrator_Single_Lane implements Custom_Migrator_Lane {

	/** @var array */
	private $request;

	/** @var bool */
	private $asked = false;

	/** @var Custom_Migrator_Answer|null */
	private $answer = null;

	public function __construct( string $verb, array $args ) {
		$this->request = array(
			'key'   => 'call:' . $verb . ':' . substr( hash( 'sha256', (string) json_encode( $args ) ), 0, 16 ),
			'verb'  => $verb,
			'args'  => $args,
			'bytes' => 0,
		);
	}

	public function next( int $max_bytes ): ?array {
		unset( $max_bytes );
		if ( $this->asked ) {
			return null;
		}
		$this->asked = true;
		return $this->request;
	}

	public function advance( array $request, Custom_Migrator_Answer $answer ): void {
		unset( $request );
		$this->answer = $answer;
	}

	public function land( array $request, Custom_Migrator_Answer $answer ): void {
		unset( $request, $answer );
	}

	public function again( array $request ): void {
		unset( $request );
		$this->asked = false;
	}

	public function answer(): ?Custom_Migrator_Answer {
		return $this->answer;
	}
}
