<?php
/**
 * A failure of an import, classified where it happened.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Carries a stable code and a sentence for the caller. Never holds a secret: it is shown as it is.
 */
class Custom_Migrator_Import_Error extends RuntimeException {

	/** @var string Stable, snake_case. */
	private $error_code;

	/** @var bool Whether the same import would fail again. */
	private $permanent;

	/** @var float Seconds the other side asked us to wait; 0 when it named none. */
	private $retry_after;

	/**
	 * @param string         $error_code  Stable code, e.g. `agent_gone`.
	 * @param string         $message     A sentence that tells what to do.
	 * @param bool           $permanent   False when another attempt may succeed.
	 * @param float          $retry_after Seconds to wait first.
	 * @param Throwable|null $cause       What was caught.
	 */
	public function __construct( string $error_code, string $message, bool $permanent, float $retry_after = 0.0, ?Throwable $cause = null ) {
		parent::__construct( $message, 0, $cause );
		$this->error_code  = $error_code;
		$this->permanent   = $permanent;
		$this->retry_after = $retry_after;
	}

	public function error_code(): string {
		return $this->error_code;
	}

	public function is_permanent(): bool {
		return $this->permanent;
	}

	public function retry_after(): float {
		return $this->retry_after;
	}

	public static function permanent( string $error_code, string $message, ?Throwable $cause = null ): self {
		return new self( $error_code, $message, true, 0.0, $cause );
	}

	public static function transient( string $error_code, string $message, float $retry_after = 0.0, ?Throwable $cause = null ): self {
		return new self( $error_code, $message, false, $retry_after, $cause );
	}
}
