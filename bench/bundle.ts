/**
 * The Lambda bundles: their size, what it is made of, and how long a fresh process takes to import each (which is the part
 * of a cold start that is ours).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { BUNDLE_OPTIONS, LAMBDA_BUNDLES } from '../lambdas/bundles.ts';
import { percentile, round } from './support/api-harness.ts';
import { FUNCTION_ENVIRONMENT } from './support/function-environment.ts';

const ROOT = resolve(import.meta.dirname, '..');
const PROCESSES = 30;
/** The AWS clients and what they are made of. Not the X-Ray SDK: that is the tracer's. */
const SDK = /^node_modules\/(@aws-sdk|@smithy|@aws-crypto|bowser)\//;

const MEASURE = `const start = performance.now();
const before = process.cpuUsage();
const { handler } = await import(process.argv[1]);
const ms = performance.now() - start;
const { user, system } = process.cpuUsage(before);
if (typeof handler !== 'function') throw new Error('no handler');
console.log(JSON.stringify({ ms, cpuMs: (user + system) / 1000 }));
process.exit(0);`;

interface Bundle {
	readonly file: string;
	readonly bytes: number;
	readonly gzip: number;
	readonly sdk: number;
	readonly packages: ReadonlySet<string>;
}

export async function run(): Promise<Record<string, number | boolean>> {
	const folder = mkdtempSync(join(tmpdir(), 'bench-bundle-'));
	try {
		const figures: Record<string, number | boolean> = {};
		const rows: Record<string, string | number>[] = [];
		for (const [name, { entry }] of Object.entries(LAMBDA_BUNDLES)) {
			const bundle = await bundled(entry, join(folder, name, 'index.mjs'));
			const imports = Array.from({ length: PROCESSES }, () => importTime(bundle.file));
			const times = imports.map(({ ms }) => ms);
			const cpu = imports.map(({ cpuMs }) => cpuMs);
			const kubernetes = [...bundle.packages].some((one) => one.startsWith('@kubernetes/'));
			figures[`${name}_kb`] = kb(bundle.bytes);
			figures[`${name}_beyond_sdk_kb`] = kb(bundle.bytes - bundle.sdk);
			figures[`${name}_import_ms_p50`] = round(percentile(times, 0.5), 0);
			figures[`${name}_import_ms_max`] = round(Math.max(...times), 0);
			figures[`${name}_import_cpu_ms_p50`] = round(percentile(cpu, 0.5), 0);
			figures[`${name}_has_kubernetes_client`] = kubernetes;
			rows.push({
				bundle: name,
				kb: kb(bundle.bytes),
				'kb gzipped': kb(bundle.gzip),
				'kb beyond the AWS SDK': kb(bundle.bytes - bundle.sdk),
				'import ms p50': round(percentile(times, 0.5), 0),
				'import ms max': round(Math.max(...times), 0),
				'own CPU ms p50': round(percentile(cpu, 0.5), 0),
				'Kubernetes client': kubernetes ? 'yes' : 'no',
			});
		}
		console.table(rows);
		return figures;
	} finally {
		rmSync(folder, { recursive: true });
	}
}

async function bundled(entry: string, file: string): Promise<Bundle> {
	const built = await build({
		...BUNDLE_OPTIONS,
		mainFields: [...BUNDLE_OPTIONS.mainFields],
		absWorkingDir: ROOT,
		entryPoints: [entry],
		outfile: file,
		metafile: true,
		write: false,
	});
	let sdk = 0;
	let bytes = 0;
	const packages = new Set<string>();
	for (const output of Object.values(built.metafile.outputs)) {
		for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
			if (bytesInOutput === 0) continue;
			const inside = path.slice(Math.max(0, path.lastIndexOf('node_modules/')));
			if (SDK.test(inside)) sdk += bytesInOutput;
			const found = /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(inside);
			if (found?.[1] !== undefined) packages.add(found[1]);
		}
	}
	let gzip = 0;
	for (const { path, contents } of built.outputFiles) {
		if (path.endsWith('.map')) continue;
		bytes = contents.length;
		gzip = gzipSync(contents).length;
		const target = join(file, '..');
		mkdirSync(target, { recursive: true });
		writeFileSync(file, contents);
	}
	return { file, bytes, gzip, sdk, packages };
}

/** In a process of its own, with the time that Node itself takes to start left out. */
function importTime(file: string): { ms: number; cpuMs: number } {
	const run = spawnSync(process.execPath, ['--input-type=module', '-e', MEASURE, file], {
		env: { ...FUNCTION_ENVIRONMENT },
		encoding: 'utf8',
	});
	if (run.status !== 0) throw new Error(`The bundle ${file} cannot be imported: ${run.stderr}`);
	return JSON.parse(run.stdout.trim().split('\n').at(-1) ?? '') as { ms: number; cpuMs: number };
}

const kb = (bytes: number): number => round(bytes / 1024, 1);
