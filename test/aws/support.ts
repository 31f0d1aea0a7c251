import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Item } from '../../adapters/aws/dynamodb/items.ts';
import { jobAttributes } from '../../adapters/aws/dynamodb/rows.ts';
import { makeJob } from '../contracts/support.ts';

/** A job's row as the document client reads it. */
export function storedJob(fields: Item = {}): Item {
	return { ...jobAttributes(makeJob({ job_id: 'clone-1' })), ...fields };
}

/** A real client whose requests are answered, in turn, with these. */
export function answersOver(answers: readonly { status: number; body: object }[]): { client: DynamoDBClient; requests: string[] } {
	const requests: string[] = [];
	const client = new DynamoDBClient({
		region: 'eu-central-1',
		credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
		requestHandler: {
			async handle(request: { body?: unknown }) {
				const answer = answers[requests.length];
				requests.push(new TextDecoder().decode(request.body as Uint8Array));
				if (answer === undefined) throw new Error('one request too many');
				const body = new Blob([JSON.stringify(answer.body)]).stream();
				return { response: { statusCode: answer.status, headers: { 'content-type': 'application/x-amz-json-1.0' }, body } };
			},
			destroy: () => undefined,
		} as never,
	});
	return { client, requests };
}
