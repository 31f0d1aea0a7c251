/** Runs one message through the worker's tracing as in a Lambda function, and prints the traces its work was in. */
import middy from '@middy/core';
import { createWorkerTracing } from '../../adapters/aws/telemetry/powertools-tracing.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';

const traces = new TraceContext(() => process.env._X_AMZN_TRACE_ID);
const tracing = createWorkerTracing('worker', traces);
const handler = middy(async (header: string) => [
	await tracing.message({ jobId: 'clone-1', traceHeader: header }, async () => traces.header()),
]).use(tracing.middleware);
console.log(JSON.stringify(await handler(process.argv[2] ?? '', {} as never)));
