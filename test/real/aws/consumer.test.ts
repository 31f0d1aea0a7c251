/** The consumer against a real queue and a real table: killed in the middle, told to go in the middle, its message kept. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DynamoTable } from '../../../adapters/aws/dynamodb/dynamo-table.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb/dynamodb-job-store.ts';
import { keepInvisible } from '../../../adapters/aws/sqs/keep-invisible.ts';
import { SqsJobQueue, SqsJobQueueConsumer } from '../../../adapters/aws/sqs/sqs-job-queue.ts';
import { TraceContext } from '../../../adapters/aws/telemetry/trace-context.ts';
import { systemClock } from '../../../adapters/embedded/system.ts';
import type { Job } from '../../../core/jobs/job.ts';
import { newJob } from '../../../core/jobs/new-job.ts';
import { eventually, jobId, nth } from '../../contracts/support.ts';
import type { ConsumerProcessOptions } from './support/consumer-process.ts';
import { type Emulator, startEmulator } from './support/emulator.ts';
import { clientsOf, createQueue, createTable } from './support/resources.ts';

const telemetry = { log: () => undefined, metric: () => undefined };
const traces = new TraceContext(() => undefined);
const JOBS = 6;

let emulator: Emulator;
let folder = '';
beforeAll(async () => {
	emulator = await startEmulator();
	folder = mkdtempSync(join(tmpdir(), 'aws-consumer-'));
});
afterAll(async () => {
	await emulator.stop();
	rmSync(folder, { recursive: true });
});

let options: ConsumerProcessOptions;
let jobs: DynamoJobStore;
let queue: SqsJobQueue;
let consumer: SqsJobQueueConsumer;
const processes: ChildProcess[] = [];
beforeEach(async () => {
	const { dynamo, sqs } = clientsOf(emulator);
	const { url: queueUrl } = await createQueue(sqs);
	const table = await createTable(dynamo);
	options = { url: emulator.url, region: emulator.region, table, queueUrl, effects: join(folder, table) };
	writeFileSync(options.effects, '');
	jobs = new DynamoJobStore(new DynamoTable({ client: dynamo, tableName: table }));
	queue = new SqsJobQueue({ client: sqs, queueUrl, traces });
	consumer = new SqsJobQueueConsumer({ client: sqs, queueUrl, clock: systemClock, telemetry, waitSeconds: 0 });
});
afterEach(async () => {
	for (const child of processes.splice(0)) {
		if (child.exitCode !== null || child.signalCode !== null) continue;
		child.kill('SIGKILL');
		await once(child, 'exit');
	}
});

function start(): ChildProcess {
	const script = new URL('./support/consumer-process.ts', import.meta.url).pathname;
	const child = spawn(process.execPath, [script, JSON.stringify(options)], { stdio: ['ignore', 'inherit', 'inherit'] });
	processes.push(child);
	return child;
}

async function acceptJobs(count = JOBS): Promise<string[]> {
	const ids = Array.from({ length: count }, () => jobId());
	for (const id of ids) {
		const fields = { type: 'clone', owner: 'o', input: null, sealed_input: null, clone_id: null, expectedSeconds: null } as const;
		const job = newJob({ ...fields, job_id: id, now: Date.now(), deadlineSeconds: 600 });
		await jobs.accept({ job, idempotency: null, clone: null });
		await queue.send(id);
	}
	return ids;
}

const effects = (): string[] =>
	readFileSync(options.effects, 'utf8')
		.split('\n')
		.filter((line) => line !== '');

async function until(isThere: () => boolean | Promise<boolean>, what: string): Promise<void> {
	const end = Date.now() + 60_000;
	while (!(await isThere())) {
		if (Date.now() > end) throw new Error(`Not within a minute: ${what}.`);
		await pause(50);
	}
}

const all = async (ids: readonly string[]): Promise<Job[]> => {
	const found = await Promise.all(ids.map((id) => jobs.get(id)));
	return found.filter((job) => job !== undefined);
};

async function expectAllDone(ids: readonly string[]): Promise<void> {
	await until(async () => (await all(ids)).every((job) => job.status === 'completed'), 'all jobs completed');
	for (const job of await all(ids)) {
		expect(job).toMatchObject({ status: 'completed', result: 'all three', outputs: expect.objectContaining({ one: expect.anything() }) });
		for (const step of ['one', 'two', 'three']) {
			expect(effects().filter((line) => line.endsWith(` ${job.job_id} ${step}`)).length, `${job.job_id} ${step}`).toBeGreaterThan(0);
		}
	}
	// What was acknowledged is gone for good.
	await eventually(
		() => consumer.depth(),
		(depth) => depth === 0,
	);
	expect(await consumer.depth()).toBe(0);
}

describe('the consumer', () => {
	it('killed in the middle, loses nothing: the next one finds all jobs by their messages', async () => {
		const ids = await acceptJobs();
		const first = start();
		await until(() => effects().some((line) => line.endsWith(' two')), 'a second step');
		first.kill('SIGKILL');
		await once(first, 'exit');
		const before = await all(ids);
		expect(before.some((job) => job.status === 'running' && job.lease_holder !== null)).toBe(true);
		expect(before.every((job) => job.status === 'completed')).toBe(false);
		start();
		await expectAllDone(ids);
	});

	it('told to go, holds no lease any more and has put its jobs aside', async () => {
		const ids = await acceptJobs();
		const first = start();
		await until(() => effects().length >= 3, 'a step of three jobs');
		first.kill('SIGTERM');
		const [code] = (await once(first, 'exit')) as [number | null];
		expect(code).toBe(0);
		const after = await all(ids);
		expect(after.map((job) => job.lease_holder)).toEqual(Array(JOBS).fill(null));
		expect(after.some((job) => job.status === 'running')).toBe(true);
		expect(await consumer.depth()).toBe(JOBS);
		start();
		await expectAllDone(ids);
	});

	it('told to go while it waits for a message, hands back what comes', async () => {
		const ids = await acceptJobs();
		const first = start();
		await until(async () => (await all(ids)).every((job) => job.status === 'completed'), 'all jobs completed');
		// Its next poll is under way, or about to be.
		const exit = once(first, 'exit');
		first.kill('SIGTERM');
		await pause(100);
		const [late = ''] = await acceptJobs(1);
		const [code] = (await exit) as [number | null];
		expect(code).toBe(0);
		expect((await consumer.receive(10, 1)).map(({ job_id }) => job_id)).toEqual([late]);
	});

	it('keeps a message that takes longer than its visibility', async () => {
		await queue.send('clone-1');
		const kept = keepInvisible(consumer, telemetry);
		const message = nth(await kept.receive(1, 2), 0);
		await pause(5000);
		expect(await consumer.receive(10, 2)).toEqual([]);
		await kept.acknowledge(message);
		await pause(2500);
		expect(await consumer.receive(10, 2)).toEqual([]);
	});
});
