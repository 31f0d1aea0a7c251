/**
 * Is it healthy, what is slow, what does it cost? Three dashboards, because an account has three for nothing and pays
 * for a fourth; five subjects, each under its heading.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import type { RestApi as GatewayApi } from 'aws-cdk-lib/aws-apigateway';
import {
	Dashboard,
	GraphWidget,
	type IMetric,
	type IWidget,
	MathExpression,
	Metric,
	SingleValueWidget,
	Stats,
	TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { type ApplicationTargetGroup, HttpCodeTarget, type IApplicationLoadBalancer } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { METRICS_NAMESPACE, type ServiceMetricName, serviceMetric } from '../../service-metrics.ts';
import type { JobQueue } from './job-queue.ts';

export interface DashboardsProps {
	readonly name: string;
	readonly stage: string;
	readonly jobs: JobQueue;
	readonly functions: Readonly<Record<string, LambdaFunction>>;
	readonly api: GatewayApi;
	readonly table: Table;
	readonly clusterName: string;
	readonly loadBalancer: IApplicationLoadBalancer;
	readonly targets: ApplicationTargetGroup;
}

const WIDTH = 8;

export class Dashboards extends Construct {
	/** Addresses in the console, by subject. */
	readonly addresses: Readonly<Record<string, string>>;

	constructor(scope: Construct, id: string, props: DashboardsProps) {
		super(scope, id);
		const boards = {
			work: this.#board('Work', `${props.name}-work`, [...jobs(props), ...workers(props)]),
			clones: this.#board('Clones', `${props.name}-clones`, clonesAndNodes(props)),
			api: this.#board('Api', `${props.name}-api-and-cost`, [...api(props), ...cost(props)]),
		};
		const { region } = Stack.of(this);
		const address = (board: Dashboard): string =>
			`https://${region}.console.aws.amazon.com/cloudwatch/home?region=${region}#dashboards/dashboard/${board.dashboardName}`;
		this.addresses = Object.fromEntries(Object.entries(boards).map(([name, board]) => [name, address(board)]));
	}

	#board(id: string, dashboardName: string, rows: readonly (readonly IWidget[])[]): Dashboard {
		return new Dashboard(this, id, { dashboardName, defaultInterval: Duration.hours(12), widgets: rows.map((row) => [...row]) });
	}
}

type Rows = readonly (readonly IWidget[])[];

const heading = (text: string): readonly IWidget[] => [new TextWidget({ markdown: `## ${text}`, width: 24, height: 1 })];
const graph = (title: string, left: readonly IMetric[]): GraphWidget =>
	new GraphWidget({ title, left: [...left], width: WIDTH, height: 6 });

/** One line for each value of the dimensions, found when the dashboard is looked at. */
function each(stage: string, name: ServiceMetricName, dimensions: readonly string[], statistic: string): MathExpression {
	const schema = [METRICS_NAMESPACE, 'stage', ...dimensions].map((part) => `"${part}"`).join(',');
	return new MathExpression({
		label: '',
		expression: `SEARCH('{${schema}} MetricName="${name}" "stage"="${stage}"', '${statistic}', 300)`,
		usingMetrics: {},
	});
}

function jobs({ stage, jobs: { queue, dead } }: DashboardsProps): Rows {
	const count = (name: ServiceMetricName): Metric => serviceMetric(stage, name).with({ label: name });
	return [
		heading('Jobs'),
		[
			graph('Accepted and ended', (['jobs_accepted', 'jobs_completed', 'jobs_failed', 'jobs_cancelled'] as const).map(count)),
			graph('Failed, by code', [each(stage, 'jobs_failed', ['type', 'code'], 'Sum')]),
			graph('Seconds from acceptance to the end, 50 and 95 of 100', [
				serviceMetric(stage, 'job_seconds', Stats.percentile(50)),
				serviceMetric(stage, 'job_seconds', Stats.percentile(95)),
			]),
		],
		[
			graph('Seconds by step, 95 of 100', [each(stage, 'step_seconds', ['type', 'step'], 'p95')]),
			graph('Waiting, in flight, delayed', [
				queue.metricApproximateNumberOfMessagesVisible(),
				queue.metricApproximateNumberOfMessagesNotVisible(),
				queue.metricApproximateNumberOfMessagesDelayed(),
			]),
			graph('Oldest message, seconds; dead letters', [
				queue.metricApproximateAgeOfOldestMessage(),
				dead.metricApproximateNumberOfMessagesVisible({ label: 'dead letters' }),
			]),
		],
	];
}

function workers({ stage, functions }: DashboardsProps): Rows {
	const all = Object.entries(functions);
	return [
		heading('Workers'),
		[
			graph(
				'At once',
				all.map(([label, fn]) => fn.metric('ConcurrentExecutions', { label, statistic: Stats.MAXIMUM })),
			),
			graph(
				'Duration, 95 of 100',
				all.map(([label, fn]) => fn.metricDuration({ label, statistic: Stats.percentile(95) })),
			),
			graph(
				'Errors and throttles',
				all.flatMap(([label, fn]) => [fn.metricErrors({ label }), fn.metricThrottles({ label: `${label} throttled` })]),
			),
		],
		[
			graph('Workers that died in a step; things left behind', [
				serviceMetric(stage, 'workers_crashed'),
				serviceMetric(stage, 'undo_abandoned'),
			]),
			graph('Messages that the sweep sent again', [serviceMetric(stage, 'sweep_resent')]),
		],
	];
}

function clonesAndNodes({ stage, clusterName, loadBalancer, targets }: DashboardsProps): Rows {
	const eks = (metricName: string): Metric =>
		new Metric({ namespace: 'AWS/EKS', metricName, dimensionsMap: { ClusterName: clusterName }, statistic: Stats.MAXIMUM });
	const now = (name: ServiceMetricName): Metric => serviceMetric(stage, name, Stats.MAXIMUM, Duration.minutes(1)).with({ label: name });
	return [
		heading('Clones'),
		[
			new SingleValueWidget({
				title: 'Now',
				metrics: [now('clones_live'), now('pool_warm'), now('pool_booting'), now('clones_past_time')],
				width: WIDTH,
				height: 6,
			}),
			graph('Claims, warm and cold', [serviceMetric(stage, 'claims_warm'), serviceMetric(stage, 'claims_cold')]),
			graph('Calls of the Kubernetes API', [each(stage, 'kubernetes_calls', ['call'], 'Sum')]),
		],
		[
			graph('Requests to clones', [loadBalancer.metrics.requestCount()]),
			graph('Seconds that clones take, 95 of 100', [loadBalancer.metrics.targetResponseTime({ statistic: Stats.percentile(95) })]),
			graph('Answers of 5xx; Traefik pods that are ill', [
				targets.metrics.httpCodeTarget(HttpCodeTarget.TARGET_5XX_COUNT),
				targets.metrics.unhealthyHostCount(),
			]),
		],
		heading('Nodes'),
		[
			graph('Pods that wait for a node', [eks('scheduler_pending_pods_UNSCHEDULABLE'), eks('scheduler_pending_pods')]),
			graph('Kubernetes API: requests, failures', [eks('apiserver_request_total'), eks('apiserver_request_total_5XX')]),
		],
	];
}

function api({ api: gateway, functions }: DashboardsProps): Rows {
	const route = (method: string, resource: string, statistic: string): Metric =>
		new Metric({
			namespace: 'AWS/ApiGateway',
			metricName: 'Latency',
			dimensionsMap: { ApiName: gateway.restApiName, Stage: gateway.deploymentStage.stageName, Method: method, Resource: resource },
			statistic,
			label: `${method} ${resource} ${statistic}`,
		});
	return [
		heading('API'),
		[
			graph('Requests and refusals', [gateway.metricCount(), gateway.metricClientError(), gateway.metricServerError()]),
			graph(
				'Milliseconds',
				[50, 99].flatMap((share) => [
					route('POST', '/api/v2/clone', Stats.percentile(share)),
					route('GET', '/api/v2/job-status/{job_id}', Stats.percentile(share)),
				]),
			),
			graph(
				'Milliseconds in the function, 99 of 100',
				Object.values(functions)
					.slice(0, 1)
					.map((fn) => fn.metricDuration({ statistic: Stats.percentile(99) })),
			),
		],
	];
}

/** AWS publishes its estimate of the bill in one region only, when billing alerts are switched on for the account. */
function cost({ stage, table, functions }: DashboardsProps): Rows {
	const bill = new Metric({
		namespace: 'AWS/Billing',
		metricName: 'EstimatedCharges',
		dimensionsMap: { Currency: 'USD' },
		region: 'us-east-1',
		statistic: Stats.MAXIMUM,
		period: Duration.hours(6),
	});
	const units = (metricName: string): Metric => table.metric(metricName, { statistic: Stats.SUM, period: Duration.hours(1) });
	return [
		heading('Cost'),
		[
			graph("The account's bill this month, USD", [bill]),
			graph('Clones made', [serviceMetric(stage, 'jobs_completed', Stats.SUM, Duration.hours(1))]),
			graph('What is paid by use: table units, invocations', [
				units('ConsumedReadCapacityUnits'),
				units('ConsumedWriteCapacityUnits'),
				...Object.entries(functions).map(([label, fn]) => fn.metricInvocations({ label, period: Duration.hours(1) })),
			]),
		],
	];
}
