/** Faults of DynamoDB that no program on this machine makes: throttling, an error after the commit, a lost answer. */
import {
	ConditionalCheckFailedException,
	DynamoDBClient,
	GetItemCommand,
	InternalServerError,
	ProvisionedThroughputExceededException,
	TransactionCanceledException,
	TransactWriteItemsCommand,
	UpdateItemCommand,
	type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { beforeEach, describe, expect, it } from 'vitest';
import { DynamoTable } from '../../adapters/aws/dynamodb/dynamo-table.ts';
import { DynamoCloneStore } from '../../adapters/aws/dynamodb/dynamodb-clone-store.ts';
import { DynamoJobStore } from '../../adapters/aws/dynamodb/dynamodb-job-store.ts';
import { LeaseLostError, PermanentError, TransientError } from '../../core/errors.ts';
import { makeClone, makeJob, T0 } from '../contracts/support.ts';
import { answersOver, storedJob } from './support.ts';

const mock = mockClient(DynamoDBClient);
const pauses: number[] = [];
const table = new DynamoTable({ client: new DynamoDBClient({}), tableName: 'jobs', pause: async (ms) => void pauses.push(ms) });
const jobs = new DynamoJobStore(table);
const clones = new DynamoCloneStore(table, () => T0);
const metadata = { $metadata: {}, message: 'no' };

beforeEach(() => {
	mock.reset();
	pauses.length = 0;
});

const tokens = (): (string | undefined)[] =>
	mock.commandCalls(TransactWriteItemsCommand).map((call) => call.args[0].input.ClientRequestToken);

const cancelled = (...codes: readonly string[]) =>
	new TransactionCanceledException({ ...metadata, CancellationReasons: codes.map((Code) => ({ Code })) });

/** A refusal by an item that holds what this very write put there. */
function ownEffect(input: UpdateItemCommandInput, item: Record<string, string | number | boolean | null>): never {
	const token = input.ExpressionAttributeValues?.[':set_written_by'];
	const Item = { ...storedJob(item), ...(token === undefined ? {} : { written_by: token }) };
	throw new ConditionalCheckFailedException({ ...metadata, Item });
}

describe('accepting a job', () => {
	const job = makeJob({ clone_id: 'shop' });
	const request = { job, idempotency: { key_hash: 'k', body_hash: 'b' }, clone: makeClone(job) };

	it('is one transaction', async () => {
		mock.on(TransactWriteItemsCommand).resolves({});
		expect(await jobs.accept(request)).toEqual({ outcome: 'accepted' });
		expect(mock.calls()).toHaveLength(1);
		expect(mock.commandCalls(TransactWriteItemsCommand)[0]?.args[0].input.TransactItems).toHaveLength(3);
	});

	it('is sent again under the same token when the answer was a 500, which may come after the commit', async () => {
		mock
			.on(TransactWriteItemsCommand)
			.rejectsOnce(new InternalServerError({ ...metadata }))
			.resolvesOnce({});
		expect(await jobs.accept(request)).toEqual({ outcome: 'accepted' });
		expect(tokens()).toHaveLength(2);
		expect(new Set(tokens()).size).toBe(1);
	});

	it('waits and goes on when another transaction is in the way', async () => {
		mock
			.on(TransactWriteItemsCommand)
			.rejectsOnce(cancelled('None', 'TransactionConflict', 'None'))
			.rejectsOnce(cancelled('ThrottlingError', 'None', 'None'))
			.resolvesOnce({});
		expect(await jobs.accept(request)).toEqual({ outcome: 'accepted' });
		expect(pauses).toHaveLength(2);
	});

	it('gives up, as worth another try, when they never get out of the way', async () => {
		mock.on(TransactWriteItemsCommand).rejects(cancelled('TransactionConflict'));
		await expect(jobs.accept(request)).rejects.toMatchObject({ code: 'store_contended' });
		await expect(jobs.accept(request)).rejects.toBeInstanceOf(TransientError);
	});

	it('takes a refusal for what it is even when something else was in the way as well', async () => {
		mock.on(TransactWriteItemsCommand).rejects(cancelled('None', 'ConditionalCheckFailed', 'TransactionConflict'));
		expect(await jobs.accept(request)).toEqual({ outcome: 'clone_id_taken' });
		expect(tokens()).toHaveLength(1);
	});
});

describe('a write whose answer was lost', () => {
	it('that ended a job is not taken for a lost lease', async () => {
		mock.on(UpdateItemCommand).callsFake((input: UpdateItemCommandInput) => ownEffect(input, { status: 'completed', fence: 3 }));
		const saved = await jobs.save('clone-1', 3, { status: 'completed' }, { now: T0, release: true });
		expect(saved).toMatchObject({ status: 'completed', fence: 3 });
	});

	it('by another worker is a lost lease', async () => {
		mock.on(UpdateItemCommand).callsFake(() => ownEffect({} as UpdateItemCommandInput, { status: 'completed', fence: 3 }));
		await expect(jobs.save('clone-1', 3, { status: 'completed' }, { now: T0, release: true })).rejects.toBeInstanceOf(LeaseLostError);
	});

	it('that took the lease still holds it', async () => {
		mock.on(UpdateItemCommand).callsFake((input: UpdateItemCommandInput) => ownEffect(input, { lease_holder: 'me', lease_until: T0 + 9 }));
		expect(await jobs.lease('clone-1', { holder: 'me', now: T0, until: T0 + 9 })).toMatchObject({ lease_holder: 'me' });
	});

	it('to a clone counts as written', async () => {
		mock.on(UpdateItemCommand).callsFake((input: UpdateItemCommandInput) => {
			const token = input.ExpressionAttributeValues?.[':set_written_by'];
			const Item = { state: { S: 'x' }, ...(token === undefined ? {} : { written_by: token }) };
			throw new ConditionalCheckFailedException({ ...metadata, Item: { ...storedClone(), ...Item, state: { S: 'live' } } });
		});
		expect(await clones.update('shop', 1, { state: 'live' })).toMatchObject({ state: 'live', generation: 2 });
	});
});

const storedClone = () => ({
	clone_id: { S: 'shop' },
	owner: { S: 'o' },
	job_id: { S: 'clone-1' },
	generation: { N: '2' },
	created_at: { N: '1' },
	ttl_minutes: { N: '30' },
	expires_at: { NULL: true },
	slot_id: { NULL: true },
	url: { NULL: true },
	source_url: { S: 'https://example.com' },
	facts: { S: '{}' },
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
		mock.on(GetItemCommand).rejects(fault);
		mock.on(UpdateItemCommand).rejects(fault);
		for (const request of [jobs.get('clone-1'), jobs.save('clone-1', 1, { progress: 1 }, { now: T0, until: T0 })]) {
			await expect(request).rejects.toBeInstanceOf(kind);
			await expect(request).rejects.toMatchObject({ code, cause: fault });
		}
	});

	it('a request that is wrong in itself is a bug, and shows as it came', async () => {
		const fault = Object.assign(new Error('no such attribute'), { name: 'ValidationException', $metadata: { httpStatusCode: 400 } });
		mock.on(GetItemCommand).rejects(fault);
		await expect(jobs.get('clone-1')).rejects.toBe(fault);
	});
});

describe('over the wire', () => {
	it('the client itself sends a transaction again under the same token after a 500', async () => {
		mock.restore();
		const { client, requests } = answersOver([
			{ status: 500, body: { __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError', message: 'after the commit' } },
			{ status: 200, body: {} },
		]);
		const store = new DynamoJobStore(new DynamoTable({ client, tableName: 'jobs' }));
		expect(await store.accept({ job: makeJob(), idempotency: null, clone: null })).toEqual({ outcome: 'accepted' });
		const sent = requests.map((body) => (JSON.parse(body) as { ClientRequestToken: string }).ClientRequestToken);
		expect(sent).toHaveLength(2);
		expect(sent[0]).toBe(sent[1]);
	});
});
