/** What is the table's own, beyond the contracts: what stands where, and for how long. */
import { DeleteItemCommand, GetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoTable } from '../../../adapters/aws/dynamodb/dynamo-table.ts';
import { DynamoCloneStore } from '../../../adapters/aws/dynamodb/dynamodb-clone-store.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb/dynamodb-job-store.ts';
import { DUE_SHARDS } from '../../../adapters/aws/table-schema.ts';
import type { Slot } from '../../../core/clones/clone.ts';
import type { Job } from '../../../core/jobs/job.ts';
import { RETENTION_DAYS } from '../../../core/retention.ts';
import { makeClone, makeJob, present, T0, unique } from '../../contracts/support.ts';
import { type Emulator, startEmulator } from './support/emulator.ts';
import { clientsOf, createTable } from './support/resources.ts';

const DAY = 86_400_000;
const HASH = { key_hash: 'k'.repeat(64), body_hash: 'b'.repeat(64) };

let emulator: Emulator;
let clients: ReturnType<typeof clientsOf>;
let tableName = '';
let jobs: DynamoJobStore;
let clones: DynamoCloneStore;
beforeAll(async () => {
	emulator = await startEmulator();
	clients = clientsOf(emulator);
	tableName = await createTable(clients.dynamo);
	const table = new DynamoTable({ client: clients.dynamo, tableName });
	jobs = new DynamoJobStore(table);
	clones = new DynamoCloneStore(table, () => T0);
});
afterAll(() => emulator.stop());

async function leased(fields: Partial<Job> = {}): Promise<Job> {
	const job = makeJob({ owner: unique('owner'), ...fields });
	await jobs.accept({ job, idempotency: null, clone: null });
	return present(await jobs.lease(job.job_id, { holder: 'w', now: T0, until: T0 + 60_000 }));
}

async function row(pk: string, sk: string) {
	return present((await clients.dynamo.send(new GetItemCommand({ TableName: tableName, Key: { pk: { S: pk }, sk: { S: sk } } }))).Item);
}

/** Ids of what stands in one partition of the due index. */
async function inIndex(partition: string): Promise<(string | undefined)[]> {
	const answer = await clients.dynamo.send(
		new QueryCommand({
			TableName: tableName,
			IndexName: 'gsi2',
			KeyConditionExpression: 'gsi2pk = :p',
			ExpressionAttributeValues: { ':p': { S: partition } },
		}),
	);
	return (answer.Items ?? []).map((item) => item.job_id?.S);
}
const allDue = async () => (await Promise.all(Array.from({ length: DUE_SHARDS }, (_, shard) => inIndex(`DUE#${shard}`)))).flat();

describe('jobs', () => {
	it('keep the larger progress also when the smaller one comes later', async () => {
		const job = await leased();
		const until = T0 + 60_000;
		await jobs.save(job.job_id, job.fence, { progress: 40 }, { now: T0 + 1, until });
		const saved = await jobs.save(job.job_id, job.fence, { progress: 30, status_message: 'later' }, { now: T0 + 2, until });
		expect(saved).toMatchObject({ progress: 40, status_message: 'later', updated_at: T0 + 2 });
	});

	it('are due at their run_at again once the lease is given up, and while it is held when it ends', async () => {
		const job = await leased({ run_at: T0 - 5 });
		expect((await row(`JOB#${job.job_id}`, 'JOB')).gsi2sk?.S).toBe(`${String(T0 + 60_000).padStart(15, '0')}#${job.job_id}`);
		await jobs.save(job.job_id, job.fence, { progress: 1 }, { now: T0, release: true });
		expect((await row(`JOB#${job.job_id}`, 'JOB')).gsi2sk?.S).toBe(`${String(T0 - 5).padStart(15, '0')}#${job.job_id}`);
	});

	it('leave the due work when they end, and are kept for a while', async () => {
		const job = await leased();
		expect(await allDue()).toContain(job.job_id);
		expect((await row(`JOB#${job.job_id}`, 'JOB')).ttl).toBeUndefined();
		await jobs.save(job.job_id, job.fence, { status: 'completed' }, { now: T0, release: true });
		expect(await allDue()).not.toContain(job.job_id);
		expect((await row(`JOB#${job.job_id}`, 'JOB')).ttl?.N).toBe(String(T0 / 1000 + RETENTION_DAYS * 86_400));
	});

	it('may use a key again that is past its time, whether or not DynamoDB has removed it', async () => {
		const owner = unique('owner');
		const first = makeJob({ owner });
		await jobs.accept({ job: first, idempotency: HASH, clone: null });
		const at = (days: number, body_hash = 'c'.repeat(64)) =>
			jobs.accept({ job: makeJob({ owner, created_at: T0 + days * DAY }), idempotency: { ...HASH, body_hash }, clone: null });
		expect(await at(RETENTION_DAYS - 1)).toEqual({ outcome: 'idempotency_conflict' });
		expect(await at(RETENTION_DAYS + 1)).toEqual({ outcome: 'accepted' });
	});
});

describe('clones and slots', () => {
	it('a deleted clone is in no index, and its row goes after a while', async () => {
		const job = makeJob({ owner: unique('owner'), clone_id: unique('clone') });
		const clone = makeClone(job);
		await jobs.accept({ job, idempotency: null, clone });
		await clones.update(clone.clone_id, 1, { state: 'deleted' });
		const deleted = await row(`CLONE#${clone.clone_id}`, 'CLONE');
		expect(Object.keys(deleted).filter((name) => name.startsWith('gsi'))).toEqual([]);
		expect(deleted.ttl?.N).toBe(String(T0 / 1000 + RETENTION_DAYS * 86_400));
		// Its name given to another, the row is there to stay.
		const next = makeJob({ owner: unique('owner'), clone_id: clone.clone_id });
		await jobs.accept({ job: next, idempotency: null, clone: makeClone(next) });
		const taken = await row(`CLONE#${clone.clone_id}`, 'CLONE');
		expect(taken.ttl).toBeUndefined();
		expect(taken.gsi1pk?.S).toBe(`CLONES#${next.owner}`);
	});

	it('a job whose slot died gets another one', async () => {
		const slot = (state: Slot['state']): Slot => ({
			slot_id: unique('slot'),
			state,
			job_id: null,
			endpoint: null,
			agent_key_sealed: 'sealed',
			php_version: '8.4',
			wp_version: null,
			created_at: T0,
		});
		const [one, two] = [slot('warm'), slot('warm')];
		await clones.putSlot(one);
		const job = unique('clone');
		expect(await clones.claimWarm(job)).toMatchObject({ slot_id: one.slot_id });
		await clones.removeSlot(one.slot_id);
		await clones.putSlot(two);
		expect(await clones.claimWarm(job)).toMatchObject({ slot_id: two.slot_id, job_id: job });
		// Also where the removal was cut off before it came to the claim.
		const three = slot('warm');
		await clones.putSlot(three);
		await clients.dynamo.send(new DeleteItemCommand({ TableName: tableName, Key: { pk: { S: 'SLOTS' }, sk: { S: two.slot_id } } }));
		expect(await clones.claimWarm(job)).toMatchObject({ slot_id: three.slot_id, job_id: job });
	});
});
