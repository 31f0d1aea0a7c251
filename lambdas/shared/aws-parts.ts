import { openAws } from '../../adapters/aws/open-aws.ts';
import { createPowertoolsTelemetry } from '../../adapters/aws/telemetry/powertools-telemetry.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { systemClock } from '../../adapters/embedded/system.ts';
import type { CommonEnvironment } from './environment.ts';

export interface PartOptions {
	readonly service: string;
	/** The trace of the invocation at hand. */
	readonly traceHeader: () => string | undefined;
}

export interface TracedPartOptions extends PartOptions {
	/** Wraps each AWS client, for tracing. */
	readonly capture?: <Client>(client: Client) => Client;
	readonly traces?: TraceContext;
}

/** Telemetry and AWS, as every function and the consumer have them. */
export function awsParts(environment: CommonEnvironment, options: TracedPartOptions) {
	const traces = options.traces ?? new TraceContext(options.traceHeader);
	const telemetry = createPowertoolsTelemetry({
		service: options.service,
		stage: environment.STAGE,
		traces,
		logLevel: environment.LOG_LEVEL,
	});
	const aws = openAws(
		{
			tableName: environment.TABLE_NAME,
			queueUrl: environment.QUEUE_URL,
			queueArn: environment.QUEUE_ARN,
			kmsKeyId: environment.KMS_KEY_ID,
			scheduleGroup: environment.SCHEDULE_GROUP,
			scheduleRoleArn: environment.SCHEDULE_ROLE_ARN,
			scheduleDeadLetterArn: environment.SCHEDULE_DLQ_ARN ?? null,
		},
		{ clock: systemClock, traces, ...(options.capture === undefined ? {} : { capture: options.capture }) },
	);
	return { ...aws, telemetry, traces, clock: systemClock };
}

export type AwsParts = ReturnType<typeof awsParts>;
