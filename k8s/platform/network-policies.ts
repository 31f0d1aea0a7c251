import { CLONE_LABELS, CLONE_PORT } from '../labels.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from '../types.ts';
import type { PlatformSettings } from './settings.ts';

/** What is not the public internet, by IANA's special-purpose registries; 169.254.0.0/16 holds the metadata services. */
export const CLOSED_V4 = [
	'0.0.0.0/8',
	'10.0.0.0/8',
	'100.64.0.0/10',
	'127.0.0.0/8',
	'169.254.0.0/16',
	'172.16.0.0/12',
	'192.0.0.0/24',
	'192.168.0.0/16',
	'198.18.0.0/15',
	'224.0.0.0/4',
	'240.0.0.0/4',
] as const;
const OPEN_V6 = '2000::/3';
const CLOSED_V6 = ['2001::/23', '2001:db8::/32', '2002::/16'] as const;

/** Nothing goes in or out of any pod of the namespace but by another policy. */
export function denyAll(settings: PlatformSettings): NetworkPolicy {
	return {
		apiVersion: 'networking.k8s.io/v1',
		kind: 'NetworkPolicy',
		metadata: { name: 'deny-all', namespace: settings.namespace },
		spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'] },
	};
}

/** A clone: in from the ingress controller; out to name servers and to public addresses on the web's ports. */
export function clonePolicy(settings: PlatformSettings): NetworkPolicy {
	const namespace = (name: string): NetworkPolicyPeer['namespaceSelector'] => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });
	const { mysql } = settings;
	return {
		apiVersion: 'networking.k8s.io/v1',
		kind: 'NetworkPolicy',
		metadata: { name: 'clones', namespace: settings.namespace },
		spec: {
			podSelector: { matchLabels: CLONE_LABELS },
			policyTypes: ['Ingress', 'Egress'],
			ingress: [{ from: [{ namespaceSelector: namespace(settings.ingressNamespace) }], ports: [{ port: CLONE_PORT, protocol: 'TCP' }] }],
			egress: [
				{
					to: [{ namespaceSelector: namespace('kube-system'), podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }],
					ports: [
						{ port: 53, protocol: 'UDP' },
						{ port: 53, protocol: 'TCP' },
					],
				},
				{
					to: [{ ipBlock: { cidr: '0.0.0.0/0', except: [...CLOSED_V4] } }, { ipBlock: { cidr: OPEN_V6, except: [...CLOSED_V6] } }],
					ports: [
						{ port: 80, protocol: 'TCP' },
						{ port: 443, protocol: 'TCP' },
					],
				},
				...(mysql === null ? [] : [{ to: [{ ipBlock: { cidr: mysql.cidr } }], ports: [{ port: mysql.port, protocol: 'TCP' as const }] }]),
			],
		},
	};
}
