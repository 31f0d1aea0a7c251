/**
 * What Karpenter's controller may do, as its project publishes it for 1.14 (getting-started CloudFormation of the AWS
 * provider, v1.14, without the optional zonal shift): read what EC2 offers, and make, tag and end only what carries this
 * cluster's tags. Check it against the new version's before raising KARPENTER_VERSION.
 */
import { PolicyStatement, type PolicyStatementProps } from 'aws-cdk-lib/aws-iam';

export const KARPENTER_VERSION = '1.14.1';

export interface KarpenterPolicyInput {
	readonly partition: string;
	readonly region: string;
	readonly account: string;
	readonly clusterName: string;
	readonly nodeRoleArn: string;
	readonly interruptionQueueArn: string;
}

/** One managed policy each, by name. */
export function karpenterPolicies(input: KarpenterPolicyInput): Readonly<Record<string, readonly PolicyStatement[]>> {
	return {
		NodeLifecycle: nodeLifecycle(input).map(statement),
		IamIntegration: iamIntegration(input).map(statement),
		EksIntegration: [statement(describeCluster(input))],
		Interruption: [statement(interruption(input))],
		ResourceDiscovery: resourceDiscovery(input).map(statement),
	};
}

const statement = (props: PolicyStatementProps): PolicyStatement => new PolicyStatement(props);

const NODEPOOL_TAG = 'karpenter.sh/nodepool';
const NODECLASS_TAG = 'karpenter.k8s.aws/ec2nodeclass';
const CLUSTER_NAME_TAG = 'eks:eks-cluster-name';
const ownerTag = ({ clusterName }: KarpenterPolicyInput): string => `kubernetes.io/cluster/${clusterName}`;

function nodeLifecycle(input: KarpenterPolicyInput): PolicyStatementProps[] {
	const { partition, region, clusterName } = input;
	const public_ = (kind: string): string => `arn:${partition}:ec2:${region}::${kind}/*`;
	const any = (kind: string): string => `arn:${partition}:ec2:${region}:*:${kind}/*`;
	const made = ['fleet', 'instance', 'volume', 'network-interface', 'launch-template', 'spot-instances-request'].map(any);
	const ours = {
		StringEquals: { [`aws:ResourceTag/${ownerTag(input)}`]: 'owned' },
		StringLike: { [`aws:ResourceTag/${NODEPOOL_TAG}`]: '*' },
	};
	const taggedAsOurs = { [`aws:RequestTag/${ownerTag(input)}`]: 'owned', [`aws:RequestTag/${CLUSTER_NAME_TAG}`]: clusterName };
	return [
		{
			sid: 'AllowScopedEC2InstanceAccessActions',
			actions: ['ec2:RunInstances', 'ec2:CreateFleet'],
			resources: [
				...['image', 'snapshot'].map(public_),
				...['security-group', 'subnet', 'capacity-reservation', 'placement-group'].map(any),
			],
		},
		{
			sid: 'AllowScopedEC2LaunchTemplateAccessActions',
			actions: ['ec2:RunInstances', 'ec2:CreateFleet'],
			resources: [any('launch-template')],
			conditions: ours,
		},
		{
			sid: 'AllowScopedEC2InstanceActionsWithTags',
			actions: ['ec2:RunInstances', 'ec2:CreateFleet', 'ec2:CreateLaunchTemplate'],
			resources: made,
			conditions: { StringEquals: taggedAsOurs, StringLike: { [`aws:RequestTag/${NODEPOOL_TAG}`]: '*' } },
		},
		{
			sid: 'AllowScopedResourceCreationTagging',
			actions: ['ec2:CreateTags'],
			resources: made,
			conditions: {
				StringEquals: { ...taggedAsOurs, 'ec2:CreateAction': ['RunInstances', 'CreateFleet', 'CreateLaunchTemplate'] },
				StringLike: { [`aws:RequestTag/${NODEPOOL_TAG}`]: '*' },
			},
		},
		{
			sid: 'AllowScopedResourceTagging',
			actions: ['ec2:CreateTags'],
			resources: [any('instance')],
			conditions: {
				...ours,
				StringEqualsIfExists: { [`aws:RequestTag/${CLUSTER_NAME_TAG}`]: clusterName },
				'ForAllValues:StringEquals': { 'aws:TagKeys': [CLUSTER_NAME_TAG, 'karpenter.sh/nodeclaim', 'Name'] },
			},
		},
		{
			sid: 'AllowScopedDeletion',
			actions: ['ec2:TerminateInstances', 'ec2:DeleteLaunchTemplate'],
			resources: [any('instance'), any('launch-template')],
			conditions: ours,
		},
	];
}

function iamIntegration(input: KarpenterPolicyInput): PolicyStatementProps[] {
	const { region, clusterName } = input;
	const profiles = [profilesOf(input)];
	const REGION_TAG = 'topology.kubernetes.io/region';
	const requested = {
		[`aws:RequestTag/${ownerTag(input)}`]: 'owned',
		[`aws:RequestTag/${CLUSTER_NAME_TAG}`]: clusterName,
		[`aws:RequestTag/${REGION_TAG}`]: region,
	};
	const existing = { [`aws:ResourceTag/${ownerTag(input)}`]: 'owned', [`aws:ResourceTag/${REGION_TAG}`]: region };
	return [
		{
			sid: 'AllowPassingInstanceRole',
			actions: ['iam:PassRole'],
			resources: [input.nodeRoleArn],
			conditions: { StringEquals: { 'iam:PassedToService': ['ec2.amazonaws.com', 'ec2.amazonaws.com.cn'] } },
		},
		{
			sid: 'AllowScopedInstanceProfileCreationActions',
			actions: ['iam:CreateInstanceProfile'],
			resources: profiles,
			conditions: { StringEquals: requested, StringLike: { [`aws:RequestTag/${NODECLASS_TAG}`]: '*' } },
		},
		{
			sid: 'AllowScopedInstanceProfileTagActions',
			actions: ['iam:TagInstanceProfile'],
			resources: profiles,
			conditions: {
				StringEquals: { ...existing, ...requested },
				StringLike: { [`aws:ResourceTag/${NODECLASS_TAG}`]: '*', [`aws:RequestTag/${NODECLASS_TAG}`]: '*' },
			},
		},
		{
			sid: 'AllowScopedInstanceProfileActions',
			actions: ['iam:AddRoleToInstanceProfile', 'iam:RemoveRoleFromInstanceProfile', 'iam:DeleteInstanceProfile'],
			resources: profiles,
			conditions: { StringEquals: existing, StringLike: { [`aws:ResourceTag/${NODECLASS_TAG}`]: '*' } },
		},
	];
}

function describeCluster({ partition, region, account, clusterName }: KarpenterPolicyInput): PolicyStatementProps {
	return {
		sid: 'AllowAPIServerEndpointDiscovery',
		actions: ['eks:DescribeCluster'],
		resources: [`arn:${partition}:eks:${region}:${account}:cluster/${clusterName}`],
	};
}

function interruption({ interruptionQueueArn }: KarpenterPolicyInput): PolicyStatementProps {
	return {
		sid: 'AllowInterruptionQueueActions',
		actions: ['sqs:DeleteMessage', 'sqs:GetQueueUrl', 'sqs:ReceiveMessage'],
		resources: [interruptionQueueArn],
	};
}

/** These lists and prices belong to no resource, so `*` is the only resource there is for them. */
function resourceDiscovery(input: KarpenterPolicyInput): PolicyStatementProps[] {
	const { partition, region } = input;
	const described = [
		'CapacityReservations',
		'Images',
		'Instances',
		'InstanceStatus',
		'InstanceTypeOfferings',
		'InstanceTypes',
		'LaunchTemplates',
		'PlacementGroups',
		'SecurityGroups',
		'SpotPriceHistory',
		'Subnets',
	];
	return [
		{
			sid: 'AllowRegionalReadActions',
			actions: described.map((what) => `ec2:Describe${what}`),
			resources: ['*'],
			conditions: { StringEquals: { 'aws:RequestedRegion': region } },
		},
		{ sid: 'AllowSSMReadActions', actions: ['ssm:GetParameter'], resources: [`arn:${partition}:ssm:${region}::parameter/aws/service/*`] },
		{ sid: 'AllowPricingReadActions', actions: ['pricing:GetProducts'], resources: ['*'] },
		{ sid: 'AllowUnscopedInstanceProfileListAction', actions: ['iam:ListInstanceProfiles'], resources: ['*'] },
		{ sid: 'AllowInstanceProfileReadActions', actions: ['iam:GetInstanceProfile'], resources: [profilesOf(input)] },
	];
}

function profilesOf({ partition, account }: KarpenterPolicyInput): string {
	return `arn:${partition}:iam::${account}:instance-profile/*`;
}
