/**
 * cdk-nag's findings that stay, each with its reason. Whatever is not named here fails the synth.
 *
 * One entry is one decision: what is found, where, and why it is so. It covers only findings of its rules that fit its
 * pattern, below its path.
 */
import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';

export interface Acknowledgement {
	/** The finding's id, `AwsSolutions-` left out. */
	readonly finding: RegExp;
	/** Of the construct, below the stage. */
	readonly path: RegExp;
	readonly reason: string;
}

export const ACKNOWLEDGED: readonly Acknowledgement[] = [
	{
		finding:
			/^IAM4\[.*(AmazonEKSClusterPolicy|AmazonEKSWorkerNodePolicy|AmazonEKS_CNI_Policy|AmazonEC2ContainerRegistryPullOnly|AmazonSSMManagedInstanceCore|AmazonAPIGatewayPushToCloudWatchLogs|AWSCodeDeployRoleForLambdaLimited)\]$/,
		path: /\/(ControlPlane|Karpenter|Rest|Rollout)\//,
		reason:
			"What AWS does in the account's name (the EKS control plane, joining nodes, API Gateway's logs, CodeDeploy) is given by the policies that its documentation names and AWS keeps up to date.",
	},
	{
		finding: /^(IAM4\[|IAM5\[Resource::<\w*KubectlProvider\w*\.Arn>:\*\]$|L1$)/,
		path: /\/KubectlProvider\//,
		reason: "CDK's own function for kubectl and Helm: it runs during a deployment only, and roles and runtime are aws-cdk-lib's.",
	},
	{
		finding: /^IAM5\[Resource::(\*|arn:<AWS::Partition>:(ec2|ssm|iam):.*\/\*)\]$/,
		path: /\/Karpenter\/(NodeLifecycle|IamIntegration|ResourceDiscovery)Policy\//,
		reason:
			'Karpenter makes nodes, so their ids are not known before; its policies are those its project publishes for this version, bounded by the tags of this cluster.',
	},
	{
		finding: /^IAM5\[Resource::\*\]$/,
		path: /\/(FrontDoor\/Controller|Api|Worker|Sweep)\//,
		reason:
			'Writing traces, describing targets and making network interfaces are actions that IAM knows no resources for (checks/star-resources.ts).',
	},
	{
		finding: /^IAM5\[Resource::arn:<AWS::Partition>:scheduler:.*:schedule\/[\w-]+\/\*\]$/,
		path: /\/(Api|Worker|Sweep|Consumer)\//,
		reason: "There is a schedule for each clone, named after it; the wildcard stands for the clones of this stage's own group.",
	},
	{
		finding: /^EC23$/,
		path: /\/FrontDoor\/SecurityGroup\//,
		reason: 'Clones are looked at from everywhere; the load balancer listens on 80, which only redirects, and 443.',
	},
	{
		finding: /^(COG4|APIG4|COG2)$/,
		path: /\/(Rest\/Api\/Default|Callers)\//,
		reason:
			'Callers are authorised by IAM unless the setting says Cognito, whose callers are mostly programs: a second factor is offered to people. The three open routes read nothing, and any other without authorisation fails synth (checks/open-routes.ts).',
	},
	{
		finding: /^(APIG2|APIG3)$/,
		path: /\/Rest\/Api\//,
		reason:
			'Bodies are checked field by field by the function, which says what is wrong in each; all routes but three need a signature, so a web ACL has little to keep out.',
	},
	{
		finding: /^(RDS3|RDS10|RDS11)$/,
		path: /\/MySql\/Instance\//,
		reason:
			'It holds the databases of throw-away clones only: nothing that a second zone or a lock against deletion would save, and security groups rather than an unusual port keep others out.',
	},
	{
		finding: /^IAM5\[/,
		path: /^wp-clone-pipeline\/(Deploy|Pipeline)\//,
		reason:
			"The roles of CDK Pipelines: its grants on artifacts, reports and assets, bounded to this pipeline's bucket, projects and the bootstrap roles.",
	},
];

export interface Finding {
	/** e.g. `AwsSolutions-IAM5[Resource::*]` */
	readonly id: string;
	readonly path: string;
}

/** Everything that is found below `root`, acknowledged before or not yet. */
export function findings(root: IConstruct): readonly Finding[] {
	const { violations = [] } = new AwsSolutionsChecks(root).validateScope(root);
	return violations.flatMap(({ ruleName, violatingResources }) =>
		violatingResources.map(({ constructPath = '' }) => ({ id: ruleName, path: constructPath })),
	);
}

/** The entry that a finding falls under, if any. */
export function acknowledgementOf({ id, path }: Finding): Acknowledgement | undefined {
	const short = id.replace(/^AwsSolutions-/, '');
	return ACKNOWLEDGED.find((entry) => entry.finding.test(short) && entry.path.test(path));
}

/** Records the findings that stay on the constructs they are about. @returns those that no entry names */
export function acknowledgeKnownFindings(root: IConstruct): readonly Finding[] {
	const nodes = new Map(root.node.findAll().map((node) => [node.node.path, node]));
	return findings(root).filter((finding) => {
		const entry = acknowledgementOf(finding);
		const node = nodes.get(finding.path);
		if (entry === undefined || node === undefined) return true;
		Validations.of(node).acknowledge({ id: finding.id, reason: entry.reason });
		return false;
	});
}
