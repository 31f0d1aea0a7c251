import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The files of swagger-ui-dist that the page at /docs loads. No other name is looked up, so no path can lead out. */
const FILES: ReadonlyMap<string, string> = new Map([
	['swagger-ui.css', 'text/css; charset=utf-8'],
	['swagger-ui-bundle.js', 'text/javascript; charset=utf-8'],
	['favicon-32x32.png', 'image/png'],
]);

/** @returns the file, or null when it is not one of the page's */
export async function swaggerUiFile(name: string): Promise<{ contentType: string; body: Uint8Array } | null> {
	const contentType = FILES.get(name);
	if (contentType === undefined) return null;
	const folder = dirname(fileURLToPath(import.meta.resolve('swagger-ui-dist/package.json')));
	return { contentType, body: await readFile(join(folder, name)) };
}
