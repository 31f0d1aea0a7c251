/** What is wrong with the cluster, or with the way to it, is said in one sentence before anything is accepted. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RbacAuthorizationV1Api } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CloneApi } from '../../../adapters/kubernetes/clone-api.ts';
import { checkCluster } from '../../../adapters/kubernetes/cluster-check.ts';
import { clusterConfig } from '../../../adapters/kubernetes/cluster-config.ts';
import { startService } from '../../../bin/demo/service-process.ts';
import { workerRole } from '../../../k8s/platform/rbac.ts';
import { DEFAULT_PLATFORM_SETTINGS } from '../../../k8s/platform/settings.ts';
import { admin, leftovers, manifestSettings, workerHost } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { kubernetesArgs, until } from './support/service.ts';

interface KubeConfigFile {
	clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
	users: [{ user: { token: string } }];
}

const dir = mkdtempSync(join(tmpdir(), 'clone-k8s-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The worker's kubeconfig with something changed. @returns its path */
function changed(name: string, change: (config: KubeConfigFile) => void): string {
	const config: KubeConfigFile = JSON.parse(readFileSync(testEnvironment().workerKubeconfig, 'utf8'));
	change(config);
	const file = join(dir, name);
	writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
	return file;
}

/** What the service prints. @throws AssertionError unless it ends at once, and with one line */
async function started(more: Readonly<Record<string, string>>): Promise<string> {
	const lines: string[] = [];
	const failed = startService(mkdtempSync(join(dir, 'data-')), kubernetesArgs(more), (line) => lines.push(line));
	await expect(failed).rejects.toThrow(/ended with 1/);
	expect(lines).toHaveLength(1);
	return lines[0] ?? '';
}

describe('the service says at its start', () => {
	it('that there is no such kubeconfig', async () => {
		expect(await started({ kubeconfig: '/nowhere/kubeconfig' })).toMatch(/^\/nowhere\/kubeconfig does not name a cluster/);
	});

	it('that the kubeconfig is none', async () => {
		const file = join(dir, 'not-a-kubeconfig');
		writeFileSync(file, 'clusters: {{{');
		expect(await started({ kubeconfig: file })).toMatch(/does not name a cluster and a user\. Set KUBECONFIG/);
	});

	it('that no cluster answers', async () => {
		const file = changed('no-cluster', ({ clusters: [{ cluster }] }) => {
			cluster.server = 'https://127.0.0.1:1';
		});
		expect(await started({ kubeconfig: file })).toMatch(/API does not answer\. Check its address/);
	});

	it('that it is another cluster than was expected', async () => {
		const file = changed('other-authority', ({ clusters: [{ cluster }] }) => {
			// Valid, and nobody's authority here.
			cluster['certificate-authority-data'] = Buffer.from(OTHER_AUTHORITY).toString('base64');
		});
		expect(await started({ kubeconfig: file })).toMatch(/certificate is not the one that was expected/);
	});

	it('that its login is refused', async () => {
		const file = changed('other-token', ({ users: [{ user }] }) => {
			user.token = `${user.token.slice(0, -8)}AAAAAAAA`;
		});
		expect(await started({ kubeconfig: file })).toMatch(/refused the service's login/);
	});

	it('that the namespace is missing', async () => {
		const { adminKubeconfig } = testEnvironment();
		expect(await started({ kubeconfig: adminKubeconfig, namespace: 'nowhere' })).toMatch(/has no namespace nowhere\. Apply/);
	});

	it('which right it lacks', async () => {
		expect(await started({ namespace: 'default' })).toMatch(/may not list the Jobs in namespace default\. Bind it/);
	});
});

describe('a Role that lacks one verb', () => {
	const rights = workerRole({ ...DEFAULT_PLATFORM_SETTINGS, cloneImage: 'any' }).rules.flatMap((rule) =>
		rule.resources.flatMap((resource) => rule.verbs.map((verb) => ({ group: rule.apiGroups[0] ?? '', resource, verb }))),
	);
	const { namespace, adminKubeconfig } = testEnvironment();
	// A run that was cut off may have left its own.
	const account = { name: `lacks-a-verb-${randomUUID().slice(0, 8)}`, namespace };
	let kubeconfig: string;
	const rbac = clusterConfig({ kind: 'kubeconfig', path: adminKubeconfig }).makeApiClient(RbacAuthorizationV1Api);

	beforeAll(async () => {
		const { core } = admin();
		await core.createNamespacedServiceAccount({ namespace, body: { metadata: account } });
		const { status } = await core.createNamespacedServiceAccountToken({
			...account,
			body: { spec: { audiences: [], expirationSeconds: 3600 } },
		});
		kubeconfig = changed('lacks-a-verb', ({ users: [{ user }] }) => {
			user.token = status?.token ?? '';
		});
		await rbac.createNamespacedRole({ namespace, body: { metadata: account, rules: [] } });
		await rbac.createNamespacedRoleBinding({
			namespace,
			body: {
				metadata: account,
				roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account.name },
				subjects: [{ kind: 'ServiceAccount', ...account }],
			},
		});
	});
	afterAll(async () => {
		await rbac.deleteNamespacedRoleBinding(account);
		await rbac.deleteNamespacedRole(account);
		await admin().core.deleteNamespacedServiceAccount(account);
	});

	/** @returns what the check says with these rights; undefined when nothing is wrong */
	const said = async (allowed: typeof rights): Promise<string | undefined> => {
		const rules = allowed.map(({ group, resource, verb }) => ({ apiGroups: [group], resources: [resource], verbs: [verb] }));
		await rbac.replaceNamespacedRole({ ...account, body: { metadata: account, rules } });
		const config = clusterConfig({ kind: 'kubeconfig', path: kubeconfig });
		try {
			await checkCluster(new CloneApi({ config, namespace }), manifestSettings());
			return undefined;
		} catch (error) {
			return error instanceof Error ? error.message : String(error);
		} finally {
			await config.close();
		}
	};

	it('is complained about in one sentence, whichever it is', async () => {
		expect(rights).toHaveLength(16);
		// The server takes a moment to heed a changed Role.
		await until(async () => (await said(rights)) === undefined);
		for (const missing of rights) {
			let sentence: string | undefined;
			await until(async () => {
				sentence = await said(rights.filter((right) => right !== missing));
				return sentence !== undefined;
			});
			expect(`${missing.verb} ${missing.resource}: ${sentence}`).toMatch(
				/: The service may not [a-z' ]+ [A-Za-z' ]+ in namespace clones\. Bind it to the Role clone-workers/,
			);
		}
	});

	it('leaves nothing behind, and the whole Role is enough', async () => {
		const { api, config } = workerHost();
		await expect(checkCluster(api, manifestSettings())).resolves.toBeUndefined();
		await config.close();
		expect(await leftovers('slot-check')).toEqual([]);
	});
});

/** A certificate made for nothing but this test; its key was thrown away. */
const OTHER_AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBjjCCATWgAwIBAgIUfeCHEcX/W8OCB7v4uYtt4DA7CT8wCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRYW5vdGhlci1hdXRob3JpdHkwIBcNMjYxMTIxMTI0NTQwWhgP
MjEyNjEwMjgxMjQ1NDBaMBwxGjAYBgNVBAMMEWFub3RoZXItYXV0aG9yaXR5MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+FF8ORWEFdHqig+3U2upvQguahQ4OvRz
JdtdB+ufPuXZ+MvovStU71o5EIaWsnvAF9nf7yamnyeMSNLcydlnR6NTMFEwHQYD
VR0OBBYEFKLrLA7cfJ/1U/8TrarkUJDG2d32MB8GA1UdIwQYMBaAFKLrLA7cfJ/1
U/8TrarkUJDG2d32MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIg
ZFJuazpYIEF9BCy77atmhqEsxg/dQI52qiBAvBSSocwCIDKaNeaTeErai+PSBJXg
GD+mgXxM70/ZOgu2qHAZKldy
-----END CERTIFICATE-----
`;
