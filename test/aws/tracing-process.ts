/**
 * `node tracing-process.ts TRACE_HEADER URL`: runs one message through the worker's tracing as in a Lambda function, its work
 * being requests to URL, and prints the trace it was in.
 */
import middy from '@middy/core';
import { request } from 'undici';
import { createWorkerTracing } from '../../adapters/aws/telemetry/powertools-tracing.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';

const [, , header = '', url = ''] = process.argv;
const traces = new TraceContext(() => process.env._X_AMZN_TRACE_ID);
const tracing = createWorkerTracing('worker', traces);
const work = async (): Promise<string | undefined> => {
	await (await fetch(url)).text();
	await (await request(url)).body.text();
	return traces.header();
};
const handler = middy(async (traceHeader: string) => [await tracing.message({ jobId: 'clone-1', traceHeader }, work)]);
handler.use(tracing.middleware);
console.log(JSON.stringify(await handler(header, {} as never)));
