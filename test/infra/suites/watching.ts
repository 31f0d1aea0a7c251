import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { METRICS_NAMESPACE as WRITTEN_NAMESPACE } from '../../../adapters/aws/telemetry/powertools-telemetry.ts';
import { METRICS_NAMESPACE } from '../../../lib/service-metrics.ts';
import { flat, ofType, only, type Resource, type StackTemplate, type Stage } from '../support.ts';

/** Names given to the telemetry anywhere in the code. A job's end is counted by its status. */
function writtenMetrics(): readonly string[] {
	const root = resolve(import.meta.dirname, '../../..');
	const files = ['core', 'adapters', 'lambdas'].flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
			.filter((name) => name.endsWith('.ts'))
			.map((name) => readFileSync(join(root, folder, name), 'utf8')),
	);
	const names = files.flatMap((text) => [...text.matchAll(/metric\(\s*['`]([a-z_$]+(?:\{status\})?)['`]/g)].map(([, name = '']) => name));
	return names.flatMap((name) =>
		name.endsWith('{status}') ? ['completed', 'failed', 'cancelled'].map((status) => `jobs_${status}`) : [name],
	);
}

interface Expected {
	readonly metric: string;
	readonly statistic: string;
	readonly compare: string;
	readonly threshold: number;
	/** Seconds that it must last. */
	readonly lasts: number;
	readonly missing?: string;
}

const byName = (a: string, b: string): number => a.localeCompare(b);
const ABOVE = 'GreaterThanThreshold';
const FROM = 'GreaterThanOrEqualToThreshold';
const BELOW = 'LessThanThreshold';

/** By the beginning of their ids. */
const ALARMS: Readonly<Record<string, Expected>> = {
	AlarmsQueueLong: { metric: 'ApproximateNumberOfMessagesVisible', statistic: 'Maximum', compare: ABOVE, threshold: 50, lasts: 300 },
	AlarmsMessageOld: { metric: 'ApproximateAgeOfOldestMessage', statistic: 'Maximum', compare: ABOVE, threshold: 1200, lasts: 300 },
	AlarmsDeadLetters: { metric: 'ApproximateNumberOfMessagesVisible', statistic: 'Maximum', compare: ABOVE, threshold: 0, lasts: 60 },
	AlarmsSweepSilent: { metric: 'sweep_resent', statistic: 'SampleCount', compare: BELOW, threshold: 1, lasts: 300, missing: 'breaching' },
	AlarmsClonePastItsTime: { metric: 'clones_past_time', statistic: 'Maximum', compare: ABOVE, threshold: 0, lasts: 300 },
	AlarmsLeftBehind: { metric: 'undo_abandoned', statistic: 'Sum', compare: ABOVE, threshold: 0, lasts: 300 },
	AlarmsWarmPoolEmpty: { metric: 'pool_warm', statistic: 'Maximum', compare: BELOW, threshold: 1, lasts: 600 },
	AlarmsAcceptSlow: { metric: 'Latency', statistic: 'p99', compare: ABOVE, threshold: 2000, lasts: 600 },
	AlarmsStatusSlow: { metric: 'Latency', statistic: 'p99', compare: ABOVE, threshold: 2000, lasts: 600 },
	AlarmsApiFaults: { metric: '5XXError', statistic: 'Sum', compare: FROM, threshold: 5, lasts: 300 },
	AlarmsApiThrottled: { metric: 'Throttles', statistic: 'Sum', compare: ABOVE, threshold: 0, lasts: 300 },
	AlarmsWorkerThrottled: { metric: 'Throttles', statistic: 'Sum', compare: ABOVE, threshold: 0, lasts: 300 },
	AlarmsSweepThrottled: { metric: 'Throttles', statistic: 'Sum', compare: ABOVE, threshold: 0, lasts: 300 },
	AlarmsApiErrors: { metric: 'Errors', statistic: 'Sum', compare: FROM, threshold: 3, lasts: 300 },
	AlarmsWorkerErrors: { metric: 'Errors', statistic: 'Sum', compare: FROM, threshold: 3, lasts: 300 },
	AlarmsSweepErrors: { metric: 'Errors', statistic: 'Sum', compare: FROM, threshold: 3, lasts: 300 },
	ApiLiveErrors: { metric: 'Errors', statistic: 'Sum', compare: FROM, threshold: 1, lasts: 60 },
	WorkerLiveErrors: { metric: 'Errors', statistic: 'Sum', compare: FROM, threshold: 3, lasts: 60 },
};

export function watchingSuite(stage: () => Stage): void {
	const service = (): StackTemplate => stage().service;
	const plain = (id: string): string => id.replace(/[0-9A-F]{8}$/, '');
	const alarms = (): ReadonlyMap<string, Resource> =>
		new Map(ofType(service(), 'AWS::CloudWatch::Alarm').map((alarm) => [plain(alarm.id), alarm]));

	describe('the alarms', () => {
		it.each(Object.entries(ALARMS))('%s: with its numbers', (id, expected) => {
			const { MetricName, Statistic, ExtendedStatistic, ComparisonOperator, Threshold, Period, EvaluationPeriods, TreatMissingData } =
				alarms().get(id)?.Properties ?? {};
			expect({
				metric: MetricName,
				statistic: Statistic ?? ExtendedStatistic,
				compare: ComparisonOperator,
				threshold: Threshold,
				lasts: Period * EvaluationPeriods,
				missing: TreatMissingData,
			}).toEqual({ missing: 'notBreaching', ...expected });
		});

		it('JobsFail: more than 5 % of those that ended, for 10 minutes', () => {
			const { Metrics, Threshold, ComparisonOperator, EvaluationPeriods } = alarms().get('AlarmsJobsFail')?.Properties ?? {};
			expect({ Threshold, ComparisonOperator, EvaluationPeriods }).toEqual({
				Threshold: 5,
				ComparisonOperator: ABOVE,
				EvaluationPeriods: 2,
			});
			const names = Metrics.flatMap((metric: { MetricStat?: { Metric: { MetricName: string }; Period: number } }) =>
				metric.MetricStat === undefined ? [] : [[metric.MetricStat.Metric.MetricName, metric.MetricStat.Period]],
			);
			expect(Object.fromEntries(names)).toEqual({ jobs_failed: 300, jobs_completed: 300 });
			expect(Metrics.find(({ ReturnData }: { ReturnData?: boolean }) => ReturnData !== false).Expression).toContain(
				'100 * failed / (failed + completed)',
			);
		});

		it('are these and no others, each with a sentence, each told to the topic', () => {
			expect([...alarms().keys()].toSorted(byName)).toEqual([...Object.keys(ALARMS), 'AlarmsJobsFail'].toSorted(byName));
			const topic = only(service(), 'AWS::SNS::Topic').id;
			for (const [id, { Properties }] of alarms()) {
				expect(Properties.AlarmActions, id).toEqual([{ Ref: topic }]);
				expect(Properties.AlarmDescription, id).toMatch(/^.{30,}\.$/);
			}
			expect(only(service(), 'AWS::SNS::Subscription').Properties).toMatchObject({ Protocol: 'email', Endpoint: 'operations@example.com' });
			expect(JSON.stringify(only(service(), 'AWS::SNS::TopicPolicy'))).toContain('aws:SecureTransport');
		});

		it('of the service look where the telemetry writes', () => {
			for (const [id, { Properties }] of alarms()) {
				if (Properties.Namespace === METRICS_NAMESPACE) expect(Properties.Dimensions, id).toEqual([{ Name: 'stage', Value: 'production' }]);
			}
		});
	});

	it('reads no metric that nobody writes', () => {
		expect(METRICS_NAMESPACE).toBe(WRITTEN_NAMESPACE);
		const read = [...alarms().values()].flatMap(({ Properties }) => [
			...(Properties.Namespace === METRICS_NAMESPACE ? [Properties.MetricName] : []),
			...(Properties.Metrics ?? []).flatMap(
				({ MetricStat }: { MetricStat?: { Metric: { MetricName: string } } }) => MetricStat?.Metric.MetricName ?? [],
			),
		]);
		expect(read).toHaveLength(6);
		for (const name of read) expect(writtenMetrics(), name).toContain(name);
	});

	describe('a rollout', () => {
		it('is a canary of a tenth for five minutes that alarms take back', () => {
			const groups = ofType(service(), 'AWS::CodeDeploy::DeploymentGroup');
			expect(groups.map(({ id }) => plain(id)).sort()).toEqual(['RolloutApi', 'RolloutWorker']);
			for (const { id, Properties } of groups) {
				expect(Properties.DeploymentConfigName, id).toBe('CodeDeployDefault.LambdaCanary10Percent5Minutes');
				expect(Properties.AutoRollbackConfiguration).toEqual({
					Enabled: true,
					Events: expect.arrayContaining(['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_ALARM']),
				});
				const names = Properties.AlarmConfiguration.Alarms.map(({ Name }: { Name: unknown }) => plain(flat(Name).replace(/[<>]/g, '')));
				expect(names).toEqual([id.startsWith('RolloutApi') ? 'ApiLiveErrors' : 'WorkerLiveErrors', 'AlarmsApiFaults']);
			}
			const aliases = ofType(service(), 'AWS::Lambda::Alias').map(({ UpdatePolicy }) => UpdatePolicy?.CodeDeployLambdaAliasUpdate);
			expect(aliases).toEqual([expect.anything(), expect.anything()]);
		});
	});

	describe('what is looked at', () => {
		it('are three dashboards with five subjects', () => {
			const boards = ofType(service(), 'AWS::CloudWatch::Dashboard').map(({ Properties }) => flat(Properties.DashboardBody));
			expect(boards).toHaveLength(3);
			for (const subject of ['Jobs', 'Workers', 'Clones', 'Nodes', 'API', 'Cost']) {
				expect(
					boards.filter((body) => body.includes(`## ${subject}`)),
					subject,
				).toHaveLength(1);
			}
			for (const body of boards) expect(() => JSON.parse(body)).not.toThrow();
		});

		it('are three questions to the logs of all functions', () => {
			const queries = ofType(service(), 'AWS::Logs::QueryDefinition').map(({ Properties }) => Properties);
			expect(queries.map(({ Name }) => Name).sort()).toEqual(
				['FailuresByCode', 'JobStory', 'SlowestSteps'].map((name) => `wp-clone-production/${name}`),
			);
			for (const { LogGroupNames } of queries) expect(LogGroupNames).toHaveLength(3);
		});
	});
}
