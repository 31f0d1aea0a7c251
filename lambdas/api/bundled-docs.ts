import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DOCS_FILES } from '../bundles.ts';
import type { DocsFiles } from './docs-page.ts';

/** The files of the page at /docs where they were put beside the bundle (lambdas/bundles.ts). */
export function bundledDocs(folder: string): DocsFiles {
	return async (name) => {
		const file = DOCS_FILES.find((candidate) => candidate.name === name);
		return file === undefined ? null : { contentType: file.contentType, body: await readFile(join(folder, file.name)) };
	};
}
