import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { createWorkerTracing } from '../../adapters/aws/telemetry/powertools-tracing.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { systemRandom } from '../../adapters/embedded/system.ts';
import { awsParts, type PartOptions } from '../shared/aws-parts.ts';
import type { WorkerEnvironment } from '../shared/environment.ts';
import { workerParts } from '../shared/worker-parts.ts';
import { createWorkerHandler, type WorkerHandler } from './handler.ts';

export interface AwsWorkerOptions extends PartOptions {
	readonly pluginFolder: string;
}

export function createAwsWorker(environment: WorkerEnvironment, options: AwsWorkerOptions): WorkerHandler {
	const traces = new TraceContext(options.traceHeader);
	const tracing = createWorkerTracing(options.service, traces);
	const parts = awsParts(environment, { ...options, traces, capture: tracing.capture });
	const { engine } = workerParts(parts, environment, options.pluginFolder);
	return createWorkerHandler({
		engine,
		queue: parts.queue,
		clock: parts.clock,
		random: systemRandom,
		telemetry: parts.telemetry,
		trace: tracing.message,
		middlewares: [injectLambdaContext(parts.telemetry.logger, { resetKeys: true }), tracing.middleware],
	});
}
