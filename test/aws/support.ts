import { type AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { jobAttributes } from '../../adapters/aws/dynamodb/rows.ts';
import { makeJob } from '../contracts/support.ts';

/** A job's row as DynamoDB holds it. */
export function storedJob(fields: Readonly<Record<string, string | number | boolean | null>> = {}): Record<string, AttributeValue> {
	const item = { ...jobAttributes(makeJob({ job_id: 'clone-1' })), ...fields };
	return Object.fromEntries(
		Object.entries(item).map(([name, value]): [string, AttributeValue] => {
			if (value === null) return [name, { NULL: true }];
			if (typeof value === 'number') return [name, { N: String(value) }];
			return [name, typeof value === 'boolean' ? { BOOL: value } : { S: value }];
		}),
	);
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
