/**
 * Life cycle: cluster → network add-ons → system nodes → the add-ons that need a node. Everything that goes through
 * kubectl or Helm waits for `ready`.
 *
 * Gotchas: changing `bootstrapClusterCreatorAdminPermissions` replaces the cluster. Add-ons that EKS installs by itself
 * (network, proxy, name server) can only be taken over with `OVERWRITE`.
 */
import { KubectlV36Layer } from '@aws-cdk/lambda-layer-kubectl-v36';
import { Aws, RemovalPolicy } from 'aws-cdk-lib';
import {
	BlockDeviceVolume,
	EbsDeviceVolumeType,
	InstanceType,
	LaunchTemplate,
	LaunchTemplateHttpTokens,
	SubnetType,
	type Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { CfnAddon } from 'aws-cdk-lib/aws-eks';
import {
	AccessPolicy,
	AccessScopeType,
	Cluster,
	ClusterLoggingTypes,
	DefaultCapacityType,
	EndpointAccess,
	KubernetesVersion,
	NodegroupAmiType,
} from 'aws-cdk-lib/aws-eks-v2';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct, type IDependable } from 'constructs';

export interface ControlPlaneProps {
	readonly name: string;
	readonly vpc: Vpc;
	readonly systemInstance: string;
	readonly adminRoleArn: string | undefined;
	readonly logRetention: RetentionDays;
}

/** Karpenter's two replicas want two nodes in two zones. */
const SYSTEM_NODES = 2;

export class ControlPlane extends Construct {
	readonly cluster: Cluster;
	readonly ready: IDependable;

	constructor(scope: Construct, id: string, props: ControlPlaneProps) {
		super(scope, id);
		const { logRetention: retention } = props;
		const log = new LogGroup(this, 'Log', {
			logGroupName: `/aws/eks/${props.name}/cluster`,
			retention,
			removalPolicy: RemovalPolicy.DESTROY,
		});
		this.cluster = new Cluster(this, 'Cluster', {
			// A literal name keeps the keys of Karpenter's conditions literal.
			clusterName: props.name,
			version: KubernetesVersion.V1_36,
			vpc: props.vpc,
			vpcSubnets: [{ subnetType: SubnetType.PRIVATE_WITH_EGRESS }],
			// The worker is a Lambda function outside the network; the API server lets in who has an access entry.
			endpointAccess: EndpointAccess.PUBLIC_AND_PRIVATE,
			defaultCapacityType: DefaultCapacityType.NODEGROUP,
			defaultCapacity: 0,
			bootstrapClusterCreatorAdminPermissions: false,
			// Without a key of its own: since 1.28 EKS encrypts all that the API server stores with one of AWS's.
			clusterLogging: Object.values(ClusterLoggingTypes),
			kubectlProviderOptions: { kubectlLayer: new KubectlV36Layer(this, 'Kubectl') },
		});
		// EKS would make it, to be kept for ever.
		this.cluster.node.addDependency(log);
		limitLogs(this.cluster, retention);
		if (props.adminRoleArn !== undefined) {
			const everywhere = { accessScopeType: AccessScopeType.CLUSTER };
			this.cluster.grantAccess('Admin', props.adminRoleArn, [AccessPolicy.fromAccessPolicyName('AmazonEKSClusterAdminPolicy', everywhere)]);
		}
		const network = [
			this.#addon('vpc-cni', {
				enableNetworkPolicy: 'true',
				// Sixteen addresses at a time: a t3.medium then carries more pods than the 17 it has single addresses for.
				env: { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: '1' },
			}),
			this.#addon('kube-proxy'),
			this.#addon('eks-pod-identity-agent'),
		];
		const nodes = this.cluster.addNodegroupCapacity('System', {
			amiType: NodegroupAmiType.AL2023_X86_64_STANDARD,
			instanceTypes: [new InstanceType(props.systemInstance)],
			minSize: SYSTEM_NODES,
			desiredSize: SYSTEM_NODES,
			maxSize: SYSTEM_NODES + 1,
			nodeRole: nodeRole(this, 'SystemNodeRole'),
			launchTemplateSpec: this.#launchTemplate(),
			subnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
			labels: { workload: 'system' },
		});
		// The way out, too: a node that cannot reach the cluster and the registry does not join.
		nodes.node.addDependency(...network, props.vpc);
		const names = this.#addon('coredns');
		names.node.addDependency(nodes);
		this.ready = names;
	}

	#addon(name: string, values?: object): CfnAddon {
		return new CfnAddon(this, `Addon-${name}`, {
			addonName: name,
			clusterName: this.cluster.clusterName,
			resolveConflicts: 'OVERWRITE',
			...(values === undefined ? {} : { configurationValues: JSON.stringify(values) }),
		});
	}

	/** The metadata service is for the node, not for its pods: one hop. */
	#launchTemplate(): { id: string; version: string } {
		const template = new LaunchTemplate(this, 'SystemNodes', {
			httpTokens: LaunchTemplateHttpTokens.REQUIRED,
			httpPutResponseHopLimit: 1,
			blockDevices: [
				{
					deviceName: '/dev/xvda',
					volume: BlockDeviceVolume.ebs(30, { volumeType: EbsDeviceVolumeType.GP3, encrypted: true, deleteOnTermination: true }),
				},
			],
		});
		return { id: template.launchTemplateId ?? '', version: template.latestVersionNumber };
	}
}

/** CDK's functions for kubectl and Helm have logs without an end unless told otherwise. */
function limitLogs(scope: Construct, retention: RetentionDays): void {
	for (const node of scope.node.findAll()) {
		if (!(node instanceof CfnFunction)) continue;
		const log = new LogGroup(node, 'Log', { retention, removalPolicy: RemovalPolicy.DESTROY });
		node.addPropertyOverride('LoggingConfig.LogGroup', log.logGroupName);
	}
}

/**
 * What a node needs to join, to give addresses to pods and to pull images of this account (and no more of ECR). Nothing
 * for Session Manager, which nodes that run strangers' sites can do without: `kubectl debug node/NAME` opens a shell.
 */
export function nodeRole(scope: Construct, id: string): Role {
	const policies = ['AmazonEKSWorkerNodePolicy', 'AmazonEKS_CNI_Policy', 'AmazonEC2ContainerRegistryPullOnly'];
	return new Role(scope, id, {
		assumedBy: new ServicePrincipal(`ec2.${Aws.URL_SUFFIX}`),
		managedPolicies: policies.map((name) => ManagedPolicy.fromAwsManagedPolicyName(name)),
	});
}
