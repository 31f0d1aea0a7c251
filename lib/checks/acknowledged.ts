/**
 * cdk-nag's findings that stay, each with its reason. Whatever is not named here fails the synth.
 *
 * One entry is one decision: which rule, where, and why it is so. Two rules share an entry only where they object to the
 * same thing. An entry covers only findings of its rules, in its places; test/infra holds that each of those is found.
 */
import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { PRODUCT } from '../names.ts';

export interface Acknowledgement {
	/** Ids, `AwsSolutions-` left out. */
	readonly rules: readonly string[];
	/** Fits what stands in brackets behind the rule's id: a policy, a resource, an action. All of them where it is left out. */
	readonly detail?: RegExp;
	/** Constructs, themselves or what is below them, as {@link placeOf} names them. */
	readonly places: readonly string[];
	readonly reason: string;
}

const KUBECTL = 'cluster/ControlPlane/Cluster/KubectlProvider';
const AWS_POLICIES = [
	'AmazonEKSClusterPolicy',
	'AmazonEKSWorkerNodePolicy',
	'AmazonEKS_CNI_Policy',
	'AmazonEC2ContainerRegistryPullOnly',
	'AmazonAPIGatewayPushToCloudWatchLogs',
	'AWSCodeDeployRoleForLambdaLimited',
	'AWSLambdaBasicExecutionRole',
	'AWSLambdaVPCAccessExecutionRole',
	'AmazonEC2ContainerRegistryReadOnly',
	'AmazonElasticContainerRegistryPublicReadOnly',
];

export const ACKNOWLEDGED: readonly Acknowledgement[] = [
	{
		rules: ['IAM4'],
		detail: new RegExp(`^Policy::.*/(?:${AWS_POLICIES.join('|')})\\b`),
		places: [
			'cluster/ControlPlane/Cluster/Role',
			'cluster/ControlPlane/SystemNodeRole',
			'cluster/Karpenter/NodeRole',
			KUBECTL,
			'service/Rest/LogWriter',
			'service/Rollout',
		],
		reason:
			"No code of this service has these roles, but AWS's own: EKS and its nodes, API Gateway's logs, CodeDeploy, the CDK's function for kubectl. They get the policies that AWS names for them and keeps in step with what they do.",
	},
	{
		rules: ['IAM5'],
		detail: /^Resource::\*$/,
		places: [
			'cluster/FrontDoor/Controller/Pods',
			'cluster/Karpenter/ResourceDiscoveryPolicy',
			'service/Api/Role',
			'service/Worker/Role',
			'service/Sweep/Role',
		],
		reason:
			'Writing traces, listing what there is and making network interfaces are actions that IAM knows no resources for; each is named, with its own reason, in checks/star-resources.ts, and no other is let through.',
	},
	{
		rules: ['IAM5'],
		detail: /^Resource::arn:<AWS::Partition>:(?:ec2|iam|ssm|scheduler):.*\/\*$/,
		places: [
			'cluster/Karpenter/NodeLifecyclePolicy',
			'cluster/Karpenter/IamIntegrationPolicy',
			'cluster/Karpenter/ResourceDiscoveryPolicy',
			'service/Api/Role',
			'service/Worker/Role',
			'service/Sweep/Role',
			'service/Consumer/Pods',
		],
		reason:
			"What is made while the service runs has no name before: Karpenter's nodes, under the policies that its project publishes and bounded by this cluster's tags, and a schedule for each clone, bounded to this stage's group.",
	},
	{
		rules: ['IAM5'],
		places: [KUBECTL, `${PRODUCT}-pipeline/Pipeline`, `${PRODUCT}-pipeline/Deploy`],
		reason:
			"Grants that aws-cdk-lib writes for parts of its own, which run during a deployment only: its kubectl function, and CDK Pipelines on the pipeline's own bucket, projects and bootstrap roles. Rewritten here they would break with its next version.",
	},
	{
		rules: ['L1'],
		places: [`${KUBECTL}/Handler`],
		reason:
			'The kubectl function is code of aws-cdk-lib with an AWS CLI in a layer; it runs, during deployments only, on the version of Python that the library releases it for.',
	},
	{
		rules: ['EC23'],
		places: ['cluster/FrontDoor/SecurityGroup'],
		reason: 'Clones are looked at from everywhere; the load balancer listens on 80, which only redirects, and 443.',
	},
	{
		rules: ['COG4', 'APIG4'],
		places: ['service/Rest/Api/Default'],
		reason:
			'Who may call is decided by IAM, or by a user pool where the setting says so. Only health, openapi.json and the docs are open to all: they read nothing, and any other route without authorisation fails synth (checks/open-routes.ts).',
	},
	{
		rules: ['APIG2'],
		places: ['service/Rest/Api'],
		reason:
			'The function checks every request: it names each field that is wrong (422), and tells apart a body that is no JSON (400) and one of another type or compressed (415). A validator in front could only answer all of these with one sentence.',
	},
	{
		rules: ['APIG3'],
		places: ['service/Rest/Api'],
		reason:
			'A web ACL keeps out what anybody may send; here callers are signed in before a request reaches code, the open routes read nothing, and all are throttled by API Gateway itself.',
	},
	{
		rules: ['RDS3', 'RDS10'],
		places: ['cluster/MySql/Instance'],
		reason:
			'The server holds the databases of throw-away clones and nothing else: a standby would double its price to save what is made anew in minutes, and a lock against deletion would only stop cdk destroy.',
	},
];

export interface Finding {
	/** e.g. `AwsSolutions-IAM5[Resource::*]` */
	readonly id: string;
	readonly path: string;
}

/** What is found below `root` and not acknowledged yet. */
export function findings(root: IConstruct): readonly Finding[] {
	const { violations = [] } = new AwsSolutionsChecks(root).validateScope(root);
	return violations.flatMap(({ ruleName, violatingResources }) =>
		violatingResources.map(({ constructPath = '' }) => ({ id: ruleName, path: constructPath })),
	);
}

/** A construct's path from its stack's kind on, the same for every stage: `service/Api/Role/Resource`. */
export function placeOf(path: string): string {
	return path.replace(STACK, '');
}
const STACK = new RegExp(`^(?:${PRODUCT}-pipeline/[^/]+/)?${PRODUCT}-[^/]+-(?=(?:data|cluster|service)/)`);

/** The entry that a finding falls under, if any. */
export function acknowledgementOf({ id, path }: Finding): Acknowledgement | undefined {
	const { rule = '', detail = '' } = /^AwsSolutions-(?<rule>\w+)(?:\[(?<detail>.*)\])?$/s.exec(id)?.groups ?? {};
	const place = placeOf(path);
	return ACKNOWLEDGED.find(
		(entry) =>
			entry.rules.includes(rule) &&
			(entry.detail?.test(detail) ?? true) &&
			entry.places.some((above) => `${place}/`.startsWith(`${above}/`)),
	);
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
