<?php
/**
 * A fault that the caller is told of.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Becomes the head of an answer: `{"ok":false,"code","message","retry_after"?}`. The message never holds a secret or a path outside the site. */
final class Custom_Migrator_Error extends Exception {
	/** @var string Stable snake_case code. */
	private $error_code;

	/** @var int HTTP status, 4xx or 5xx. */
	private $status;

	/** @var int|null Seconds. */
	private $retry_after;

	/**
	 * @param string         $error_code  Stable snake_case code.
	 * @param string         $message     What the caller should do, in a sentence.
	 * @param int            $status      HTTP status: 4xx when the same call would fail again, 5xx when it is worth another try.
	 * @param int|null       $retry_after Seconds to wait before that.
	 * @param Throwable|null $previous    Cause.
	 */
	public function __construct( string $error_code, string $message, int $status = 400, ?int $retry_after = null, ?Throwable $previous = null ) {
		parent::__construct( $message, 0, $previous );
		$this->error_code  = $error_code;
		$this->status      = $status;
		$this->retry_after = $retry_after;
	}

	public function error_code(): string {
		return $this->error_code;
	}

	public function status(): int {
		return $this->status;
	}

	public function retry_after(): ?int {
		return $this->retry_after;
	}
}
