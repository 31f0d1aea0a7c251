/**
 * The worker as a Lambda function behind the queue: every message of the batch is carried on for itself, and only those that
 * could not be handled come back (partial batch response).
 *
 * What is acknowledged: all that the engine has taken care of, and what is no message of ours, which is logged. What is not:
 * anything that failed in a way nobody foresaw. After five deliveries SQS puts a message aside; the sweep goes on with its job.
 */
import middy, { type MiddlewareObj, type MiddyfiedHandler } from '@middy/core';
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from 'aws-lambda';
import { readJobMessage } from '../../adapters/aws/sqs/job-message.ts';
import type { Engine } from '../../core/jobs/engine.ts';
import type { Clock, JobQueue, Random, Telemetry } from '../../core/ports.ts';

export interface WorkerOptions {
	readonly engine: Pick<Engine, 'run'>;
	readonly queue: JobQueue;
	readonly clock: Clock;
	readonly random: Random;
	readonly telemetry: Telemetry;
	/** Runs one message's work in the trace that it came with. */
	readonly trace: <T>(job: { readonly jobId: string; readonly traceHeader: string | undefined }, work: () => Promise<T>) => Promise<T>;
	/** Run around the whole batch. */
	readonly middlewares?: readonly MiddlewareObj<SQSEvent, SQSBatchResponse, Error>[];
}

export type WorkerHandler = MiddyfiedHandler<SQSEvent, SQSBatchResponse>;

/** When the store or the queue failed under a job, it is tried again after this, up to twice as much. */
const AGAIN_SECONDS = 10;

export function createWorkerHandler(options: WorkerOptions): WorkerHandler {
	const handler = middy<SQSEvent, SQSBatchResponse>(async (event: SQSEvent, context: Context) => {
		const handled = await Promise.all(event.Records.map((record) => isHandled(options, record, context)));
		return {
			batchItemFailures: event.Records.filter((_, index) => !handled[index]).map((record) => ({ itemIdentifier: record.messageId })),
		};
	});
	for (const middleware of options.middlewares ?? []) handler.use(middleware);
	return handler;
}

/** @returns false when the message has to come back. Never throws: one message must not take the others of its batch along. */
async function isHandled(options: WorkerOptions, record: SQSRecord, context: Context): Promise<boolean> {
	const { telemetry, clock } = options;
	const jobId = readJobMessage(record.body);
	if (jobId === null) {
		telemetry.log('error', 'A message that is none of ours was taken out of the queue.', { message_id: record.messageId });
		telemetry.metric('messages_malformed', 1, 'count');
		return true;
	}
	const receives = Number(record.attributes.ApproximateReceiveCount);
	telemetry.metric('queue_seconds', Math.max(0, clock.now() - Number(record.attributes.SentTimestamp)) / 1000, 'seconds');
	try {
		await options.trace({ jobId, traceHeader: record.attributes.AWSTraceHeader }, () => carryOn(options, jobId, context));
		return true;
	} catch (error) {
		telemetry.log('error', 'message not handled', { job_id: jobId, receive_count: receives, error });
		telemetry.metric('messages_failed', 1, 'count');
		return false;
	}
}

async function carryOn(options: WorkerOptions, jobId: string, context: Context): Promise<void> {
	const { engine, queue, random } = options;
	const never = new AbortController();
	const answer = await engine.run(jobId, { remainingMs: () => context.getRemainingTimeInMillis(), signal: never.signal });
	// A new message, so that the receive count counts crashes only.
	if (answer === 'retry') await queue.send(jobId, AGAIN_SECONDS + Math.floor(random.fraction() * AGAIN_SECONDS));
}
