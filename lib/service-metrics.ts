/**
 * The metrics that the code writes (Powertools, embedded metric format) and that alarms and dashboards read. Each is
 * written with the dimension `stage` alone, and once more with those it is broken down by.
 */

import { Duration } from 'aws-cdk-lib';
import { Metric, Stats, Unit } from 'aws-cdk-lib/aws-cloudwatch';
import { PRODUCT } from './names.ts';

/** As in adapters/aws/telemetry; a test holds them equal. */
export const METRICS_NAMESPACE = PRODUCT;

/** The names as they are written, with the dimensions that there are besides `stage`. */
export const SERVICE_METRICS = {
	jobs_accepted: { unit: Unit.COUNT },
	jobs_completed: { unit: Unit.COUNT },
	jobs_failed: { unit: Unit.COUNT },
	jobs_cancelled: { unit: Unit.COUNT },
	job_seconds: { unit: Unit.SECONDS },
	step_seconds: { unit: Unit.SECONDS },
	workers_crashed: { unit: Unit.COUNT },
	undo_abandoned: { unit: Unit.COUNT },
	/** Jobs whose message the sweep sent again; written by every sweep that ran to its end, mostly as 0. */
	sweep_resent: { unit: Unit.COUNT },
	clones_live: { unit: Unit.COUNT },
	/** Clones that are still there more than the host's own grace after `expires_at`. */
	clones_past_time: { unit: Unit.COUNT },
	claims_warm: { unit: Unit.COUNT },
	claims_cold: { unit: Unit.COUNT },
	pool_warm: { unit: Unit.COUNT },
	pool_booting: { unit: Unit.COUNT },
	kubernetes_calls: { unit: Unit.COUNT },
} as const;
export type ServiceMetricName = keyof typeof SERVICE_METRICS;

/** @param period 5 minutes unless given */
export function serviceMetric(stage: string, name: ServiceMetricName, statistic: string = Stats.SUM, period = Duration.minutes(5)): Metric {
	return new Metric({
		namespace: METRICS_NAMESPACE,
		metricName: name,
		dimensionsMap: { stage },
		unit: SERVICE_METRICS[name].unit,
		statistic,
		period,
	});
}
