<?php
/**
 * What a verb answers when it has a payload.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/** Data for the head, and the payload after it. A verb without payload simply returns its data as an array. */
final class Custom_Migrator_Reply {
	/** @var array */
	public $data;

	/** @var Custom_Migrator_Payload */
	public $payload;

	public function __construct( array $data, Custom_Migrator_Payload $payload ) {
		$this->data    = $data;
		$this->payload = $payload;
	}
}
