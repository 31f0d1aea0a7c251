import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { zipSync } from 'fflate';

/** Folder and main file, as WordPress names the plugin. */
export const PLUGIN_FOLDER = 'custom-migrator';
export const PLUGIN_FILE = `${PLUGIN_FOLDER}/custom-migrator.php`;

/**
 * In the zip that we upload, and in no other copy of the plugin: tells a copy that we brought (and take away) from one
 * that the site's owner installed, whatever was interrupted in between.
 */
export const UPLOADED_MARKER = 'uploaded.txt';
export const MARKER_TEXT = 'This copy was uploaded for one copy or restore of the site and goes away with it.\n';

/** ZIP has no time zone: any fixed local time makes the same bytes. */
const FIXED_TIME = new Date(2020, 0, 1);

export interface PluginZip {
	readonly bytes: Uint8Array;
	readonly sha256: string;
	/** `Requires PHP` and `Requires at least` of the plugin's own header. */
	readonly requiresPhp: string | null;
	readonly requiresWordPress: string | null;
}

/**
 * The plugin as WordPress takes it. The same files give the same bytes.
 * @param folder the plugin's source; names that begin with a dot stay out.
 */
export async function buildPluginZip(folder: string): Promise<PluginZip> {
	const entries = await readdir(folder, { recursive: true, withFileTypes: true });
	const paths = entries
		.filter((entry) => entry.isFile())
		.map((entry) => relative(folder, join(entry.parentPath, entry.name)))
		.filter((path) => !path.split('/').some((part) => part.startsWith('.')))
		.sort();
	const files: Record<string, Uint8Array> = {};
	for (const path of paths) files[`${PLUGIN_FOLDER}/${path}`] = await readFile(join(folder, path));
	files[`${PLUGIN_FOLDER}/${UPLOADED_MARKER}`] = new TextEncoder().encode(MARKER_TEXT);
	const bytes = zipSync(files, { level: 9, mtime: FIXED_TIME });
	const header = new TextDecoder().decode(files[PLUGIN_FILE]?.subarray(0, 8192));
	const field = (name: string): string | null => new RegExp(`^[ \\t*#@]*${name}:\\s*([\\d.]+)`, 'm').exec(header)?.[1] ?? null;
	return {
		bytes,
		sha256: createHash('sha256').update(bytes).digest('hex'),
		requiresPhp: field('Requires PHP'),
		requiresWordPress: field('Requires at least'),
	};
}
