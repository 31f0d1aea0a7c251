import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cfnLint, type LintFinding } from './support/cfn-lint.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const OUT = join(ROOT, 'cdk.out');

const say = ({ Level, Rule, Filename, Message, Location }: LintFinding): string =>
	`${Level} ${Rule.Id} ${basename(Filename)} ${(Location.Path ?? []).join('.')}: ${Message}`;

describe('cfn-lint', () => {
	let templates: string[] = [];
	const folder = mkdtempSync(join(tmpdir(), 'cfn-lint-'));
	afterAll(() => rmSync(folder, { recursive: true }));
	beforeAll(() => {
		const made = spawnSync(process.execPath, [join(ROOT, 'bin/synth.ts')], { encoding: 'utf8' });
		if (made.status !== 0) throw new Error(made.stderr);
		templates = readdirSync(OUT, { recursive: true, encoding: 'utf8' })
			.filter((path) => path.endsWith('.template.json'))
			.map((path) => join(OUT, path));
	}, 600_000);

	it('finds no error in any template', () => {
		expect(templates.length).toBeGreaterThan(12);
		expect(
			cfnLint(templates)
				.filter(({ Level }) => Level === 'Error')
				.map(say),
		).toEqual([]);
	}, 300_000);

	it('would find one', () => {
		const [source = ''] = templates.filter((path) => path.endsWith('default/wp-clone-production-service.template.json'));
		const template = JSON.parse(readFileSync(source, 'utf8'));
		const worker = Object.keys(template.Resources).find((id) => id.startsWith('WorkerFunction')) ?? '';
		template.Resources[worker].Properties.Timeout = 901;
		const broken = join(folder, 'broken.template.json');
		writeFileSync(broken, JSON.stringify(template));
		expect(
			cfnLint([broken])
				.filter(({ Level }) => Level === 'Error')
				.map(say),
		).toEqual([expect.stringMatching(/Timeout.*901/)]);
	}, 120_000);
});
