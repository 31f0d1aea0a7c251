/** The bundles as the stacks build them. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { BUNDLE_OPTIONS, CONSUMER_BUNDLE, LAMBDA_BUNDLES } from '../../lambdas/bundles.ts';
import { API_ENVIRONMENT, callerEvent } from './support.ts';

const root = resolve(import.meta.dirname, '../..');

async function packagesIn(entry: string): Promise<Map<string, number>> {
	const built = await build({
		...BUNDLE_OPTIONS,
		mainFields: [...BUNDLE_OPTIONS.mainFields],
		absWorkingDir: root,
		entryPoints: [entry],
		outdir: '/nowhere',
		write: false,
		metafile: true,
	});
	const packages = new Map<string, number>();
	for (const { inputs } of Object.values(built.metafile.outputs)) {
		for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
			const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? 'own';
			packages.set(name, (packages.get(name) ?? 0) + bytesInOutput);
		}
	}
	return packages;
}

/** The document client's own, one of them over a scan, are kept by esbuild though nothing uses them. Asking for one ends the build. */
const WITHOUT_PAGINATORS: Plugin = {
	name: 'without-paginators',
	setup: ({ onLoad }) => onLoad({ filter: /lib-dynamodb\/dist-es\/pagination\/index\.js$/ }, () => ({ contents: 'export {};' })),
};

describe('the bundles', () => {
	it('the API has no Kubernetes client in it, no fetch of its own, no tracer, and stays below 250 KiB beside the AWS SDK', async () => {
		const packages = await packagesIn(LAMBDA_BUNDLES.api.entry);
		const names = [...packages].filter(([, bytes]) => bytes > 0).map(([name]) => name);
		expect(names).toContain('@aws-sdk/client-dynamodb');
		expect(names.filter((name) => /^@kubernetes|^undici$|^@php-wasm|xray|tracer/.test(name))).toEqual([]);
		const own = [...packages].filter(([name]) => !/^(@aws-sdk|@smithy|@aws-crypto)\/|^bowser$/.test(name));
		expect(own.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThan(250 * 1024);
	});

	it('the worker has the Kubernetes client and the tracer', async () => {
		const packages = await packagesIn(LAMBDA_BUNDLES.worker.entry);
		expect(packages.get('@kubernetes/client-node')).toBeGreaterThan(0);
		expect(packages.get('@aws-lambda-powertools/tracer')).toBeGreaterThan(0);
	});

	it('nothing at run time reads the whole table', async () => {
		const built = await build({
			...BUNDLE_OPTIONS,
			mainFields: [...BUNDLE_OPTIONS.mainFields],
			minify: false,
			absWorkingDir: root,
			entryPoints: [LAMBDA_BUNDLES.api.entry, LAMBDA_BUNDLES.sweep.entry],
			outdir: '/nowhere',
			write: false,
			plugins: [WITHOUT_PAGINATORS],
		});
		const code = built.outputFiles.filter(({ path }) => path.endsWith('.js')).map(({ text }) => text);
		expect(code).toHaveLength(2);
		for (const text of code) {
			expect(text).toContain('TransactWriteItemsCommand');
			expect(text).not.toMatch(/\bScanCommand\b/);
		}
	});

	it('the API runs as it is laid out: its open routes answer, with the files beside it', async () => {
		const folder = mkdtempSync(join(tmpdir(), 'api-bundle-'));
		try {
			const { entry, files } = LAMBDA_BUNDLES.api;
			const outfile = join(folder, 'index.mjs');
			await build({ ...BUNDLE_OPTIONS, mainFields: [...BUNDLE_OPTIONS.mainFields], absWorkingDir: root, entryPoints: [entry], outfile });
			for (const [from, to] of Object.entries(files)) cpSync(resolve(root, from), join(folder, to), { dereference: true });
			const events = ['/health', '/openapi.json', '/docs', '/docs/swagger-ui.css', '/docs/index.mjs', '/api/v2/jobs'].map((path) =>
				callerEvent('GET', path, undefined, { identity: {} }),
			);
			const script = `const { handler } = await import(process.argv[1]);
				const answers = [];
				for (const event of JSON.parse(process.argv[2])) answers.push(await handler(event, { awsRequestId: '1' }));
				process.stdout.write(JSON.stringify(answers), () => process.exit(0));`;
			const run = spawnSync(process.execPath, ['--input-type=module', '-e', script, outfile, JSON.stringify(events)], {
				env: API_ENVIRONMENT,
				encoding: 'utf8',
				maxBuffer: 10 * 1024 * 1024,
			});
			expect(run.stderr).toBe('');
			const answers = JSON.parse(run.stdout) as { statusCode: number; body: string; headers: Record<string, string> }[];
			expect(answers.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200, 404, 401]);
			expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ status: 'ok' });
			expect(Buffer.from(answers[3]?.body ?? '', 'base64').toString()).toContain('.swagger-ui');
		} finally {
			rmSync(folder, { recursive: true });
		}
	});

	it.each([...Object.values(LAMBDA_BUNDLES), CONSUMER_BUNDLE])('$entry and the files it reads are there', ({ entry, files }) => {
		for (const path of [entry, ...Object.keys(files)]) expect(existsSync(resolve(root, path)), path).toBe(true);
	});
});
