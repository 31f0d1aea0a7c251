/**
 * NetworkPolicy (networking.k8s.io/v1) as nftables rules for one node: a pure function of pods, namespaces and policies.
 * The test cluster has no network plugin that enforces policies; this stands in for one, by the letter of the API.
 *
 * A pod that some policy selects gets a chain for that direction: what any rule allows returns, the rest is dropped.
 * Rules see addresses after translation, so a Service is judged by the pods behind it.
 */
import type * as k8s from '@kubernetes/client-node';

export interface ClusterView {
	readonly pods: readonly k8s.V1Pod[];
	readonly namespaces: readonly k8s.V1Namespace[];
	readonly policies: readonly k8s.V1NetworkPolicy[];
}

type Labels = Readonly<Record<string, string>>;
type Direction = 'in' | 'out';
interface Peer {
	readonly ipBlock?: k8s.V1IPBlock;
	readonly namespaceSelector?: k8s.V1LabelSelector;
	readonly podSelector?: k8s.V1LabelSelector;
}

export function matches(selector: k8s.V1LabelSelector, labels: Labels = {}): boolean {
	const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
	return (
		exact &&
		(selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
			const value = labels[key];
			switch (operator) {
				case 'In':
					return value !== undefined && values.includes(value);
				case 'NotIn':
					return value === undefined || !values.includes(value);
				case 'Exists':
					return value !== undefined;
				case 'DoesNotExist':
					return value === undefined;
				default:
					throw new Error(`A selector has the unknown operator ${operator}.`);
			}
		})
	);
}

/** Pods with an address of their own. */
function live(view: ClusterView): k8s.V1Pod[] {
	return view.pods.filter(
		(pod) => pod.status?.podIP && !pod.spec?.hostNetwork && !['Succeeded', 'Failed'].includes(pod.status.phase ?? ''),
	);
}

/** What matches the other end; undefined: anyone. */
function peerMatches(
	peers: readonly Peer[] | undefined,
	policyNamespace: string,
	direction: Direction,
	view: ClusterView,
): string[] | undefined {
	if (!peers?.length) return undefined;
	const field = direction === 'in' ? 'ip saddr' : 'ip daddr';
	const found: string[] = [];
	const addresses = new Set<string>();
	for (const peer of peers) {
		if (peer.ipBlock) {
			// The client calls the field `_except` where the API says `except`.
			const block: { cidr: string; _except?: string[]; except?: string[] } = peer.ipBlock;
			const except = (block._except ?? block.except ?? []).map((cidr) => ` ${field} != ${cidr}`).join('');
			if (!block.cidr.includes(':')) found.push(`${field} ${block.cidr}${except}`);
			continue;
		}
		for (const pod of live(view)) {
			const name = pod.metadata?.namespace ?? '';
			const namespace = view.namespaces.find((one) => one.metadata?.name === name);
			const inNamespace = peer.namespaceSelector ? matches(peer.namespaceSelector, namespace?.metadata?.labels) : name === policyNamespace;
			if (inNamespace && (!peer.podSelector || matches(peer.podSelector, pod.metadata?.labels))) addresses.add(pod.status?.podIP ?? '');
		}
	}
	if (addresses.size > 0) found.push(`${field} { ${[...addresses].sort((a, b) => (a < b ? -1 : 1)).join(', ')} }`);
	return found;
}

/** What matches the ports; one empty string: any. Named ports are those of the pods the traffic goes to. */
function portMatches(ports: readonly k8s.V1NetworkPolicyPort[] | undefined, targets: readonly k8s.V1Pod[]): string[] {
	if (!ports?.length) return [''];
	return ports.flatMap(({ protocol = 'TCP', port, endPort }) => {
		const proto = protocol.toLowerCase();
		if (port === undefined) return [`meta l4proto ${proto}`];
		if (typeof port === 'number') return [`${proto} dport ${endPort === undefined ? port : `${port}-${endPort}`}`];
		const named = targets
			.flatMap((pod) => pod.spec?.containers.flatMap((container) => container.ports ?? []) ?? [])
			.filter((one) => one.name === port && (one.protocol ?? 'TCP') === protocol);
		return [...new Set(named.map((one) => one.containerPort))].map((number) => `${proto} dport ${number}`);
	});
}

function applies(policy: k8s.V1NetworkPolicy, pod: k8s.V1Pod, direction: Direction): boolean {
	const { spec } = policy;
	if (!spec || policy.metadata?.namespace !== pod.metadata?.namespace || !matches(spec.podSelector ?? {}, pod.metadata?.labels))
		return false;
	const types = spec.policyTypes ?? ['Ingress', ...(spec.egress ? ['Egress'] : [])];
	return types.includes(direction === 'in' ? 'Ingress' : 'Egress');
}

/**
 * Name servers of the test cluster are closed to clones, which would wait many seconds for each name: they are told at once.
 */
const REFUSE = ['\t\tmeta l4proto udp reject', '\t\tdrop'];

/** @param nodeAddresses always let in: the kubelet's probes come from there */
export function nftRules(view: ClusterView, nodeAddresses: readonly string[]): string {
	const chains: string[] = [];
	const jumps: Record<Direction, string[]> = { in: [], out: [] };
	for (const pod of live(view)) {
		for (const direction of ['in', 'out'] as const) {
			const policies = view.policies.filter((policy) => applies(policy, pod, direction));
			if (policies.length === 0) continue;
			const chain = `${direction}_${(pod.metadata?.uid ?? '').replaceAll('-', '')}`;
			const rules = policies.flatMap((policy) => {
				const namespace = policy.metadata?.namespace ?? '';
				const allowed =
					direction === 'in'
						? (policy.spec?.ingress ?? []).map((rule) => ({ peers: rule._from, ports: rule.ports, targets: [pod] }))
						: (policy.spec?.egress ?? []).map((rule) => ({ peers: rule.to, ports: rule.ports, targets: live(view) }));
				return allowed.flatMap(({ peers, ports, targets }) =>
					(peerMatches(peers, namespace, direction, view) ?? ['']).flatMap((peer) =>
						portMatches(ports, targets).map((port) => `\t\t${peer} ${port} return`),
					),
				);
			});
			chains.push(`\tchain ${chain} {\n${[...rules, ...REFUSE].join('\n')}\n\t}`);
			jumps[direction].push(`\t\tip ${direction === 'in' ? 'daddr' : 'saddr'} ${pod.status?.podIP} jump ${chain}`);
		}
	}
	const hook = (name: string, rules: readonly string[]): string =>
		[
			`\tchain ${name} {`,
			`\t\ttype filter hook ${name} priority 10; policy accept;`,
			'\t\tct state established,related accept',
			...rules,
			'\t}',
		].join('\n');
	const nodeIsExempt = `\t\tip saddr { ${nodeAddresses.join(', ')} } accept`;
	// forward: pod to pod (the bridge asks too) and pod to elsewhere. output: the node's own programs. input: pod to the node.
	const hooks = [hook('forward', [...jumps.in, ...jumps.out]), hook('output', [nodeIsExempt, ...jumps.in]), hook('input', jumps.out)];
	return ['table inet policies', 'delete table inet policies', 'table inet policies {', ...chains, ...hooks, '}', ''].join('\n');
}
