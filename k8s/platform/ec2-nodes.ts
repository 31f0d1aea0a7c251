/** What Karpenter makes nodes from on EC2, and the pool for the service's own workers. */
import type { SpecManifest } from '../types.ts';
import { EC2_NODES } from './settings.ts';

export interface Ec2NodeClassSettings {
	/** Name, not ARN. */
	readonly nodeRoleName: string;
	/** e.g. `al2023@latest` or `al2023@v20260715`. */
	readonly image: string;
	readonly subnetIds: readonly string[];
	readonly securityGroupId: string;
	readonly tags: Readonly<Record<string, string>>;
}

/**
 * More pods than a node has single addresses for: goes together with prefix delegation of the network add-on, which
 * Karpenter does not know of. 110 is Kubernetes' own limit; memory ends it earlier.
 */
const MAX_PODS = 58;

export function ec2NodeClass(settings: Ec2NodeClassSettings): SpecManifest<object> {
	return {
		apiVersion: 'karpenter.k8s.aws/v1',
		kind: EC2_NODES.nodeClass.kind,
		metadata: { name: EC2_NODES.nodeClass.name },
		spec: {
			role: settings.nodeRoleName,
			amiSelectorTerms: [{ alias: settings.image }],
			subnetSelectorTerms: settings.subnetIds.map((id) => ({ id })),
			securityGroupSelectorTerms: [{ id: settings.securityGroupId }],
			// One hop: the node itself, none of its pods.
			metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1, httpProtocolIPv6: 'disabled' },
			blockDeviceMappings: [
				{
					deviceName: '/dev/xvda',
					ebs: { volumeSize: '40Gi', volumeType: 'gp3', throughput: 250, encrypted: true, deleteOnTermination: true },
				},
			],
			kubelet: { maxPods: MAX_PODS },
			tags: settings.tags,
		},
	};
}

/** For the consumers of `worker: "eks"`: the system nodes have no room for twenty. They can move, so nodes are packed. */
export function consumerNodePool(): SpecManifest<object> {
	return {
		apiVersion: 'karpenter.sh/v1',
		kind: 'NodePool',
		metadata: { name: 'consumers' },
		spec: {
			weight: 1,
			template: {
				metadata: { labels: { workload: 'consumer' } },
				spec: {
					nodeClassRef: EC2_NODES.nodeClass,
					requirements: EC2_NODES.bufferRequirements,
					expireAfter: '168h',
				},
			},
			disruption: { consolidationPolicy: 'WhenEmptyOrUnderutilized', consolidateAfter: '5m' },
			limits: { cpu: '16', memory: '32Gi' },
		},
	};
}
