/** The worker's batch handler: what is acknowledged, what comes back, and that its middleware is around it. */
import type { SQSEvent, SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import type { RunAnswer } from '../../core/jobs/engine.ts';
import { createWorkerHandler, type WorkerOptions } from '../../lambdas/worker/handler.ts';
import { lambdaContext } from './support.ts';

function record(body: string, attributes: Partial<SQSRecord['attributes']> = {}): SQSRecord {
	return {
		messageId: `message of ${body}`,
		receiptHandle: 'r',
		body,
		attributes: {
			ApproximateReceiveCount: '1',
			SentTimestamp: '1000',
			SenderId: 's',
			ApproximateFirstReceiveTimestamp: '1000',
			...attributes,
		},
		messageAttributes: {},
		md5OfBody: '',
		eventSource: 'aws:sqs',
		eventSourceARN: 'arn',
		awsRegion: 'eu-central-1',
	};
}
const job = (id: string) => record(JSON.stringify({ job_id: id }));
const batch = (...Records: SQSRecord[]): SQSEvent => ({ Records });

function worker(run: (jobId: string) => Promise<RunAnswer>, more: Partial<WorkerOptions> = {}) {
	const log: string[] = [];
	const sent: [string, number | undefined][] = [];
	const metrics: [string, number][] = [];
	const handler = createWorkerHandler({
		engine: { run },
		queue: { send: async (id, delay) => void sent.push([id, delay]) },
		clock: { now: () => 3000 },
		random: { hex: () => 'ff', fraction: () => 0.5 },
		telemetry: { log: (level, message) => void log.push(`${level} ${message}`), metric: (name, value) => void metrics.push([name, value]) },
		trace: (_job, work) => work(),
		...more,
	});
	return { handler, log, sent, metrics };
}

describe('the worker', () => {
	it.each<RunAnswer>(['finished', 'waiting', 'busy', 'unknown'])('acknowledges what the engine answers with "%s"', async (answer) => {
		const { handler, sent, metrics } = worker(async () => answer);
		expect(await handler(batch(job('clone-1'), job('clone-2')), lambdaContext())).toEqual({ batchItemFailures: [] });
		expect(sent).toEqual([]);
		expect(metrics).toContainEqual(['queue_seconds', 2]);
	});

	it('hands the function its remaining time', async () => {
		let remaining = 0;
		const handler = createWorkerHandler({
			...({} as WorkerOptions),
			engine: {
				async run(_id, budget) {
					remaining = budget.remainingMs();
					return 'finished';
				},
			},
			clock: { now: () => 0 },
			telemetry: { log: () => undefined, metric: () => undefined },
			trace: (_job, work) => work(),
		});
		await handler(batch(job('clone-1')), lambdaContext(4321));
		expect(remaining).toBe(4321);
	});

	it('acknowledges a message that is none of ours, and logs it', async () => {
		const run: string[] = [];
		const { handler, log } = worker(async (id) => {
			run.push(id);
			return 'finished';
		});
		const answer = await handler(batch(record('not json'), record('{"job_id":""}'), record('null'), job('clone-1')), lambdaContext());
		expect(answer).toEqual({ batchItemFailures: [] });
		expect(run).toEqual(['clone-1']);
		expect(log).toEqual(Array(3).fill('error A message that is none of ours was taken out of the queue.'));
	});

	it('never acknowledges an unknown error, and lets the rest of the batch through', async () => {
		const { handler, log } = worker(async (id) => {
			if (id === 'clone-2') throw new Error('what is this?');
			return 'finished';
		});
		const answer = await handler(batch(job('clone-1'), job('clone-2'), job('clone-3')), lambdaContext());
		expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: 'message of {"job_id":"clone-2"}' }] });
		expect(log).toEqual(['error message not handled']);
	});

	it('sends a job anew whose bookkeeping failed, so that only crashes count as receives', async () => {
		const { handler, sent } = worker(async () => 'retry');
		expect(await handler(batch(job('clone-1')), lambdaContext())).toEqual({ batchItemFailures: [] });
		expect(sent).toEqual([['clone-1', 15]]);
	});

	it('lets it come back when that cannot be sent either', async () => {
		const { handler } = worker(async () => 'retry', { queue: { send: () => Promise.reject(new Error('SQS is down')) } });
		expect(await handler(batch(job('clone-1')), lambdaContext())).toEqual({
			batchItemFailures: [{ itemIdentifier: 'message of {"job_id":"clone-1"}' }],
		});
	});

	it('works in the trace that the message came with', async () => {
		const traced: unknown[] = [];
		const { handler } = worker(async () => 'finished', {
			trace(message, work) {
				traced.push(message);
				return work();
			},
		});
		await handler(batch(record('{"job_id":"clone-1"}', { AWSTraceHeader: 'Root=1-2-3' })), lambdaContext());
		expect(traced).toEqual([{ jobId: 'clone-1', traceHeader: 'Root=1-2-3' }]);
	});

	it('has its middleware around it', async () => {
		const order: string[] = [];
		const runs = async (): Promise<RunAnswer> => {
			order.push('work');
			return 'finished';
		};
		const { handler } = worker(runs, {
			middlewares: [{ before: () => void order.push('before'), after: () => void order.push('after') }],
		});
		await handler(batch(job('clone-1')), lambdaContext());
		expect(order).toEqual(['before', 'work', 'after']);
	});
});
