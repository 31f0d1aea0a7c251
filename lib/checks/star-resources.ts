/**
 * No policy of ours names an action by a wildcard, and `*` as a resource stands only beside actions for which IAM knows
 * none, each with its reason here. Held at synth. CDK's own functions and pipelines are not ours (checks/acknowledged.ts).
 */
import { Stack } from 'aws-cdk-lib';
import { CfnManagedPolicy, CfnPolicy, CfnRole } from 'aws-cdk-lib/aws-iam';
import type { IConstruct } from 'constructs';

const LIST = 'a list of what there is belongs to no resource';
const EC2_LIST = 'EC2 has no permissions by resource for its lists';

/** Action → why it cannot be bounded. */
export const STAR_RESOURCES: Readonly<Record<string, string>> = {
	'xray:PutTraceSegments': 'a trace is no resource before it is written',
	'xray:PutTelemetryRecords': 'a trace is no resource before it is written',
	'ec2:CreateNetworkInterface': 'Lambda makes it before it knows its id',
	'ec2:DeleteNetworkInterface': 'Lambda asks for it with *: it checks the policy before the interface is there',
	'ec2:DescribeNetworkInterfaces': EC2_LIST,
	'ec2:DescribeSubnets': EC2_LIST,
	'ec2:DescribeAvailabilityZones': EC2_LIST,
	'ec2:DescribeInstances': EC2_LIST,
	'ec2:DescribeSecurityGroups': EC2_LIST,
	'ec2:DescribeVpcs': EC2_LIST,
	'ec2:DescribeCapacityReservations': EC2_LIST,
	'ec2:DescribeImages': EC2_LIST,
	'ec2:DescribeInstanceStatus': EC2_LIST,
	'ec2:DescribeInstanceTypeOfferings': EC2_LIST,
	'ec2:DescribeInstanceTypes': EC2_LIST,
	'ec2:DescribeLaunchTemplates': EC2_LIST,
	'ec2:DescribePlacementGroups': EC2_LIST,
	'ec2:DescribeSpotPriceHistory': EC2_LIST,
	'elasticloadbalancing:DescribeTags': LIST,
	'elasticloadbalancing:DescribeTargetGroups': LIST,
	'elasticloadbalancing:DescribeTargetGroupAttributes': LIST,
	'elasticloadbalancing:DescribeTargetHealth': LIST,
	'pricing:GetProducts': 'prices belong to nobody',
	'iam:ListInstanceProfiles': LIST,
};

const NOT_OURS = /\/KubectlProvider\/|^wp-clone-pipeline\/(Deploy|Pipeline)\//;

interface Statement {
	readonly Effect?: string;
	readonly Action?: string | readonly string[];
	readonly Resource?: unknown;
}

/** @returns a sentence for each permission below `root` that is wider than it may be */
export function widePermissionFaults(root: IConstruct): string[] {
	return root.node.findAll().flatMap((node) => {
		if (NOT_OURS.test(node.node.path)) return [];
		return documentsOf(node).flatMap((document) => statementsOf(document).flatMap((statement) => faultsOf(node.node.path, statement)));
	});
}

function documentsOf(node: IConstruct): readonly unknown[] {
	if (node instanceof CfnPolicy || node instanceof CfnManagedPolicy) return [Stack.of(node).resolve(node.policyDocument)];
	if (!(node instanceof CfnRole)) return [];
	const inline: unknown = Stack.of(node).resolve(node.policies ?? []);
	return Array.isArray(inline)
		? inline.map((policy: { PolicyDocument?: unknown; policyDocument?: unknown }) => policy.PolicyDocument ?? policy.policyDocument)
		: [];
}

function statementsOf(document: unknown): readonly Statement[] {
	if (typeof document !== 'object' || document === null || !('Statement' in document)) return [];
	return Array.isArray(document.Statement) ? document.Statement : [];
}

function faultsOf(path: string, { Effect, Action, Resource }: Statement): string[] {
	if (Effect !== 'Allow') return [];
	const actions = [Action ?? []].flat();
	const wide = actions.filter((action) => action.includes('*')).map((action) => `${path} allows ${action}: name the actions one by one.`);
	const everything = [Resource].flat().includes('*');
	const unbounded = everything ? actions.filter((action) => !(action in STAR_RESOURCES)) : [];
	return [
		...wide,
		...unbounded.map(
			(action) => `${path} allows ${action} on every resource: name the resource, or say in checks/star-resources.ts why not.`,
		),
	];
}
