/** The worker's handler behind a real queue: what fails comes back alone, ends in the dead letter queue, and can be sent again from there. */
import { DeleteMessageCommand, GetQueueAttributesCommand, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { readJobMessage } from '../../../adapters/aws/sqs/job-message.ts';
import { SqsJobQueue } from '../../../adapters/aws/sqs/sqs-job-queue.ts';
import { TraceContext } from '../../../adapters/aws/telemetry/trace-context.ts';
import { systemClock, systemRandom } from '../../../adapters/embedded/system.ts';
import { createWorkerHandler } from '../../../lambdas/worker/handler.ts';
import { present } from '../../contracts/support.ts';
import { type Emulator, startEmulator } from './support/emulator.ts';
import { eventSource } from './support/event-source.ts';
import { clientsOf, createQueue } from './support/resources.ts';

const RECEIVES = 3;
let emulator: Emulator;
beforeAll(async () => {
	emulator = await startEmulator();
});
afterAll(() => emulator.stop());

it('a job that fails in an unknown way is tried as often as it may, then put aside, and goes on once it is sent again', async () => {
	const { sqs } = clientsOf(emulator);
	const dead = await createQueue(sqs);
	const { url: queueUrl } = await createQueue(sqs, {
		RedrivePolicy: JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount: RECEIVES }),
	});
	const queue = new SqsJobQueue({ client: sqs, queueUrl, traces: new TraceContext(() => undefined) });
	const runs: string[] = [];
	let broken = true;
	const source = eventSource({
		client: sqs,
		queueUrl,
		timeoutSeconds: 30,
		visibilitySeconds: 1,
		handler: createWorkerHandler({
			engine: {
				async run(jobId) {
					runs.push(jobId);
					if (broken && jobId === 'clone-2') throw new Error('nobody foresaw this');
					return 'finished';
				},
			},
			queue,
			clock: systemClock,
			random: systemRandom,
			telemetry: { log: () => undefined, metric: () => undefined },
			trace: (_job, work) => work(),
		}),
	});
	const waiting = async (url: string): Promise<number> => {
		const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }));
		return Number(Attributes?.ApproximateNumberOfMessages) + Number(Attributes?.ApproximateNumberOfMessagesNotVisible);
	};
	try {
		for (const id of ['clone-1', 'clone-2', 'clone-3']) await queue.send(id);
		await vi.waitFor(async () => expect(await waiting(dead.url)).toBe(1), { timeout: 60_000, interval: 200 });
		expect(await waiting(queueUrl)).toBe(0);
		const count = (id: string): number => runs.filter((run) => run === id).length;
		expect([count('clone-1'), count('clone-2'), count('clone-3')]).toEqual([1, RECEIVES, 1]);

		broken = false;
		const { Messages: messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl: dead.url }));
		const message = present(messages?.[0]);
		expect(readJobMessage(message.Body ?? '')).toBe('clone-2');
		await queue.send('clone-2');
		await sqs.send(new DeleteMessageCommand({ QueueUrl: dead.url, ReceiptHandle: message.ReceiptHandle }));
		await vi.waitFor(() => expect(count('clone-2')).toBe(RECEIVES + 1), { timeout: 30_000, interval: 100 });
		await vi.waitFor(async () => expect(await waiting(queueUrl)).toBe(0), { timeout: 30_000, interval: 200 });
		expect(await waiting(dead.url)).toBe(0);
	} finally {
		await source.stop();
	}
});
