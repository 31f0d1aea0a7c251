import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { SITE_ERRORS } from '../../adapters/wordpress/site-errors.ts';
import { errorsDocument } from '../../bin/docs/errors-document.ts';
import { JOB_CODES, OPERATOR_CODES } from '../../core/api/job-codes.ts';
import { PROBLEMS } from '../../core/api/problems.ts';

const root = resolve(import.meta.dirname, '../..');

function sources(folder: string, ending: string): string[] {
	return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
		.filter((name) => name.endsWith(ending))
		.map((name) => readFileSync(join(root, folder, name), 'utf8'));
}

it('docs/errors.md is what the catalogues say (npm run docs)', () => {
	expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(errorsDocument());
});

it('every code that the sources name is in a catalogue', () => {
	const known = new Set([PROBLEMS, SITE_ERRORS, JOB_CODES, OPERATOR_CODES].flatMap((catalogue) => Object.keys(catalogue)));
	const named = new Set<string>();
	const ts = [...sources('core', '.ts'), ...sources('adapters', '.ts')];
	const php = sources('wordpress/custom-migrator/includes/import', '.php');
	for (const text of ts) for (const [, code] of text.matchAll(/(?:PermanentError|TransientError)\(\s*'([a-z_]+)'/g)) named.add(code ?? '');
	for (const text of php)
		for (const [, code] of text.matchAll(/Import_Error::(?:permanent|transient)\(\s*'([a-z_]+)'/g)) named.add(code ?? '');
	expect(named.size).toBeGreaterThan(40);
	expect([...named].filter((code) => !known.has(code))).toEqual([]);
});
