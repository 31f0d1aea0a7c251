<?php
/**
 * A stream of requests whose answers land somewhere.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * The pump asks each lane for requests and hands it the answers. A lane keeps its own checkpoint.
 */
interface Custom_Migrator_Lane {

	/**
	 * The next request, or null when there is none to make now.
	 *
	 * @param int $max_bytes Payload to ask for.
	 * @return array|null `{key: string (names the chunk, the same at each attempt), verb: string, args: array, bytes?: int
	 *                    (what it is expected to carry; it may then share an HTTP request with others)}`, with members of
	 *                    the lane's own.
	 */
	public function next( int $max_bytes ): ?array;

	/**
	 * Takes note of a good answer, so that the next request can be made while this one lands. Cheap.
	 */
	public function advance( array $request, Custom_Migrator_Answer $answer ): void;

	/**
	 * Lands a good answer. Answers of one lane come in the order in which they arrived.
	 */
	public function land( array $request, Custom_Migrator_Answer $answer ): void;

	/**
	 * The request failed and may be asked for again, with whatever size `next` is given then.
	 */
	public function again( array $request ): void;
}
