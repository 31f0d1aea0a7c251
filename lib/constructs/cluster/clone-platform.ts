/**
 * What stands in the cluster before the first clone; every manifest is built in k8s/.
 *
 * The order counts when it is taken down, too, which goes backwards: namespaces first, and with them all clones; then the
 * node pools, whose deletion waits until their nodes are empty; then Karpenter.
 */
import type { Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Cluster } from 'aws-cdk-lib/aws-eks-v2';
import type { Role } from 'aws-cdk-lib/aws-iam';
import { Construct, type IDependable } from 'constructs';
import { apiRole, apiRoleBinding } from '../../../k8s/platform/api-role.ts';
import { consumerNodePool, ec2NodeClass } from '../../../k8s/platform/ec2-nodes.ts';
import { platformManifests } from '../../../k8s/platform/index.ts';
import { DEFAULT_PLATFORM_SETTINGS, EC2_NODES, type PlatformSettings } from '../../../k8s/platform/settings.ts';
import type { Manifest } from '../../../k8s/types.ts';
import { API_GROUP, INGRESS_NAMESPACE, PRODUCT, WORKER_GROUP } from '../../names.ts';
import type { StageConfig } from '../../stage-config.ts';

/** Of the system namespace: where the consumers are. */
export const CONSUMER_ACCOUNT = 'consumer';
export const CLONE_NAMESPACE = DEFAULT_PLATFORM_SETTINGS.namespace;
export const SYSTEM_NAMESPACE = DEFAULT_PLATFORM_SETTINGS.systemNamespace;

export interface ClonePlatformProps {
	readonly cluster: Cluster;
	readonly vpc: Vpc;
	readonly nodeRole: Role;
	readonly cloneImage: string;
	readonly config: StageConfig;
	/** The one private address range and port that clones reach. */
	readonly mysql: { readonly cidr: string; readonly port: number } | null;
	readonly karpenter: IDependable;
}

export class ClonePlatform extends Construct {
	readonly ready: IDependable;

	constructor(scope: Construct, id: string, props: ClonePlatformProps) {
		super(scope, id);
		const { cluster, config } = props;
		const settings = platformSettings(props);
		const all = platformManifests(settings);
		const ofNodes = [
			ec2NodeClass({
				nodeRoleName: props.nodeRole.roleName,
				image: config.nodeImage,
				subnetIds: props.vpc.privateSubnets.map(({ subnetId }) => subnetId),
				securityGroupId: cluster.clusterSecurityGroupId,
				tags: { application: PRODUCT, stage: config.stage },
			}),
			...all.filter(({ kind }) => kind === 'NodePool'),
			...(config.worker === 'eks' ? [consumerNodePool()] : []),
		];
		const nodes = cluster.addManifest('Nodes', ...ofNodes.map(plain));
		nodes.node.addDependency(props.karpenter);
		const rest = [...all.filter(({ kind }) => kind !== 'NodePool'), apiRole(settings), apiRoleBinding(settings, API_GROUP)];
		const platform = cluster.addManifest('Platform', ...rest.map(plain));
		platform.node.addDependency(nodes);
		this.ready = platform;
	}
}

function platformSettings({ config, cloneImage, mysql }: ClonePlatformProps): PlatformSettings {
	const { quota } = DEFAULT_PLATFORM_SETTINGS;
	return {
		...DEFAULT_PLATFORM_SETTINGS,
		ingressNamespace: INGRESS_NAMESPACE,
		quota: { ...quota, pods: config.maxClones },
		workers: [{ group: WORKER_GROUP }, { serviceAccount: CONSUMER_ACCOUNT, namespace: SYSTEM_NAMESPACE }],
		mysql,
		cloneImage,
		nodes: { ...EC2_NODES, buffer: config.bufferNodes },
	};
}

/** The construct takes open records. */
function plain(manifest: Manifest): Record<string, unknown> {
	return { ...manifest };
}
