import { Aws, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { Cluster, HelmChart } from 'aws-cdk-lib/aws-eks-v2';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct, type IDependable } from 'constructs';
import { PodRole } from './pod-role.ts';

const KEDA_VERSION = '2.20.2';
const FLUENT_BIT_CHART_VERSION = '0.2.1';
const NAMESPACE = 'keda';

export interface QueueScalerProps {
	readonly cluster: Cluster;
	readonly clusterName: string;
	/** By name, because the queue is of a stack that comes later. */
	readonly queueName: string;
	readonly logRetention: RetentionDays;
	readonly after: IDependable;
}

/**
 * What `worker: "eks"` needs besides its pods: KEDA, which may ask one queue how long it is, and Fluent Bit, which brings
 * the consumers' log (and the metrics in it, which alarms wait for) to CloudWatch.
 */
export class QueueScaler extends Construct {
	readonly ready: HelmChart;
	readonly log: LogGroup;

	constructor(scope: Construct, id: string, props: QueueScalerProps) {
		super(scope, id);
		const pods = new PodRole(this, 'Operator', { clusterName: props.clusterName, namespace: NAMESPACE, serviceAccount: 'keda-operator' });
		pods.role.addToPolicy(
			new PolicyStatement({
				actions: ['sqs:GetQueueAttributes'],
				resources: [Stack.of(this).formatArn({ service: 'sqs', resource: props.queueName })],
			}),
		);
		this.ready = props.cluster.addHelmChart('Keda', {
			release: 'keda',
			chart: 'keda',
			repository: 'https://kedacore.github.io/charts',
			version: KEDA_VERSION,
			namespace: NAMESPACE,
			createNamespace: true,
			wait: true,
			timeout: Duration.minutes(10),
			values: { env: [{ name: 'AWS_REGION', value: Aws.REGION }] },
		});
		this.ready.node.addDependency(pods, props.after);
		this.log = new LogGroup(this, 'ConsumerLog', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY });
		this.#shipLogs(props);
	}

	#shipLogs(props: QueueScalerProps): void {
		const name = 'aws-for-fluent-bit';
		const pods = new PodRole(this, 'LogShipper', { clusterName: props.clusterName, namespace: 'kube-system', serviceAccount: name });
		pods.role.addToPolicy(
			new PolicyStatement({
				actions: ['logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams'],
				resources: [this.log.logGroupArn],
			}),
		);
		const chart = props.cluster.addHelmChart('FluentBit', {
			release: name,
			chart: name,
			repository: 'https://aws.github.io/eks-charts',
			version: FLUENT_BIT_CHART_VERSION,
			namespace: 'kube-system',
			wait: true,
			timeout: Duration.minutes(10),
			values: {
				input: { path: '/var/log/containers/consumer-*.log' },
				cloudWatchLogs: {
					region: Aws.REGION,
					logGroupName: this.log.logGroupName,
					// Each consumer a stream of its own, below the one group there is.
					logGroupTemplate: '',
					logStreamTemplate: "$kubernetes['pod_name']",
					autoCreateGroup: false,
					// The line as it was written, and the metrics in it taken for metrics.
					logKey: 'log',
					logFormat: 'json/emf',
				},
			},
		});
		chart.node.addDependency(pods, props.after);
	}
}
