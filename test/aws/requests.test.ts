/** What the API asks of AWS for each call of its own: every request counted, by the real handler over the real adapters. */
import { randomBytes } from 'node:crypto';
import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { DynamoDBDocumentClient, GetCommand, QueryCommand, TransactWriteCommand } from '@aws-sdk/lib-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { apiOver } from '../../lambdas/api/aws-api.ts';
import { awsParts } from '../../lambdas/shared/aws-parts.ts';
import { parseApiEnvironment } from '../../lambdas/shared/environment.ts';
import { API_ENVIRONMENT, callerEvent, lambdaContext } from '../lambdas/support.ts';
import { storedJob } from './support.ts';

const dynamo = mockClient(DynamoDBDocumentClient);
const sqs = mockClient(SQSClient);
const kms = mockClient(KMSClient);
const scheduler = mockClient(SchedulerClient);
const all = [dynamo, sqs, kms, scheduler];

beforeEach(() => {
	for (const mock of all) mock.reset();
	const key = randomBytes(32);
	kms.on(GenerateDataKeyCommand).resolves({ Plaintext: key, CiphertextBlob: randomBytes(184) });
	kms.on(DecryptCommand).resolves({ Plaintext: key });
	dynamo.on(TransactWriteCommand).resolves({});
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
		expect(asked()).toEqual(['TransactWriteCommand', 'SendMessageCommand', 'GenerateDataKeyCommand']);
	});

	it('counts the live clones first where there is a limit: one query', async () => {
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(202);
		expect(asked()).toEqual(['QueryCommand', 'TransactWriteCommand', 'SendMessageCommand', 'GenerateDataKeyCommand']);
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
		const written = JSON.stringify(dynamo.commandCalls(TransactWriteCommand)[0]?.args[0].input);
		expect(written).toContain(job_id);
		expect(written).not.toContain(CLONE.source_password);
	});

	it('is accepted all the same when the send fails', async () => {
		sqs.on(SendMessageCommand).rejects(Object.assign(new Error('no'), { name: 'RequestThrottled' }));
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(202);
	});

	it('answers 503 and a time when DynamoDB takes no more', async () => {
		dynamo.on(TransactWriteCommand).rejects(Object.assign(new Error('no'), { name: 'ThrottlingException' }));
		const answer = await api()(callerEvent('POST', '/api/v2/clone', CLONE), lambdaContext());
		expect(answer.statusCode).toBe(503);
		expect(answer.headers?.['Retry-After']).toBe('2');
		expect(sqs.calls()).toHaveLength(0);
	});
});

describe('GET /api/v2/job-status/{job_id}', () => {
	it('is one read', async () => {
		dynamo.on(GetCommand).resolves({ Item: storedJob({ job_id: 'clone-0123456789ab', owner: 'arn:aws:iam::123456789012:role/agency' }) });
		const answer = await api()(callerEvent('GET', '/api/v2/job-status/clone-0123456789ab'), lambdaContext());
		expect(answer.statusCode).toBe(200);
		expect(asked()).toEqual(['GetCommand']);
	});

	it("does not show another caller's job", async () => {
		dynamo.on(GetCommand).resolves({ Item: storedJob({ owner: 'arn:aws:iam::123456789012:role/other' }) });
		const answer = await api()(callerEvent('GET', '/api/v2/job-status/clone-0123456789ab'), lambdaContext());
		expect(answer.statusCode).toBe(404);
	});
});

describe('PATCH /api/v2/clones/{clone_id}', () => {
	it('asks the cluster first for a longer time: when it cannot be reached nothing is promised', async () => {
		const now = Date.now();
		const owner = 'arn:aws:iam::123456789012:role/agency';
		dynamo.on(GetCommand).resolves({
			Item: {
				clone_id: 'shop',
				owner,
				job_id: 'clone-0123456789ab',
				state: 'live',
				generation: 3,
				created_at: now,
				ttl_minutes: 30,
				expires_at: now + 30 * 60_000,
				slot_id: 'slot-1',
				url: 'https://slot-1.clones.example.com',
				source_url: 'https://example.com',
				facts: '{}',
			},
		});
		const unreachable = { KUBE_API_URL: 'https://127.0.0.1:1', KUBE_TOKEN_FILE: '/dev/null' };
		const event = callerEvent('PATCH', '/api/v2/clones/shop', { ttl_minutes: 60 });
		const answer = await api(unreachable)({ ...event, pathParameters: { clone_id: 'shop' } }, lambdaContext());
		expect(answer.statusCode).toBe(503);
		expect(asked()).toEqual(['GetCommand']);
	});
});
