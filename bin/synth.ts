/**
 * `npm run synth`: every template of every variant, by the CDK's own command, with cdk-nag: a finding that is not
 * acknowledged, an error or a warning ends it with 1. Needs no network, no account, no Docker.
 *
 * `npm run synth -- default` makes only the one named. Templates: cdk.out/{variant}.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VARIANTS, type Variant } from './synth/variants.ts';

const ROOT = resolve(import.meta.dirname, '..');
const CLI = join(dirname(fileURLToPath(import.meta.resolve('aws-cdk/package.json'))), 'bin/cdk');

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !VARIANTS.some((variant) => variant.name === name));
if (unknown.length > 0) {
	console.error(`There is no variant ${unknown.join(', ')}. There are: ${VARIANTS.map(({ name }) => name).join(', ')}.`);
	process.exit(2);
}

for (const variant of VARIANTS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
	const out = join(ROOT, 'cdk.out', variant.name);
	rmSync(out, { recursive: true, force: true });
	const began = performance.now();
	const run = synth(variant, out);
	if (run.status !== 0) {
		process.stderr.write(`${run.stdout}${run.stderr}\n`);
		console.error(`FAILED: ${variant.name} (${variant.what})`);
		process.exit(1);
	}
	console.log(`${variant.name}: ${variant.what}, ${((performance.now() - began) / 1000).toFixed(1)} s`);
	for (const path of templatesBelow(out)) console.log(`  ${describe(out, path)}`);
}

function synth({ context }: Variant, out: string): { status: number | null; stdout: string; stderr: string } {
	const settings = Object.entries(context).flatMap(([name, value]) => [
		'-c',
		`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
	]);
	return spawnSync(process.execPath, [CLI, 'synth', '--strict', '--quiet', '--no-notices', '--no-lookups', '-o', out, ...settings], {
		cwd: ROOT,
		encoding: 'utf8',
		// Nothing of whoever runs it: the same templates everywhere.
		env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: process.env.TMPDIR, CI: 'true' },
		maxBuffer: 64 * 1024 ** 2,
	});
}

function templatesBelow(folder: string): string[] {
	return readdirSync(folder, { recursive: true, encoding: 'utf8' })
		.filter((path) => path.endsWith('.template.json'))
		.sort();
}

function describe(out: string, path: string): string {
	const text = readFileSync(join(out, path), 'utf8');
	const { Resources = {} } = JSON.parse(text) as { Resources?: Record<string, unknown> };
	const kilobytes = (Buffer.byteLength(text) / 1024).toFixed(0);
	return `${path.padEnd(60)} ${String(Object.keys(Resources).length).padStart(4)} resources ${kilobytes.padStart(5)} KB`;
}
