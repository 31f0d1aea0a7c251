/** A consumer that is told to go while SQS is about to give it a message. */
import { createHash } from 'node:crypto';
import { SQSClient } from '@aws-sdk/client-sqs';
import { expect, it, vi } from 'vitest';
import { SqsJobQueue, SqsJobQueueConsumer } from '../../adapters/aws/sqs/sqs-job-queue.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { systemClock } from '../../adapters/embedded/system.ts';
import { runConsumer } from '../../bin/consumer/run-consumer.ts';

const BODY = '{"job_id":"clone-1"}';

/** A queue whose one message is on its way from the first receive on, and lost on the way when nobody waits for it any more. */
function queueWithLateMessage() {
	const asked: { readonly action: string; readonly body: Readonly<Record<string, unknown>> }[] = [];
	let deliver: () => void = () => undefined;
	const delivered = new Promise<void>((resolve) => {
		deliver = resolve;
	});
	const client = new SQSClient({
		region: 'eu-central-1',
		credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
		requestHandler: {
			async handle(
				request: { headers: Record<string, string | undefined>; body?: unknown },
				{ abortSignal }: { abortSignal?: AbortSignal },
			) {
				const action = request.headers['x-amz-target']?.split('.')[1] ?? '';
				asked.push({ action, body: JSON.parse(new TextDecoder().decode(request.body as Uint8Array)) });
				if (action === 'ReceiveMessage') {
					const gone = new Promise<never>((_, reject) =>
						abortSignal?.addEventListener('abort', () => reject(Object.assign(new Error('aborted'), { name: 'AbortError' }))),
					);
					await Promise.race([delivered, gone]);
				}
				const Messages = [
					{ MessageId: 'm1', ReceiptHandle: 'r1', Body: BODY, MD5OfBody: createHash('md5').update(BODY).digest('hex'), Attributes: {} },
				];
				const body = new Blob([JSON.stringify(action === 'ReceiveMessage' ? { Messages } : {})]).stream();
				return { response: { statusCode: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body } };
			},
			destroy: () => undefined,
		} as never,
	});
	return { client, asked, deliver };
}

it('takes it and hands it back: a poll that is given up may have one already', async () => {
	const { client, asked, deliver } = queueWithLateMessage();
	const queueUrl = 'https://sqs.example/jobs';
	const telemetry = { log: () => undefined, metric: () => undefined };
	const traces = new TraceContext(() => undefined);
	const run = vi.fn();
	const running = runConsumer({
		consumer: new SqsJobQueueConsumer({ client, queueUrl, clock: systemClock, telemetry }),
		queue: new SqsJobQueue({ client, queueUrl, traces }),
		engine: { run, giveUp: run },
		telemetry,
		traces,
		concurrency: 1,
		drainSeconds: 30,
	});
	await vi.waitFor(() => expect(asked).toHaveLength(1));
	const stopped = running.stop();
	deliver();
	await stopped;
	expect(asked.slice(1)).toEqual([
		{ action: 'ChangeMessageVisibility', body: { QueueUrl: queueUrl, ReceiptHandle: 'r1', VisibilityTimeout: 0 } },
	]);
	expect(run).not.toHaveBeenCalled();
});
