/** The bundles as the stacks build them. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { BUNDLE_OPTIONS, CONSUMER_BUNDLE, LAMBDA_BUNDLES } from '../../lambdas/bundles.ts';

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
		});
		const code = built.outputFiles.filter(({ path }) => path.endsWith('.js')).map(({ text }) => text);
		expect(code).toHaveLength(2);
		for (const text of code) {
			expect(text).toContain('TransactWriteItemsCommand');
			expect(text).not.toMatch(/\bScanCommand\b/);
		}
	});

	it.each([...Object.values(LAMBDA_BUNDLES), CONSUMER_BUNDLE])('$entry and the files it reads are there', ({ entry, files }) => {
		for (const path of [entry, ...Object.keys(files)]) expect(existsSync(resolve(root, path)), path).toBe(true);
	});
});
