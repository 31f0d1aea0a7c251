/** Lambda's event source for SQS, in small: hands batches to a handler and deletes what it does not want back. */
import { DeleteMessageCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { Context, SQSBatchResponse, SQSEvent } from 'aws-lambda';

export interface EventSource {
	/** What the handler answered, batch by batch. */
	readonly answers: SQSBatchResponse[];
	stop(): Promise<void>;
}

export function eventSource(options: {
	readonly client: SQSClient;
	readonly queueUrl: string;
	readonly handler: (event: SQSEvent, context: Context) => Promise<SQSBatchResponse>;
	/** Of one invocation, seconds. */
	readonly timeoutSeconds: number;
	readonly visibilitySeconds: number;
}): EventSource {
	const { client, queueUrl: QueueUrl, handler, timeoutSeconds, visibilitySeconds } = options;
	const answers: SQSBatchResponse[] = [];
	const stopping = new AbortController();
	const poll = async (): Promise<void> => {
		while (!stopping.signal.aborted) {
			const { Messages: messages = [] } = await client.send(
				new ReceiveMessageCommand({
					QueueUrl,
					MaxNumberOfMessages: 10,
					WaitTimeSeconds: 1,
					VisibilityTimeout: visibilitySeconds,
					MessageSystemAttributeNames: ['All'],
				}),
			);
			if (messages.length === 0) continue;
			const end = Date.now() + 1000 * timeoutSeconds;
			const records = messages.map((message) => ({
				messageId: message.MessageId ?? '',
				receiptHandle: message.ReceiptHandle ?? '',
				body: message.Body ?? '',
				attributes: message.Attributes ?? {},
				messageAttributes: {},
				md5OfBody: message.MD5OfBody ?? '',
				eventSource: 'aws:sqs',
				eventSourceARN: QueueUrl,
				awsRegion: '',
			}));
			const context = { awsRequestId: 'test', getRemainingTimeInMillis: () => end - Date.now() } as Context;
			const answer = await handler({ Records: records } as unknown as SQSEvent, context);
			answers.push(answer);
			const failed = new Set(answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
			for (const { messageId, receiptHandle } of records) {
				if (!failed.has(messageId)) await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: receiptHandle }));
			}
		}
	};
	const polling = poll();
	return {
		answers,
		async stop() {
			stopping.abort();
			await polling;
		},
	};
}
