import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');

const folder = mkdtempSync(join(tmpdir(), 'layering-'));
const rules = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')) as Record<string, unknown>;
delete rules.$schema;
delete rules.vcs;
writeFileSync(join(folder, 'biome.json'), JSON.stringify(rules));
afterAll(() => rmSync(folder, { recursive: true }));

/** Lints `code` at `path` under the project's own rules. @returns what the linter says, and whether it refused. */
function lint(path: string, code: string): { refused: boolean; said: string } {
	mkdirSync(join(folder, dirname(path)), { recursive: true });
	writeFileSync(join(folder, path), code);
	const run = spawnSync(join(root, 'node_modules/.bin/biome'), ['lint', path], { cwd: folder, encoding: 'utf8' });
	rmSync(join(folder, path));
	return { refused: run.status !== 0, said: `${run.stdout}${run.stderr}` };
}

describe('the layering rule', () => {
	it.each([
		['core/jobs/example.ts', "import { readFileSync } from 'node:fs';\nreadFileSync('x');\n", 'core does no I/O'],
		[
			'core/jobs/example.ts',
			"import { openDatabase } from '../../adapters/embedded/sqlite/sqlite-database.ts';\nopenDatabase();\n",
			'core does no I/O',
		],
		['core/jobs/example.ts', "import { fetch } from 'undici';\nawait fetch('x');\n", 'core does no I/O'],
		['lambdas/api/example.ts', "import { SQSClient } from '@aws-sdk/client-sqs';\nnew SQSClient();\n", 'Only files in adapters/'],
		['bin/example.ts', "import { KubeConfig } from '@kubernetes/client-node';\nnew KubeConfig();\n", 'Only files in adapters/'],
		['adapters/embedded/example.ts', "import { main } from '../../bin/serve.ts';\nmain();\n", 'Adapters do not know'],
	])('%s refuses %s', (path, code, reason) => {
		const { refused, said } = lint(path, code);
		expect(said).toContain(reason);
		expect(refused).toBe(true);
	});

	it.each([
		['core/jobs/example.ts', "import * as z from 'zod';\nz.string();\n"],
		['adapters/aws/example.ts', "import { SQSClient } from '@aws-sdk/client-sqs';\nnew SQSClient();\n"],
	])('%s allows what belongs there', (path, code) => {
		const { refused, said } = lint(path, code);
		expect(said).not.toContain('noRestrictedImports');
		expect(refused).toBe(false);
	});
});
