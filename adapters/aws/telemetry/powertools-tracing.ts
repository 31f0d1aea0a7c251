/**
 * X-Ray segments of the workers: one a message, and below it one a call to AWS (Powertools Tracer). The API has none of it
 * (its bundle would be half as large again): it hands the trace on with its message, and that is what a worker's start from.
 */
import { Tracer } from '@aws-lambda-powertools/tracer';
import { captureLambdaHandler } from '@aws-lambda-powertools/tracer/middleware';
import type { TraceContext } from './trace-context.ts';

export interface WorkerTracing {
	/** Wraps an AWS client, so that its calls are seen. */
	capture<Client>(client: Client): Client;
	/** Runs one message's work in the trace it came from, as a segment that can be searched by its job. */
	message<T>(job: { readonly jobId: string; readonly traceHeader: string | undefined }, work: () => Promise<T>): Promise<T>;
	readonly middleware: ReturnType<typeof captureLambdaHandler>;
}

export function createWorkerTracing(service: string, traces: TraceContext): WorkerTracing {
	// Requests to sources and clones are not AWS's business: no trace header goes to foreign sites, no address of theirs into a trace.
	const tracer = new Tracer({ serviceName: service, captureHTTPsRequests: false });
	return {
		capture: (client) => tracer.captureAWSv3Client(client),
		middleware: captureLambdaHandler(tracer, { captureResponse: false }),
		message<T>(job: { jobId: string; traceHeader: string | undefined }, work: () => Promise<T>): Promise<T> {
			return traces.run(job.traceHeader, () => {
				const traceId = traces.traceId();
				if (!tracer.isTracingEnabled()) return work();
				return tracer.provider.captureAsyncFunc(`## ${job.jobId}`, async (segment) => {
					segment?.addAnnotation('job_id', job.jobId);
					if (traceId !== undefined) segment?.addAnnotation('job_trace', traceId);
					try {
						return await work();
					} catch (error) {
						segment?.addError(error instanceof Error ? error : String(error));
						throw error;
					} finally {
						segment?.close();
					}
				}) as Promise<T>;
			});
		},
	};
}
