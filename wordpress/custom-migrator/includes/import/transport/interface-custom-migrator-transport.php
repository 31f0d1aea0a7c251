<?php
/**
 * The seam through which an import fetches.
 *
 * @package Custom_Migrator
 * @license GPL-2.0-or-later
 */

/**
 * Several POST requests in flight, each answer landing in a file.
 */
interface Custom_Migrator_Transport {

	/**
	 * Starts one POST. Redirects are never followed.
	 *
	 * @param array $request `{id: string, url: string, headers: {name: value}, body: string, out_file: string (absolute),
	 *                       max_bytes: int, timeout_ms: int}`.
	 * @throws Custom_Migrator_Import_Error When it cannot even be started.
	 */
	public function start( array $request ): void;

	/**
	 * Waits for the next answer.
	 *
	 * @param int $timeout_ms At most this long.
	 * @return array|null `{id, status: int, headers: {lower-case name: value}, bytes: int, file: string}`, or
	 *                    `{id, error: string, message: string}`, or null when nothing came.
	 *                    Errors: `source_unavailable`, `source_timeout`, `answer_too_large`, `source_not_allowed`.
	 */
	public function wait( int $timeout_ms ): ?array;

	/**
	 * Gives up whatever is in flight.
	 */
	public function cancel_all(): void;
}
