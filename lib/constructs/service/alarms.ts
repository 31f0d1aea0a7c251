/** What wakes somebody. How to force each one, and what to do when it sounds, is in docs/runbook.md. */
import { Duration } from 'aws-cdk-lib';
import type { RestApi as GatewayApi } from 'aws-cdk-lib/aws-apigateway';
import { Alarm, type AlarmProps, ComparisonOperator, MathExpression, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { serviceMetric } from '../../service-metrics.ts';
import type { JobQueue } from './job-queue.ts';

/** The numbers. */
export const LIMITS = {
	/** Messages that wait, for 5 minutes. */
	queueLength: 50,
	/** Of the jobs that ended, for 10 minutes, per cent. */
	failedJobs: 5,
	/** A message may be sent with a delay of 900 s; beyond that and 5 minutes nobody takes it. Seconds. */
	oldestMessage: 1200,
	/** Answers of 5xx in 5 minutes. */
	apiFaults: 5,
	/** The slowest hundredth of requests, for 10 minutes; twenty times what an accepted job is to take. Milliseconds. */
	apiP99: 2000,
	/** Failed invocations of one function in 5 minutes. */
	functionErrors: 3,
} as const;

export interface AlarmsProps {
	readonly stage: string;
	readonly email: string;
	readonly jobs: JobQueue;
	readonly api: GatewayApi;
	/** By the name they have in an alarm. */
	readonly functions: Readonly<Record<string, LambdaFunction>>;
	readonly warmPool: number;
	/** Made elsewhere; told to the same topic. */
	readonly others: readonly Alarm[];
}

const { GREATER_THAN_THRESHOLD, GREATER_THAN_OR_EQUAL_TO_THRESHOLD, LESS_THAN_THRESHOLD } = ComparisonOperator;
const minutes = (n: number): Duration => Duration.minutes(n);

type Rule = Pick<AlarmProps, 'alarmDescription' | 'metric' | 'threshold' | 'evaluationPeriods'> & Partial<AlarmProps>;

export class Alarms extends Construct {
	readonly topic: Topic;
	/** A rollout goes back on it, too. */
	readonly apiFaults: Alarm;

	constructor(scope: Construct, id: string, props: AlarmsProps) {
		super(scope, id);
		this.topic = new Topic(this, 'Topic', { displayName: `WordPress clones (${props.stage})`, enforceSSL: true });
		this.topic.addSubscription(new EmailSubscription(props.email));
		this.#queue(props.jobs);
		this.#work(props.stage, props.warmPool);
		this.apiFaults = this.#api(props.api);
		for (const [name, fn] of Object.entries(props.functions)) this.#function(name, fn);
		for (const alarm of props.others) alarm.addAlarmAction(new SnsAction(this.topic));
	}

	#add(name: string, rule: Rule): Alarm {
		const alarm = new Alarm(this, name, {
			comparisonOperator: GREATER_THAN_THRESHOLD,
			treatMissingData: TreatMissingData.NOT_BREACHING,
			...rule,
		});
		alarm.addAlarmAction(new SnsAction(this.topic));
		alarm.addOkAction(new SnsAction(this.topic));
		return alarm;
	}

	#queue({ queue, dead }: JobQueue): void {
		this.#add('QueueLong', {
			alarmDescription: `More than ${LIMITS.queueLength} jobs have waited for a worker for 5 minutes.`,
			metric: queue.metricApproximateNumberOfMessagesVisible({ period: minutes(1), statistic: Stats.MAXIMUM }),
			threshold: LIMITS.queueLength,
			evaluationPeriods: 5,
		});
		this.#add('MessageOld', {
			alarmDescription: `A job has waited for a worker for more than ${LIMITS.oldestMessage} s.`,
			metric: queue.metricApproximateAgeOfOldestMessage({ period: minutes(1), statistic: Stats.MAXIMUM }),
			threshold: LIMITS.oldestMessage,
			evaluationPeriods: 5,
		});
		this.#add('DeadLetters', {
			alarmDescription: 'A job killed its worker five times, or a schedule could not be delivered: look into the dead-letter queue.',
			metric: dead.metricApproximateNumberOfMessagesVisible({ period: minutes(1), statistic: Stats.MAXIMUM }),
			threshold: 0,
			evaluationPeriods: 1,
		});
	}

	#work(stage: string, warmPool: number): void {
		this.#add('JobsFail', {
			alarmDescription: `More than ${LIMITS.failedJobs} % of the jobs that ended have failed, for 10 minutes.`,
			metric: new MathExpression({
				label: 'failed, per cent',
				expression: 'IF(failed + completed > 0, 100 * failed / (failed + completed), 0)',
				usingMetrics: {
					failed: new MathExpression({ expression: 'FILL(f, 0)', usingMetrics: { f: serviceMetric(stage, 'jobs_failed') } }),
					completed: new MathExpression({ expression: 'FILL(c, 0)', usingMetrics: { c: serviceMetric(stage, 'jobs_completed') } }),
				},
				period: minutes(5),
			}),
			threshold: LIMITS.failedJobs,
			evaluationPeriods: 2,
		});
		this.#add('SweepSilent', {
			alarmDescription: 'No sweep has ended for 5 minutes: lost jobs and clones past their time are not looked for.',
			metric: serviceMetric(stage, 'sweep_resent', Stats.SAMPLE_COUNT),
			threshold: 1,
			comparisonOperator: LESS_THAN_THRESHOLD,
			evaluationPeriods: 1,
			treatMissingData: TreatMissingData.BREACHING,
		});
		this.#add('ClonePastItsTime', {
			alarmDescription: 'A clone has been there past its time for 5 minutes: schedule and sweep have both failed for it.',
			metric: serviceMetric(stage, 'clones_past_time', Stats.MAXIMUM, minutes(1)),
			threshold: 0,
			evaluationPeriods: 5,
		});
		this.#add('LeftBehind', {
			alarmDescription: 'A job could not undo what it had made: something may be left on a source or on the cluster.',
			metric: serviceMetric(stage, 'undo_abandoned'),
			threshold: 0,
			evaluationPeriods: 1,
		});
		if (warmPool === 0) return;
		this.#add('WarmPoolEmpty', {
			alarmDescription: 'No booted clone has been ready for 10 minutes: every clone waits for a pod.',
			metric: serviceMetric(stage, 'pool_warm', Stats.MAXIMUM, minutes(1)),
			threshold: 1,
			comparisonOperator: LESS_THAN_THRESHOLD,
			evaluationPeriods: 10,
		});
	}

	#api(api: GatewayApi): Alarm {
		for (const [name, method, resource] of [
			['AcceptSlow', 'POST', '/api/v2/clone'],
			['StatusSlow', 'GET', '/api/v2/job-status/{job_id}'],
		] as const) {
			this.#add(name, {
				alarmDescription: `One of a hundred ${method} ${resource} has taken more than ${LIMITS.apiP99} ms, for 10 minutes.`,
				metric: new Metric({
					namespace: 'AWS/ApiGateway',
					metricName: 'Latency',
					dimensionsMap: { ApiName: api.restApiName, Stage: api.deploymentStage.stageName, Method: method, Resource: resource },
					statistic: Stats.percentile(99),
					period: minutes(5),
				}),
				threshold: LIMITS.apiP99,
				evaluationPeriods: 2,
			});
		}
		return this.#add('ApiFaults', {
			alarmDescription: `The API has answered with 5xx ${LIMITS.apiFaults} times or more within 5 minutes. A rollout under way is taken back.`,
			metric: api.metricServerError({ period: minutes(5), statistic: Stats.SUM }),
			threshold: LIMITS.apiFaults,
			comparisonOperator: GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			evaluationPeriods: 1,
		});
	}

	#function(name: string, fn: LambdaFunction): void {
		this.#add(`${name}Throttled`, {
			alarmDescription: `${name}: invocations were refused for want of concurrency, for 5 minutes.`,
			metric: fn.metricThrottles({ period: minutes(5), statistic: Stats.SUM }),
			threshold: 0,
			evaluationPeriods: 1,
		});
		this.#add(`${name}Errors`, {
			alarmDescription: `${name}: ${LIMITS.functionErrors} or more invocations failed within 5 minutes.`,
			metric: fn.metricErrors({ period: minutes(5), statistic: Stats.SUM }),
			threshold: LIMITS.functionErrors,
			comparisonOperator: GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			evaluationPeriods: 1,
		});
	}
}
