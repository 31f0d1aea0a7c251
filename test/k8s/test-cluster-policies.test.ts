/** What stands in for a policy engine on the test cluster: the rules that it makes of policies, pods and namespaces. */
import type * as k8s from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { clonePolicy, denyAll } from '../../k8s/platform/network-policies.ts';
import { DEFAULT_PLATFORM_SETTINGS } from '../../k8s/platform/settings.ts';
import { type ClusterView, matches, nftRules } from '../real/cluster/nft-rules.ts';

const NODE = ['198.18.0.1'];
const pod = (name: string, namespace: string, ip: string, labels: Record<string, string>, phase = 'Running'): k8s.V1Pod => ({
	metadata: { name, namespace, uid: name, labels },
	spec: { containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
	status: { podIP: ip, phase },
});
const CLONE = { 'app.kubernetes.io/name': 'clone', 'app.kubernetes.io/managed-by': 'clone-service' };
const namespace = (name: string): k8s.V1Namespace => ({ metadata: { name, labels: { 'kubernetes.io/metadata.name': name } } });
const view = (policies: readonly object[], more: readonly k8s.V1Pod[] = []): ClusterView => ({
	namespaces: ['clones', 'traefik', 'kube-system'].map(namespace),
	pods: [pod('one', 'clones', '10.244.0.5', CLONE), pod('ingress', 'traefik', '10.244.0.2', { app: 'traefik' }), ...more],
	// As the API client reads them: `from` is called `_from` there, `except` `_except`.
	policies: policies.map(
		(policy) =>
			JSON.parse(JSON.stringify(policy).replaceAll('"from":', '"_from":').replaceAll('"except":', '"_except":')) as k8s.V1NetworkPolicy,
	),
});
const settings = { ...DEFAULT_PLATFORM_SETTINGS, cloneImage: 'any' };
const both = [denyAll(settings), clonePolicy(settings)];

/** The rules of one chain, spaces made single. */
function chain(rules: string, name: string): string[] {
	const body = new RegExp(`chain ${name} \\{\\n([^}]*(?:\\{[^}]*\\}[^}]*)*?)\\n\\t\\}`).exec(rules)?.[1];
	if (body === undefined) throw new Error(`There is no chain ${name}.`);
	return body.split('\n').map((line) => line.trim().replaceAll(/\s+/g, ' '));
}

describe('the rules for a clone', () => {
	it('let in nobody but the ingress controller’s pods, on the web server’s port', () => {
		const rules = nftRules(view(both), NODE);
		expect(chain(rules, 'in_one')).toEqual(['ip saddr { 10.244.0.2 } tcp dport 8080 return', 'meta l4proto udp reject', 'drop']);
	});

	it('let out to public addresses on the web’s ports, and to name servers where there are any', () => {
		const out = chain(nftRules(view(both), NODE), 'out_one');
		const open = out.filter((line) => line.endsWith('return'));
		expect(open).toHaveLength(2);
		for (const [line, port] of open.map((line, at) => [line, [80, 443][at]] as const)) {
			expect(line).toMatch(new RegExp(`^ip daddr 0\\.0\\.0\\.0/0 .* tcp dport ${port} return$`));
			for (const closed of ['10.0.0.0/8', '169.254.0.0/16', '192.168.0.0/16', '172.16.0.0/12', '127.0.0.0/8']) {
				expect(line).toContain(`ip daddr != ${closed}`);
			}
		}
		const dns = pod('dns', 'kube-system', '10.244.0.9', { 'k8s-app': 'kube-dns' });
		expect(chain(nftRules(view(both, [dns]), NODE), 'out_one')).toEqual(
			expect.arrayContaining(['ip daddr { 10.244.0.9 } udp dport 53 return', 'ip daddr { 10.244.0.9 } tcp dport 53 return']),
		);
	});

	it('end in a drop in both directions with nothing allowed', () => {
		const rules = nftRules(view([denyAll(settings)]), NODE);
		for (const name of ['in_one', 'out_one']) expect(chain(rules, name)).toEqual(['meta l4proto udp reject', 'drop']);
	});

	it('are asked for every packet to or from it, and for no other pod’s', () => {
		const rules = nftRules(view(both, [pod('ended', 'clones', '10.244.0.7', CLONE, 'Failed')]), NODE);
		expect(rules).toContain('ip daddr 10.244.0.5 jump in_one');
		expect(rules).toContain('ip saddr 10.244.0.5 jump out_one');
		expect(rules).not.toContain('10.244.0.7');
		expect(rules).not.toContain('jump in_ingress');
	});

	it('are none without a policy', () => {
		expect(nftRules(view([]), NODE)).not.toContain('jump');
	});
});

it('selectors match by labels and by expressions', () => {
	expect(matches({}, { a: '1' })).toBe(true);
	expect(matches({ matchLabels: { a: '1' } }, { a: '2' })).toBe(false);
	const expression = (operator: string, values?: string[]) => matches({ matchExpressions: [{ key: 'a', operator, values }] }, { a: '1' });
	expect(['In', 'NotIn'].map((operator) => expression(operator, ['1', '2']))).toEqual([true, false]);
	expect(['Exists', 'DoesNotExist'].map((operator) => expression(operator))).toEqual([true, false]);
	expect(() => expression('Near')).toThrow(/unknown operator Near/);
});
