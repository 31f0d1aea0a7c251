/**
 * Makes nodes for clones and takes them away again.
 *
 * Life cycle: queue, rules and roles → CRDs → controller → `ready`; the NodePools come after (ClonePlatform).
 * Gotchas: without the `EC2_LINUX` access entry nodes start and never join. The CRDs have a chart of their own, because
 * Helm never upgrades those inside a chart. A Spot service-linked role must exist in the account (docs/deploying.md).
 */
import { Duration, Stack } from 'aws-cdk-lib';
import { CfnAccessEntry } from 'aws-cdk-lib/aws-eks';
import type { Cluster, HelmChart } from 'aws-cdk-lib/aws-eks-v2';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { ManagedPolicy, type Role } from 'aws-cdk-lib/aws-iam';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct, type IDependable } from 'constructs';
import { nodeRole } from './control-plane.ts';
import { KARPENTER_VERSION, karpenterPolicies } from './karpenter-policies.ts';
import { PodRole } from './pod-role.ts';

const NAMESPACE = 'kube-system';
const NAME = 'karpenter';

/** What EC2 and AWS Health announce about a node, two minutes to some hours ahead. */
const ANNOUNCEMENTS: Readonly<Record<string, { readonly source: string; readonly detailType: string }>> = {
	Health: { source: 'aws.health', detailType: 'AWS Health Event' },
	SpotInterruption: { source: 'aws.ec2', detailType: 'EC2 Spot Instance Interruption Warning' },
	Rebalance: { source: 'aws.ec2', detailType: 'EC2 Instance Rebalance Recommendation' },
	StateChange: { source: 'aws.ec2', detailType: 'EC2 Instance State-change Notification' },
	CapacityReservation: { source: 'aws.ec2', detailType: 'EC2 Capacity Reservation Instance Interruption Warning' },
};

export interface KarpenterProps {
	readonly cluster: Cluster;
	readonly clusterName: string;
	readonly after: IDependable;
}

export class Karpenter extends Construct {
	readonly nodeRole: Role;
	readonly interruptions: Queue;
	readonly ready: HelmChart;

	constructor(scope: Construct, id: string, props: KarpenterProps) {
		super(scope, id);
		const { cluster, clusterName } = props;
		this.interruptions = this.#interruptionQueue();
		this.nodeRole = nodeRole(this, 'NodeRole');
		const joins = new CfnAccessEntry(this, 'NodesJoin', { clusterName, principalArn: this.nodeRole.roleArn, type: 'EC2_LINUX' });
		const controller = this.#controller(clusterName);

		const crds = cluster.addHelmChart('KarpenterCrds', {
			release: 'karpenter-crd',
			chart: 'karpenter-crd',
			repository: 'oci://public.ecr.aws/karpenter/karpenter-crd',
			version: KARPENTER_VERSION,
			namespace: NAMESPACE,
			wait: true,
		});
		crds.node.addDependency(props.after);
		this.ready = cluster.addHelmChart('Karpenter', {
			release: NAME,
			chart: NAME,
			repository: 'oci://public.ecr.aws/karpenter/karpenter',
			version: KARPENTER_VERSION,
			namespace: NAMESPACE,
			skipCrds: true,
			wait: true,
			timeout: Duration.minutes(10),
			values: {
				replicas: 2,
				settings: { clusterName, interruptionQueue: this.interruptions.queueName },
				controller: { resources: { requests: { cpu: '200m', memory: '256Mi' }, limits: { memory: '512Mi' } } },
			},
		});
		this.ready.node.addDependency(crds, controller.association, joins);
	}

	#interruptionQueue(): Queue {
		const unread = new Queue(this, 'InterruptionsUnread', {
			encryption: QueueEncryption.SQS_MANAGED,
			enforceSSL: true,
			retentionPeriod: Duration.days(4),
		});
		const queue = new Queue(this, 'Interruptions', {
			encryption: QueueEncryption.SQS_MANAGED,
			enforceSSL: true,
			// An announcement that is five minutes old is of no use.
			retentionPeriod: Duration.minutes(5),
			deadLetterQueue: { queue: unread, maxReceiveCount: 5 },
		});
		for (const [name, { source, detailType }] of Object.entries(ANNOUNCEMENTS)) {
			new Rule(this, name, { eventPattern: { source: [source], detailType: [detailType] }, targets: [new SqsQueue(queue)] });
		}
		return queue;
	}

	#controller(clusterName: string): PodRole {
		const { partition, region, account } = Stack.of(this);
		const pods = new PodRole(this, 'Controller', { clusterName, namespace: NAMESPACE, serviceAccount: NAME });
		const policies = karpenterPolicies({
			partition,
			region,
			account,
			clusterName,
			nodeRoleArn: this.nodeRole.roleArn,
			interruptionQueueArn: this.interruptions.queueArn,
		});
		for (const [name, statements] of Object.entries(policies)) {
			new ManagedPolicy(this, `${name}Policy`, { statements: [...statements], roles: [pods.role] });
		}
		return pods;
	}
}
