import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, type IAlarm, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { LambdaApplication, LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { Alias, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { StageConfig } from '../../stage-config.ts';

const CONFIGS: Readonly<Record<StageConfig['rollout'], typeof LambdaDeploymentConfig.ALL_AT_ONCE>> = {
	canary: LambdaDeploymentConfig.CANARY_10PERCENT_5MINUTES,
	linear: LambdaDeploymentConfig.LINEAR_10PERCENT_EVERY_1MINUTE,
	'all-at-once': LambdaDeploymentConfig.ALL_AT_ONCE,
};

/** What callers use: the version that traffic is being moved to, a part at a time. */
export class LiveAlias extends Construct {
	readonly alias: Alias;
	readonly errors: Alarm;

	/** @param props.errorsAMinute as many end a rollout; the handler itself answers every failure it knows. */
	constructor(
		scope: Construct,
		id: string,
		props: { readonly function: LambdaFunction; readonly errorsAMinute: number; readonly what: string },
	) {
		super(scope, id);
		this.alias = new Alias(this, 'Alias', { aliasName: 'live', version: props.function.currentVersion });
		this.errors = new Alarm(this, 'Errors', {
			alarmDescription: `${props.what}: ${props.errorsAMinute} or more invocations failed within a minute. A rollout under way is taken back.`,
			// The metric's own default of 5 minutes would see nothing before a canary is over.
			metric: this.alias.metricErrors({ period: Duration.minutes(1), statistic: Stats.SUM }),
			threshold: props.errorsAMinute,
			comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			evaluationPeriods: 1,
			treatMissingData: TreatMissingData.NOT_BREACHING,
		});
	}
}

export interface RolloutProps {
	readonly rollout: StageConfig['rollout'];
	readonly aliases: Readonly<Record<string, LiveAlias>>;
	/** Besides each alias's own. */
	readonly alarms: readonly IAlarm[];
}

/** CodeDeploy moves an alias's traffic, and back when an alarm sounds. One group an alias: a second would replace the first's policy. */
export class Rollout extends Construct {
	constructor(scope: Construct, id: string, props: RolloutProps) {
		super(scope, id);
		const application = new LambdaApplication(this, 'Application');
		for (const [name, { alias, errors }] of Object.entries(props.aliases)) {
			new LambdaDeploymentGroup(this, name, {
				application,
				alias,
				deploymentConfig: CONFIGS[props.rollout],
				alarms: [errors, ...props.alarms],
				autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
			});
		}
	}
}
