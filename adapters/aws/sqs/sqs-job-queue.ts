/**
 * The job queue on SQS (a standard queue). The Lambda worker uses the sending half; the consumer on EKS both.
 *
 * Gotcha: in a standard queue an old receipt may still delete a message that was received again since, and so take it out
 * of another worker's hands. The consumer therefore keeps in mind until when a message is its own, and does nothing after.
 */
import {
	ChangeMessageVisibilityCommand,
	DeleteMessageCommand,
	GetQueueAttributesCommand,
	ReceiveMessageCommand,
	SendMessageCommand,
	type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Clock, JobQueue, JobQueueConsumer, QueueMessage, Telemetry } from '../../../core/ports.ts';
import { asked, nameOf } from '../aws-errors.ts';
import type { TraceContext } from '../telemetry/trace-context.ts';
import { jobMessage, readJobMessage } from './job-message.ts';

/** The longest delay of a message; https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
const LONGEST_DELAY = 900;
/** The most messages of one receive; the most seconds of one long poll. */
const MOST_MESSAGES = 10;
const LONGEST_WAIT = 20;

/** What SQS calls a message that was deleted, or is visible again. */
const NOT_OURS = /MessageNotInflight|ReceiptHandleIsInvalid|InvalidParameterValue/;

export interface SqsJobQueueOptions {
	readonly client: SQSClient;
	readonly queueUrl: string;
	readonly traces: TraceContext;
}

export class SqsJobQueue implements JobQueue {
	readonly #options: SqsJobQueueOptions;

	constructor(options: SqsJobQueueOptions) {
		this.#options = options;
	}

	/** @throws TransientError, PermanentError of aws-errors.ts */
	async send(jobId: string, delaySeconds = 0): Promise<void> {
		const { client, queueUrl, traces } = this.#options;
		const header = traces.header();
		await asked('sqs:SendMessage', () =>
			client.send(
				new SendMessageCommand({
					QueueUrl: queueUrl,
					MessageBody: jobMessage(jobId),
					DelaySeconds: delay(delaySeconds),
					...(header === undefined ? {} : { MessageSystemAttributes: { AWSTraceHeader: { DataType: 'String', StringValue: header } } }),
				}),
			),
		);
	}
}

export interface SqsConsumerOptions {
	readonly client: SQSClient;
	readonly queueUrl: string;
	readonly clock: Clock;
	readonly telemetry: Telemetry;
	/** How long a receive waits for a message, s; 20 unless given, and at most: SQS's own limit. */
	readonly waitSeconds?: number;
}

interface Held {
	readonly jobId: string;
	/** Until when the message is ours, ms since the epoch. */
	readonly until: number;
	/** The trace that it came with. */
	readonly traceHeader: string | undefined;
}

/**
 * Gotcha: a receive that is given up while it waits may still be handed a message by SQS, which nobody sees before its visibility
 * ends. So there is no way to end one early: whoever stops waits for it, `waitSeconds` at most, and releases what it brings.
 */
export class SqsJobQueueConsumer implements JobQueueConsumer {
	readonly #options: SqsConsumerOptions;
	/** By receipt. */
	readonly #held = new Map<string, Held>();

	constructor(options: SqsConsumerOptions) {
		this.#options = options;
	}

	async receive(max: number, visibilitySeconds: number): Promise<readonly QueueMessage[]> {
		const { client, queueUrl, clock, telemetry } = this.#options;
		const asking = clock.now();
		for (const [receipt, { until }] of this.#held) if (until <= asking) this.#held.delete(receipt);
		const received = await asked('sqs:ReceiveMessage', async () => {
			const answer = await client.send(
				new ReceiveMessageCommand({
					QueueUrl: queueUrl,
					MaxNumberOfMessages: Math.max(1, Math.min(MOST_MESSAGES, max)),
					VisibilityTimeout: visibilitySeconds,
					WaitTimeSeconds: Math.min(LONGEST_WAIT, this.#options.waitSeconds ?? LONGEST_WAIT),
					MessageSystemAttributeNames: ['ApproximateReceiveCount', 'AWSTraceHeader'],
				}),
			);
			return answer.Messages ?? [];
		});
		const messages: QueueMessage[] = [];
		for (const { ReceiptHandle: receipt, Body: body, Attributes: attributes, MessageId: id } of received) {
			if (receipt === undefined) continue;
			const jobId = readJobMessage(body ?? '');
			if (jobId === null) {
				telemetry.log('error', 'A message that is none of ours was taken out of the queue.', { message_id: id });
				await this.#delete(receipt);
				continue;
			}
			this.#held.set(receipt, { jobId, until: clock.now() + 1000 * visibilitySeconds, traceHeader: attributes?.AWSTraceHeader });
			messages.push({ job_id: jobId, receipt, receive_count: Number(attributes?.ApproximateReceiveCount ?? 1) });
		}
		return messages;
	}

	async acknowledge(message: QueueMessage): Promise<void> {
		if (this.#letGo(message)) await this.#delete(message.receipt);
	}

	async release(message: QueueMessage, delaySeconds: number): Promise<void> {
		if (this.#letGo(message)) await this.#changeVisibility(message.receipt, delay(delaySeconds));
	}

	/** Keeps a message invisible to others for so long from now. @returns false when it is not ours any more */
	async extend(message: QueueMessage, visibilitySeconds: number): Promise<boolean> {
		const { clock } = this.#options;
		const held = this.#held.get(message.receipt);
		const asking = clock.now();
		if (held === undefined || held.until <= asking) return false;
		const extended = await this.#changeVisibility(message.receipt, visibilitySeconds);
		// It may have been let go while SQS answered.
		if (extended && this.#held.has(message.receipt)) this.#held.set(message.receipt, { ...held, until: asking + 1000 * visibilitySeconds });
		if (!extended) this.#held.delete(message.receipt);
		return extended;
	}

	/** The trace that the message in hand of this job came with. */
	traceHeader(jobId: string): string | undefined {
		return [...this.#held.values()].find((held) => held.jobId === jobId)?.traceHeader;
	}

	async depth(): Promise<number> {
		const { client, queueUrl } = this.#options;
		const answer = await asked('sqs:GetQueueAttributes', () =>
			client.send(
				new GetQueueAttributesCommand({
					QueueUrl: queueUrl,
					AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesDelayed'],
				}),
			),
		);
		const { ApproximateNumberOfMessages: visible, ApproximateNumberOfMessagesDelayed: delayed } = answer.Attributes ?? {};
		return Number(visible ?? 0) + Number(delayed ?? 0);
	}

	/** @returns whether it was still ours */
	#letGo(message: QueueMessage): boolean {
		const held = this.#held.get(message.receipt);
		this.#held.delete(message.receipt);
		return held !== undefined && held.until > this.#options.clock.now();
	}

	/** @returns false when the message is not in our hands any more */
	async #changeVisibility(receipt: string, seconds: number): Promise<boolean> {
		const { client, queueUrl } = this.#options;
		try {
			await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle: receipt, VisibilityTimeout: seconds }));
			return true;
		} catch (cause) {
			if (NOT_OURS.test(nameOf(cause))) return false;
			return asked('sqs:ChangeMessageVisibility', () => Promise.reject(cause));
		}
	}

	async #delete(receipt: string): Promise<void> {
		const { client, queueUrl } = this.#options;
		await asked('sqs:DeleteMessage', () => client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: receipt })));
	}
}

const delay = (seconds: number): number => Math.ceil(Math.min(LONGEST_DELAY, Math.max(0, seconds)));
