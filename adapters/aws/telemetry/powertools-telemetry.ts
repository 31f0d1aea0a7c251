/**
 * Telemetry as AWS reads it: the log as lines of JSON (Powertools Logger), metrics as lines of embedded metric format
 * (Powertools Metrics), both on standard output, from where Lambda and the cluster's log agent take them.
 *
 * Each observation is a line of its own, so that jobs side by side in one worker do not mix their dimensions. It is counted
 * under the stage alone, which the alarms read, and once more under the dimensions it came with.
 */
import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { Telemetry } from '../../../core/ports.ts';
import type { TraceContext } from './trace-context.ts';

/** CloudWatch namespace of all metrics. */
export const METRICS_NAMESPACE = 'wp-clone';

const UNITS = { count: MetricUnit.Count, seconds: MetricUnit.Seconds, bytes: MetricUnit.Bytes } as const;

export interface PowertoolsTelemetryOptions {
	/** How logs and traces name the function or process, e.g. `api`. */
	readonly service: string;
	readonly stage: string;
	readonly traces: TraceContext;
	/** `INFO` unless given. */
	readonly logLevel?: 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
}

export interface PowertoolsTelemetry extends Telemetry {
	/** For the middleware that adds the request's own fields. */
	readonly logger: Logger;
}

export function createPowertoolsTelemetry(options: PowertoolsTelemetryOptions): PowertoolsTelemetry {
	const { service, stage, traces, logLevel = 'INFO' } = options;
	const logger = new Logger({ serviceName: service, logLevel, persistentKeys: { stage } });
	const metrics = new Metrics({ namespace: METRICS_NAMESPACE, serviceName: service });
	// Powertools counts by service too unless told not to; then no metric would have the stage alone.
	metrics.clearDefaultDimensions();
	metrics.setDefaultDimensions({ stage });
	return {
		logger,
		log(level, message, fields) {
			const traceId = traces.traceId();
			logger[level](message, { ...fields, ...(traceId === undefined ? {} : { trace_id: traceId }) });
		},
		metric(name, value, unit, dimensions = {}) {
			// Powertools throws at what is not a number; a measurement that failed must not fail the work.
			if (!Number.isFinite(value)) {
				logger.warn('A metric without a value was left out.', { metric: name });
				return;
			}
			// Two sets: the stage alone, and the stage with these.
			if (Object.keys(dimensions).length > 0) metrics.addDimensions({}).addDimensions(dimensions);
			metrics.addMetric(name, UNITS[unit], value);
			metrics.publishStoredMetrics();
		},
	};
}
