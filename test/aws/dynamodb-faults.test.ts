/** Faults of DynamoDB that no program on this machine makes: throttling, an error after the commit, a lost answer. */
import {
	ConditionalCheckFailedException,
	DynamoDBClient,
	InternalServerError,
	ProvisionedThroughputExceededException,
	TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, TransactWriteCommand, UpdateCommand, type UpdateCommandInput } from '@aws-sdk/lib-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { DynamoTable } from '../../adapters/aws/dynamodb/dynamo-table.ts';
import { DynamoCloneStore } from '../../adapters/aws/dynamodb/dynamodb-clone-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb/dynamodb-job-store.ts';
import { toJob } from '../../adapters/aws/dynamodb/rows.ts';
import { LeaseLostError, PermanentError, TransientError } from '../../core/errors.ts';
import { makeClone, makeJob, T0 } from '../contracts/support.ts';
import { answersOver, storedJob } from './support.ts';

const mock = mockClient(DynamoDBDocumentClient);
const pauses: number[] = [];
const table = new DynamoTable({ client: new DynamoDBClient({}), tableName: 'jobs', pause: async (ms) => void pauses.push(ms) });
const jobs = new DynamoJobStore(table);
const clones = new DynamoCloneStore(table, () => T0);
const metadata = { $metadata: {}, message: 'no' };

beforeEach(() => {
	mock.reset();
	pauses.length = 0;
});

const tokens = (): (string | undefined)[] => mock.commandCalls(TransactWriteCommand).map((call) => call.args[0].input.ClientRequestToken);

const cancelled = (...codes: readonly string[]) =>
	new TransactionCanceledException({ ...metadata, CancellationReasons: codes.map((Code) => ({ Code })) });

/** A refusal by an item that holds what this very write put there. */
function ownEffect(input: UpdateCommandInput, item: Record<string, string | number | boolean | null>): never {
	const token = input.ExpressionAttributeValues?.[':set_written_by'];
	const Item = marshall({ ...storedJob(item), ...(token === undefined ? {} : { written_by: token }) });
	throw new ConditionalCheckFailedException({ ...metadata, Item });
}

describe('accepting a job', () => {
	const job = makeJob({ clone_id: 'shop' });
	const request = { job, idempotency: { key_hash: 'k', body_hash: 'b' }, clone: makeClone(job) };

	it('is one transaction', async () => {
		mock.on(TransactWriteCommand).resolves({});
		expect(await jobs.accept(request)).toEqual({ outcome: 'accepted' });
		expect(mock.calls()).toHaveLength(1);
		expect(mock.commandCalls(TransactWriteCommand)[0]?.args[0].input.TransactItems).toHaveLength(3);
	});

	it('is sent again under the same token when the answer was a 500, which may come after the commit', async () => {
		mock
			.on(TransactWriteCommand)
			.rejectsOnce(new InternalServerError({ ...metadata }))
			.resolvesOnce({});
		expect(await jobs.accept(request)).toEqual({ outcome: 'accepted' });
		expect(tokens()).toHaveLength(2);
		expect(new Set(tokens()).size).toBe(1);
	});

	it('waits and goes on when another transaction is in the way', async () => {
		mock
			.on(TransactWriteCommand)
			.rejectsOnce(cancelled('None', 'TransactionConflict', 'None'))
			.rejectsOnce(cancelled('ThrottlingError', 'None', 'None'))
			.resolvesOnce({});
		expect(await jobs.accept(request)).toEqual({ outcome: 'accepted' });
		expect(pauses).toHaveLength(2);
	});

	it('gives up, as worth another try, when they never get out of the way', async () => {
		mock.on(TransactWriteCommand).rejects(cancelled('TransactionConflict'));
		await expect(jobs.accept(request)).rejects.toMatchObject({ code: 'store_contended' });
		await expect(jobs.accept(request)).rejects.toBeInstanceOf(TransientError);
	});

	it('takes a refusal for what it is even when something else was in the way as well', async () => {
		mock.on(TransactWriteCommand).rejects(cancelled('None', 'ConditionalCheckFailed', 'TransactionConflict'));
		expect(await jobs.accept(request)).toEqual({ outcome: 'clone_id_taken' });
		expect(tokens()).toHaveLength(1);
	});
});

describe('a write whose answer was lost', () => {
	it('that ended a job is not taken for a lost lease', async () => {
		mock.on(UpdateCommand).callsFake((input: UpdateCommandInput) => ownEffect(input, { status: 'completed', fence: 3 }));
		const saved = await jobs.save('clone-1', 3, { status: 'completed' }, { now: T0, release: true });
		expect(saved).toMatchObject({ status: 'completed', fence: 3 });
	});

	it('by another worker is a lost lease', async () => {
		mock.on(UpdateCommand).callsFake(() => ownEffect({} as UpdateCommandInput, { status: 'completed', fence: 3 }));
		await expect(jobs.save('clone-1', 3, { status: 'completed' }, { now: T0, release: true })).rejects.toBeInstanceOf(LeaseLostError);
	});

	it('that took the lease still holds it', async () => {
		mock.on(UpdateCommand).callsFake((input: UpdateCommandInput) => ownEffect(input, { lease_holder: 'me', lease_until: T0 + 9 }));
		expect(await jobs.lease('clone-1', { holder: 'me', now: T0, until: T0 + 9 })).toMatchObject({ lease_holder: 'me' });
	});

	it('to a clone counts as written', async () => {
		mock.on(UpdateCommand).callsFake((input: UpdateCommandInput) => {
			const token = input.ExpressionAttributeValues?.[':set_written_by'];
			const Item = marshall({ ...storedClone(), ...(token === undefined ? {} : { written_by: token }), state: 'live' });
			throw new ConditionalCheckFailedException({ ...metadata, Item });
		});
		expect(await clones.update('shop', 1, { state: 'live' })).toMatchObject({ state: 'live', generation: 2 });
	});
});

const storedClone = () => ({
	clone_id: 'shop',
	owner: 'o',
	job_id: 'clone-1',
	generation: 2,
	created_at: 1,
	ttl_minutes: 30,
	expires_at: null,
	slot_id: null,
	url: null,
	source_url: 'https://example.com',
	facts: '{}',
});

describe('what AWS refuses', () => {
	it.each([
		[new ProvisionedThroughputExceededException({ ...metadata }), TransientError, 'aws_throttled'],
		[new InternalServerError({ ...metadata, $metadata: { httpStatusCode: 500 } }), TransientError, 'aws_unavailable'],
		[Object.assign(new Error('socket hang up'), { name: 'TimeoutError' }), TransientError, 'aws_unavailable'],
		[
			Object.assign(new Error('no'), { name: 'ExpiredTokenException', $metadata: { httpStatusCode: 400 } }),
			TransientError,
			'aws_unavailable',
		],
		[
			Object.assign(new Error('no'), { name: 'AccessDeniedException', $metadata: { httpStatusCode: 400 } }),
			PermanentError,
			'aws_forbidden',
		],
		[
			Object.assign(new Error('no'), { name: 'ResourceNotFoundException', $metadata: { httpStatusCode: 400 } }),
			PermanentError,
			'aws_resource_missing',
		],
		[
			Object.assign(new Error('Item size to update has exceeded the maximum allowed size'), {
				name: 'ValidationException',
				$metadata: { httpStatusCode: 400 },
			}),
			PermanentError,
			'row_too_large',
		],
	])('%s', async (fault, kind, code) => {
		mock.on(GetCommand).rejects(fault);
		mock.on(UpdateCommand).rejects(fault);
		for (const request of [jobs.get('clone-1'), jobs.save('clone-1', 1, { progress: 1 }, { now: T0, until: T0 })]) {
			await expect(request).rejects.toBeInstanceOf(kind);
			await expect(request).rejects.toMatchObject({ code, cause: fault });
		}
	});

	it('a request that is wrong in itself is a bug, and shows as it came', async () => {
		const fault = Object.assign(new Error('no such attribute'), { name: 'ValidationException', $metadata: { httpStatusCode: 400 } });
		mock.on(GetCommand).rejects(fault);
		await expect(jobs.get('clone-1')).rejects.toBe(fault);
	});
});

describe('over the wire', () => {
	beforeEach(() => mock.restore());
	const storeOver = (...answers: Parameters<typeof answersOver>[0]) => {
		const { client, requests } = answersOver(answers);
		return { requests, store: new DynamoJobStore(new DynamoTable({ client, tableName: 'jobs' })) };
	};
	const refusal = (kind: string, fields: object) => ({
		status: 400,
		body: { __type: `com.amazonaws.dynamodb.v20120810#${kind}`, ...fields },
	});

	it('the client itself sends a transaction again under the same token after a 500', async () => {
		const { store, requests } = storeOver(
			{ status: 500, body: { __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError', message: 'after the commit' } },
			{ status: 200, body: {} },
		);
		expect(await store.accept({ job: makeJob(), idempotency: null, clone: null })).toEqual({ outcome: 'accepted' });
		const sent = requests.map((body) => (JSON.parse(body) as { ClientRequestToken: string }).ClientRequestToken);
		expect(sent).toHaveLength(2);
		expect(sent[0]).toBe(sent[1]);
	});

	it('a refused write shows the row that was in the way', async () => {
		const row = storedJob({ status: 'completed', completed_at: T0 + 0.5, cancel_requested: true });
		const { store } = storeOver(refusal('ConditionalCheckFailedException', { Item: marshall(row) }));
		expect(await store.requestCancel('clone-1', T0)).toEqual(toJob(row));
	});

	it('a refused transaction shows it too', async () => {
		const Item = marshall({ body_hash: 'b', job_id: 'clone-1' });
		const { store, requests } = storeOver(
			refusal('TransactionCanceledException', { CancellationReasons: [{ Code: 'ConditionalCheckFailed', Item }, { Code: 'None' }] }),
			{ status: 200, body: { Item: marshall(storedJob()) } },
		);
		const request = { job: makeJob(), idempotency: { key_hash: 'k', body_hash: 'b' }, clone: null };
		expect(await store.accept(request)).toEqual({ outcome: 'duplicate', job: toJob(storedJob()) });
		expect(JSON.parse(requests[1] ?? '')).toMatchObject({ Key: { pk: { S: 'JOB#clone-1' } }, ConsistentRead: true });
	});

	it('what is not to be written is left out, null is not', async () => {
		const { store, requests } = storeOver({ status: 200, body: { Attributes: marshall(storedJob()) } });
		await store.save('clone-1', 1, { progress: 40, step: null }, { now: T0, until: T0 });
		const sent = JSON.parse(requests[0] ?? '') as { UpdateExpression: string; ExpressionAttributeValues: object };
		expect(sent.ExpressionAttributeValues).toMatchObject({ ':set_progress': { N: '40' }, ':set_step': { NULL: true } });
		expect(sent.ExpressionAttributeValues).not.toHaveProperty(':set_result');
		expect(sent.UpdateExpression).not.toContain('#result');
	});

	it.each([
		['a map', { outputs: { M: {} } }],
		['a set', { outputs: { SS: ['a'] } }],
		['bytes', { outputs: { B: 'AAAA' } }],
		['a number that would lose digits', { deadline: { N: '9007199254740993' } }],
	])('a row that holds %s is refused', async (_kind, damage) => {
		const { store } = storeOver({ status: 200, body: { Item: { ...marshall(storedJob()), ...damage } } });
		await expect(store.get('clone-1')).rejects.toThrow(`attribute "${Object.keys(damage)[0]}" of a kind`);
	});

	it('what wraps the client for tracing has every request', async () => {
		const seen: unknown[] = [];
		const { client } = answersOver([{ status: 200, body: {} }]);
		client.middlewareStack.add(
			(next, context) => (args) => {
				seen.push(context.commandName);
				return next(args);
			},
			{ step: 'build' },
		);
		await new DynamoJobStore(new DynamoTable({ client, tableName: 'jobs' })).get('clone-1');
		expect(seen).toEqual(['GetItemCommand']);
	});
});
