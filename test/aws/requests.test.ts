/** What the API asks of AWS for each call of its own: every request counted, by the real handler over the real adapters. */
import { randomBytes } from 'node:crypto';
import { DynamoDBClient, GetItemCommand, QueryCommand, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb';
import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { apiOver } from '../../lambdas/api/aws-api.ts';
import { awsParts } from '../../lambdas/shared/aws-parts.ts';
import { parseApiEnvironment } from '../../lambdas/shared/environment.ts';
import { API_ENVIRONMENT, callerEvent, lambdaContext } from '../lambdas/support.ts';
import { storedJob } from './support.ts';

const dynamo = mockClient(DynamoDBClient);
const sqs = mockClient(SQSClient);
const kms = mockClient(KMSClient);
const scheduler = mockClient(SchedulerClient);
const all = [dynamo, sqs, kms, scheduler];

beforeEach(() => {
	for (const mock of all) mock.reset();
	const key = randomBytes(32);
	kms.on(GenerateDataKeyCommand).resolves({ Plaintext: key, CiphertextBlob: randomBytes(184) });
	kms.on(DecryptCommand).resolves({ Plaintext: key });
	dynamo.on(TransactWriteItemsCommand).resolves({});
	dynamo.on(QueryCommand).resolves({ Items: [] });
	sqs.on(SendMessageCommand).resolves({ MessageId: '1' });
	vi.spyOn(process.stdout, 'write').mockReturnValue(true);
	vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(() => {
	vi.restoreAllMocks();
});

const TRACE = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1';

function api(environment: Readonly<Record<string, string>> = {}) {
	const parsed = parseApiEnvironment({ ...API_ENVIRONMENT, ...environment });
	return apiOver(awsParts(parsed, { service: 'api', traceHeader: () => TRACE }), parsed, { docsFolder: '/nowhere' });
}

const asked = (): string[] => all.flatMap((mock) => mock.calls().map((call) => call.args[0].constructor.name));

const CLONE = { source_url: 'https://example.com', source_username: 'admin', source_password: 'correct horse' };

describe('POST /api/v2/clone', () => {
	it('is one transaction, one send and one data key', async () => {
		const answer = await api({ CLONES_PER_OWNER: '0' })(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(202);
		expect(asked()).toEqual(['TransactWriteItemsCommand', 'SendMessageCommand', 'GenerateDataKeyCommand']);
	});

	it('counts the live clones first where there is a limit: one query', async () => {
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(202);
		expect(asked()).toEqual(['QueryCommand', 'TransactWriteItemsCommand', 'SendMessageCommand', 'GenerateDataKeyCommand']);
	});

	it('names the caller and the job to KMS, sends the trace along, and keeps the password out of everything', async () => {
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		const { job_id } = JSON.parse(answer.body) as { job_id: string };
		expect(kms.commandCalls(GenerateDataKeyCommand)[0]?.args[0].input.EncryptionContext).toEqual({
			job_id,
			owner: 'arn:aws:iam::123456789012:role/agency',
		});
		const message = sqs.commandCalls(SendMessageCommand)[0]?.args[0].input;
		expect(JSON.parse(message?.MessageBody ?? '')).toEqual({ job_id });
		expect(message?.MessageSystemAttributes?.AWSTraceHeader).toEqual({ DataType: 'String', StringValue: TRACE });
		const written = JSON.stringify(dynamo.commandCalls(TransactWriteItemsCommand)[0]?.args[0].input);
		expect(written).toContain(job_id);
		expect(written).not.toContain(CLONE.source_password);
	});

	it('is accepted all the same when the send fails', async () => {
		sqs.on(SendMessageCommand).rejects(Object.assign(new Error('no'), { name: 'RequestThrottled' }));
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(202);
	});

	it('answers 503 and a time when DynamoDB takes no more', async () => {
		dynamo.on(TransactWriteItemsCommand).rejects(Object.assign(new Error('no'), { name: 'ThrottlingException' }));
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(503);
		expect(answer.headers?.['Retry-After']).toBe('2');
		expect(sqs.calls()).toHaveLength(0);
	});
});

describe('GET /api/v2/job-status/{job_id}', () => {
	it('is one read', async () => {
		dynamo
			.on(GetItemCommand)
			.resolves({ Item: storedJob({ job_id: 'clone-0123456789ab', owner: 'arn:aws:iam::123456789012:role/agency' }) });
		const answer = await api()(callerEvent('GET', '/api/v2/job-status/clone-0123456789ab'), lambdaContext());
		expect(answer.statusCode).toBe(200);
		expect(asked()).toEqual(['GetItemCommand']);
	});

	it("does not show another caller's job", async () => {
		dynamo.on(GetItemCommand).resolves({ Item: storedJob({ owner: 'arn:aws:iam::123456789012:role/other' }) });
		const answer = await api()(callerEvent('GET', '/api/v2/job-status/clone-0123456789ab'), lambdaContext());
		expect(answer.statusCode).toBe(404);
	});
});

describe('PATCH /api/v2/clones/{clone_id}', () => {
	it('asks the cluster first for a longer time: when it cannot be reached nothing is promised', async () => {
		const now = Date.now();
		const owner = 'arn:aws:iam::123456789012:role/agency';
		const text = (S: string) => ({ S });
		dynamo.on(GetItemCommand).resolves({
			Item: {
				clone_id: text('shop'),
				owner: text(owner),
				job_id: text('clone-0123456789ab'),
				state: text('live'),
				generation: { N: '3' },
				created_at: { N: String(now) },
				ttl_minutes: { N: '30' },
				expires_at: { N: String(now + 30 * 60_000) },
				slot_id: text('slot-1'),
				url: text('https://slot-1.clones.example.com'),
				source_url: text('https://example.com'),
				facts: text('{}'),
			},
		});
		const unreachable = { KUBE_API_URL: 'https://127.0.0.1:1', KUBE_TOKEN_FILE: '/dev/null' };
		const event = callerEvent('PATCH', '/api/v2/clones/shop', { ttl_minutes: 60 });
		const answer = await api(unreachable)({ ...event, pathParameters: { clone_id: 'shop' } }, lambdaContext());
		expect(answer.statusCode).toBe(503);
		expect(asked()).toEqual(['GetItemCommand']);
	});
});
