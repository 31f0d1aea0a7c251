<?php
/**
 * How long a request may still work.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** About 4 s of the agent's own time, less where PHP's own limit is nearer. */
final class Custom_Migrator_Budget {
	const SECONDS = 4.0;

	/** @var float */
	private $deadline;

	/** @param float|null $seconds Null for the usual. */
	public function __construct( ?float $seconds = null ) {
		if ( null === $seconds ) {
			$limit   = (int) ini_get( 'max_execution_time' );
			$seconds = $limit > 0 ? min( self::SECONDS, $limit / 2 ) : self::SECONDS;
		}
		$this->deadline = microtime( true ) + $seconds;
	}

	/** Whether work should stop at the next good place. */
	public function spent(): bool {
		return microtime( true ) >= $this->deadline;
	}
}
