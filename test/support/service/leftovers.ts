import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Processes whose command line names `text`, by /proc; the caller's own process is left out. */
export function processesNaming(text: string): readonly string[] {
	const found: string[] = [];
	for (const pid of readdirSync('/proc')) {
		if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
		try {
			const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
			if (command.includes(text)) found.push(`${pid} ${command.trim()}`);
		} catch {
			// It ended meanwhile.
		}
	}
	return found;
}

/** Folders of slots in a service's data folder. */
export function slotFolders(dataDir: string): readonly string[] {
	return readdirSync(join(dataDir, 'clones'));
}

/** @returns whether anything answers at `url`. */
export async function answers(url: string): Promise<boolean> {
	return fetch(url).then(
		async (response) => {
			await response.body?.cancel();
			return true;
		},
		() => false,
	);
}

/** What of ours is on a site, in words; empty when nothing is. PHP for `evalPhp`. */
export const AGENT_TRACES = `
	global $wpdb;
	$found = array();
	if ( is_dir( WP_PLUGIN_DIR . '/custom-migrator' ) ) { $found[] = 'plugin folder'; }
	foreach ( $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%custom\\_migrator%' OR option_value LIKE '%custom-migrator%'" ) as $name ) {
		if ( 0 !== strpos( $name, '_site_transient_' ) && 0 !== strpos( $name, '_transient_' ) ) { $found[] = "option $name"; }
	}
	foreach ( $wpdb->get_col( "SHOW TABLES LIKE '%custom_migrator%'" ) as $name ) { $found[] = "table $name"; }
	echo implode( ', ', $found );`;
