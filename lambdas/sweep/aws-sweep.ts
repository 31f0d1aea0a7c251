import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { createWorkerTracing } from '../../adapters/aws/telemetry/powertools-tracing.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { awsParts, type PartOptions } from '../shared/aws-parts.ts';
import type { WorkerEnvironment } from '../shared/environment.ts';
import { workerParts } from '../shared/worker-parts.ts';
import { createSweepHandler, type SweepHandler } from './handler.ts';

export interface AwsSweepOptions extends PartOptions {
	readonly pluginFolder: string;
}

/** A slot that is not ready by then is given up: a new node takes two minutes. */
const BOOT_SECONDS = 300;

export function createAwsSweep(environment: WorkerEnvironment, options: AwsSweepOptions): SweepHandler {
	const traces = new TraceContext(options.traceHeader);
	const tracing = createWorkerTracing(options.service, traces);
	const parts = awsParts(environment, { ...options, traces, capture: tracing.capture });
	const { deps, engine } = workerParts(parts, environment, options.pluginFolder);
	const { warmPhp, warmDeadlineSeconds, hostGraceSeconds } = deps.settings;
	return createSweepHandler({
		deps,
		engine,
		pool: { size: environment.WARM_POOL, php: warmPhp, deadlineSeconds: warmDeadlineSeconds, bootSeconds: BOOT_SECONDS },
		graceSeconds: hostGraceSeconds,
		pause: (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds)),
		middlewares: [injectLambdaContext(parts.telemetry.logger, { resetKeys: true }), tracing.middleware],
	});
}
