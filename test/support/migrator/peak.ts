import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/**
 * A must-use plugin that writes down what each request took: the memory PHP got from the system at its peak, and the
 * time since WordPress handed over to plugins. Also what the database session was like when everything was over.
 */
export const PEAK_PLUGIN = `<?php
$GLOBALS['peak_began'] = microtime( true );
register_shutdown_function(
	static function () {
		global $wpdb;
		$line = array(
			'verb'    => isset( $_SERVER['HTTP_X_MIGRATOR_VERB'] ) ? $_SERVER['HTTP_X_MIGRATOR_VERB'] : '',
			'bytes'   => memory_get_peak_usage( true ),
			'seconds' => microtime( true ) - $GLOBALS['peak_began'],
			'session' => empty( $wpdb->is_mysql ) ? null : $wpdb->get_row( 'SELECT @@SESSION.sql_mode AS m, @@SESSION.character_set_client AS c, @@SESSION.collation_connection AS o', ARRAY_N ),
			'queries' => empty( $wpdb->queries ) ? 0 : count( $wpdb->queries ),
		);
		file_put_contents( ABSPATH . 'peaks.jsonl', json_encode( $line ) . "\\n", FILE_APPEND | LOCK_EX );
	}
);
`;

export interface Peak {
	readonly verb: string;
	readonly bytes: number;
	readonly seconds: number;
	readonly session: readonly string[] | null;
	readonly queries: number;
}

/**
 * Takes what the plugin wrote since the last call. A request's line is written after its answer was sent, so this waits
 * for the line of a request of `verb`, which the caller makes last.
 * @throws Error when it does not come within 10 s
 */
export async function takePeaks(dir: string, verb: string): Promise<Peak[]> {
	const path = join(dir, 'peaks.jsonl');
	for (let attempt = 0; attempt < 200; attempt++) {
		const peaks = parse(await readFile(path, 'utf8').catch(() => ''));
		if (peaks.some((peak) => peak.verb === verb)) {
			await rm(path, { force: true });
			return peaks;
		}
		await setTimeout(50);
	}
	throw new Error(`no request of ${verb} wrote its peak`);
}

function parse(text: string): Peak[] {
	return text
		.split('\n')
		.filter((line) => line !== '')
		.map((line) => JSON.parse(line) as Peak);
}
