/** Karpenter's node pools, and the pause pods that keep nodes free. */
import { BUFFER_PRIORITY, CLONE_NODES } from '../labels.ts';
import type { SpecManifest, Workload } from '../types.ts';
import { restrictedContainer, restrictedPod } from './restricted-pod.ts';
import type { NodeRequirement, NodeSettings, PlatformSettings } from './settings.ts';

const BUFFER = 'clone-buffer';
const TAINT = { key: CLONE_NODES.key, value: CLONE_NODES.value, effect: 'NoSchedule' } as const;

type NodePool = SpecManifest<object>;

/** General nodes for clones, and the small ones of the buffer, which are preferred (weight) while they have room. */
export function nodePools(nodes: NodeSettings): NodePool[] {
	return [
		nodePool('clones', nodes, { weight: 10, labels: {}, requirements: nodes.cloneRequirements, limits: nodes.limits }),
		nodePool(BUFFER, nodes, { weight: 100, labels: { pool: BUFFER }, requirements: nodes.bufferRequirements, limits: nodes.limits }),
	];
}

function nodePool(
	name: string,
	nodes: NodeSettings,
	pool: {
		weight: number;
		labels: Readonly<Record<string, string>>;
		requirements: readonly NodeRequirement[];
		limits: NodeSettings['limits'];
	},
): NodePool {
	return {
		apiVersion: 'karpenter.sh/v1',
		kind: 'NodePool',
		metadata: { name },
		spec: {
			weight: pool.weight,
			template: {
				metadata: { labels: { [CLONE_NODES.key]: CLONE_NODES.value, ...pool.labels } },
				spec: {
					nodeClassRef: nodes.nodeClass,
					taints: [TAINT],
					requirements: pool.requirements,
					expireAfter: '168h',
					// As long as a clone may live, with an hour to spare: without it a node that holds one would never be replaced.
					terminationGracePeriod: '25h',
				},
			},
			// Clones cannot move, so only empty nodes go.
			disruption: { consolidationPolicy: 'WhenEmpty', consolidateAfter: nodes.emptyFor },
			limits: pool.limits,
		},
	};
}

/** One pause pod a node. A clone that needs the room pushes one out; Karpenter then makes a new node for it. */
export function bufferDeployment(settings: PlatformSettings, nodes: NodeSettings): Workload {
	const labels = { app: BUFFER };
	const { cpu, memory } = nodes.bufferPod;
	return {
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { name: BUFFER, namespace: settings.systemNamespace },
		spec: {
			replicas: nodes.buffer,
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					...restrictedPod,
					priorityClassName: BUFFER_PRIORITY,
					terminationGracePeriodSeconds: 0,
					nodeSelector: { pool: BUFFER },
					tolerations: [TAINT],
					affinity: {
						podAntiAffinity: {
							requiredDuringSchedulingIgnoredDuringExecution: [
								{ topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } },
							],
						},
					},
					containers: [
						{
							name: 'pause',
							image: settings.pauseImage,
							imagePullPolicy: 'IfNotPresent',
							resources: { requests: { cpu, memory }, limits: { memory } },
							securityContext: restrictedContainer,
						},
					],
				},
			},
		},
	};
}

/** Has every clone node pull the clone image as soon as it joins: an image pull is most of a cold start. */
export function prePullDaemonSet(settings: PlatformSettings, onDedicatedNodes: boolean): Workload {
	const labels = { app: 'clone-image' };
	const small = { requests: { cpu: '5m', memory: '8Mi' }, limits: { memory: '32Mi' } };
	return {
		apiVersion: 'apps/v1',
		kind: 'DaemonSet',
		metadata: { name: 'clone-image', namespace: settings.systemNamespace },
		spec: {
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					...restrictedPod,
					terminationGracePeriodSeconds: 0,
					...(onDedicatedNodes ? { nodeSelector: { [CLONE_NODES.key]: CLONE_NODES.value }, tolerations: [TAINT] } : {}),
					initContainers: [
						{
							name: 'pull',
							image: settings.cloneImage,
							imagePullPolicy: 'IfNotPresent',
							command: ['true'],
							resources: small,
							securityContext: restrictedContainer,
						},
					],
					containers: [
						{
							name: 'pause',
							image: settings.pauseImage,
							imagePullPolicy: 'IfNotPresent',
							resources: small,
							securityContext: restrictedContainer,
						},
					],
				},
			},
		},
	};
}
