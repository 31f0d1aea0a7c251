/** The queue's adapter where SQS does what no emulator does, and what it sends. */
import {
	ChangeMessageVisibilityCommand,
	DeleteMessageCommand,
	ReceiveMessageCommand,
	SendMessageCommand,
	SQSClient,
} from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keepInvisible } from '../../adapters/aws/sqs/keep-invisible.ts';
import { SqsJobQueue, SqsJobQueueConsumer } from '../../adapters/aws/sqs/sqs-job-queue.ts';
import { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { TransientError } from '../../core/errors.ts';
import { nth } from '../contracts/support.ts';

const sqs = mockClient(SQSClient);
const lines: string[] = [];
const telemetry = { log: (_level: string, message: string) => void lines.push(message), metric: () => undefined };
const HEADER = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1';
const fault = (name: string) => Object.assign(new Error(name), { name, $metadata: { httpStatusCode: 400 } });

beforeEach(() => {
	sqs.reset();
	lines.length = 0;
	vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

const client = new SQSClient({});
const queueUrl = 'https://sqs.example/jobs';
const consumer = () => new SqsJobQueueConsumer({ client, queueUrl, clock: { now: () => Date.now() }, telemetry });
const message = (body: string, receipt = 'r1') => ({
	MessageId: 'm1',
	Body: body,
	ReceiptHandle: receipt,
	Attributes: { ApproximateReceiveCount: '2' },
});

describe('sending', () => {
	it.each([
		[undefined, 0],
		[-1, 0],
		[0.2, 1],
		[899.5, 900],
		[5000, 900],
	])('a delay of %s is one of %s whole seconds', async (asked, sent) => {
		sqs.on(SendMessageCommand).resolves({});
		await new SqsJobQueue({ client, queueUrl, traces: new TraceContext(() => undefined) }).send('clone-1', asked);
		expect(sqs.commandCalls(SendMessageCommand)[0]?.args[0].input).toEqual({
			QueueUrl: queueUrl,
			MessageBody: '{"job_id":"clone-1"}',
			DelaySeconds: sent,
		});
	});

	it("carries the trace of the message at hand rather than the function's", async () => {
		sqs.on(SendMessageCommand).resolves({});
		const traces = new TraceContext(() => 'Root=1-0-0');
		const queue = new SqsJobQueue({ client, queueUrl, traces });
		await traces.run(HEADER, () => queue.send('clone-1'));
		await traces.run(undefined, () => queue.send('clone-1'));
		await traces.run('not a header\r\n', () => queue.send('clone-1'));
		const sent = sqs
			.commandCalls(SendMessageCommand)
			.map((call) => call.args[0].input.MessageSystemAttributes?.AWSTraceHeader?.StringValue);
		expect(sent).toEqual([HEADER, 'Root=1-0-0', 'Root=1-0-0']);
	});

	it('is worth another try when it is throttled', async () => {
		sqs.on(SendMessageCommand).rejects(fault('RequestThrottled'));
		const queue = new SqsJobQueue({ client, queueUrl, traces: new TraceContext(() => undefined) });
		await expect(queue.send('clone-1')).rejects.toBeInstanceOf(TransientError);
	});
});

describe('receiving', () => {
	it('takes what is none of ours out of the queue, and says so', async () => {
		const bodies = ['', 'null', '"clone-1"', '{"job_id":7}', '{"job_id":"../../x"}', '{"id":"clone-1"}'];
		sqs
			.on(ReceiveMessageCommand)
			.resolves({ Messages: [...bodies.map((body, n) => message(body, `r${n}`)), message('{"job_id":"clone-1"}', 'ours')] });
		sqs.on(DeleteMessageCommand).resolves({});
		expect(await consumer().receive(10, 60)).toEqual([{ job_id: 'clone-1', receipt: 'ours', receive_count: 2 }]);
		expect(sqs.commandCalls(DeleteMessageCommand).map((call) => call.args[0].input.ReceiptHandle)).toEqual(bodies.map((_, n) => `r${n}`));
		expect(lines).toHaveLength(bodies.length);
	});

	it('does not delete a message that may be in other hands by now', async () => {
		sqs.on(ReceiveMessageCommand).resolves({ Messages: [message('{"job_id":"clone-1"}')] });
		const one = consumer();
		const held = nth(await one.receive(1, 60), 0);
		vi.advanceTimersByTime(60_000);
		await one.acknowledge(held);
		await one.release(held, 0);
		expect(sqs.calls()).toHaveLength(1);
	});

	it('knows the trace that a message in hand came with', async () => {
		const traced = { ...message('{"job_id":"clone-1"}'), Attributes: { ApproximateReceiveCount: '1', AWSTraceHeader: HEADER } };
		sqs.on(ReceiveMessageCommand).resolves({ Messages: [traced] });
		sqs.on(DeleteMessageCommand).resolves({});
		const one = consumer();
		const held = nth(await one.receive(1, 60), 0);
		expect(one.traceHeader('clone-1')).toBe(HEADER);
		await one.acknowledge(held);
		expect(one.traceHeader('clone-1')).toBeUndefined();
	});
});

describe('keeping a message', () => {
	async function held(one = consumer()) {
		sqs.on(ReceiveMessageCommand).resolves({ Messages: [message('{"job_id":"clone-1"}')] });
		const kept = keepInvisible(one, telemetry);
		return { kept, message: nth(await kept.receive(1, 60), 0) };
	}
	const extensions = () => sqs.commandCalls(ChangeMessageVisibilityCommand).map((call) => call.args[0].input.VisibilityTimeout);

	it('renews it every third of its visibility until it is acknowledged', async () => {
		sqs.on(ChangeMessageVisibilityCommand).resolves({});
		sqs.on(DeleteMessageCommand).resolves({});
		const { kept, message: one } = await held();
		await vi.advanceTimersByTimeAsync(200_000);
		expect(extensions()).toEqual(Array(10).fill(60));
		await kept.acknowledge(one);
		await vi.advanceTimersByTimeAsync(200_000);
		expect(extensions()).toHaveLength(10);
		expect(sqs.commandCalls(DeleteMessageCommand)).toHaveLength(1);
	});

	it('goes on after a fault of SQS, and stops when the message is gone', async () => {
		sqs.on(ChangeMessageVisibilityCommand).rejectsOnce(fault('RequestThrottled')).resolvesOnce({}).rejects(fault('MessageNotInflight'));
		const { kept, message: one } = await held();
		await vi.advanceTimersByTimeAsync(200_000);
		expect(extensions()).toHaveLength(3);
		expect(lines).toHaveLength(2);
		await kept.acknowledge(one);
		expect(sqs.commandCalls(DeleteMessageCommand)).toHaveLength(0);
	});
});
