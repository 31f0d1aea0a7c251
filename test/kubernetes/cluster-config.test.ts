import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { clusterConfig } from '../../adapters/kubernetes/cluster-config.ts';
import { PermanentError } from '../../core/errors.ts';

const dir = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const file = (content: string): string => {
	const path = join(dir, `${Math.random().toString(36).slice(2)}.yaml`);
	writeFileSync(path, content);
	return path;
};

describe('a kubeconfig', () => {
	it.each([
		['that is not there', join(dir, 'none.yaml')],
		['that is no YAML', file('{ [')],
		['that is empty', file('{}')],
		['without a current context', file('apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\n')],
	])('%s is refused in one sentence that names it', (_what, path) => {
		const open = (): unknown => clusterConfig({ kind: 'kubeconfig', path });
		expect(open).toThrow(PermanentError);
		expect(open).toThrow(path);
		expect(open).toThrow(/Set KUBECONFIG/);
	});

	it('gives way to an endpoint, an authority and a token that is asked for each time', async () => {
		let asked = 0;
		const config = clusterConfig({
			kind: 'token',
			server: 'https://cluster.example',
			caData: 'Y2E=',
			token: async () => {
				asked += 1;
				return `token-${asked}`;
			},
		});
		const options: { headers?: Record<string, string> } = {};
		await config.applyToHTTPSOptions(options);
		expect(options.headers).toMatchObject({ Authorization: 'Bearer token-1' });
		await config.applyToHTTPSOptions(options);
		expect(options.headers).toMatchObject({ Authorization: 'Bearer token-2' });
	});
});
