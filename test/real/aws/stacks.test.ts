/** The synthesized Data and Service templates, deployed and called over HTTP: gateway → function → table and queue → worker. */
import { GetItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { GetQueueAttributesCommand, PurgeQueueCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Emulator, startEmulator } from './support/emulator.ts';
import { clientsOf } from './support/resources.ts';
import { type DeployedStacks, deployStacks } from './support/stacks.ts';
import { programToken } from './support/user-pool.ts';

const SITE = { source_url: 'https://example.com', source_username: 'admin', source_password: 'not-in-any-log' };
const SOON = { timeout: 60_000, interval: 500 };

describe('the stacks, deployed', () => {
	let emulator: Emulator;
	let stacks: DeployedStacks;
	let clients: ReturnType<typeof clientsOf>;
	let tokens: readonly string[];

	beforeAll(async () => {
		emulator = await startEmulator();
		clients = clientsOf(emulator);
		// No cluster: what the worker does there is shown on a real one (end-to-end.test.ts).
		stacks = await deployStacks(emulator, { endpoint: 'https://127.0.0.1:1', ca: 'Q0E=' }, { warmPool: 0 });
		tokens = await Promise.all([programToken(emulator, stacks.data), programToken(emulator, stacks.data, 'another')]);
	}, 240_000);
	afterAll(async () => {
		stacks.remove();
		await emulator.stop();
	});

	async function call(method: string, path: string, options: { as?: number; body?: unknown; headers?: Record<string, string> } = {}) {
		const { as, body, headers = {} } = options;
		const response = await fetch(`${stacks.endpoint}${path}`, {
			method,
			headers: {
				...(as === undefined ? {} : { Authorization: `Bearer ${tokens[as]}` }),
				...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
				...headers,
			},
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		const text = await response.text();
		return {
			status: response.status,
			type: response.headers.get('content-type') ?? '',
			body: text.startsWith('{') ? JSON.parse(text) : text,
		};
	}

	it('leave out only what the emulator does not know', () => {
		expect(stacks.removed.map((id) => id.replace(/[0-9A-F]{8}$/, '')).sort((a, b) => (a < b ? -1 : 1))).toEqual([
			'AlarmsJobsFail',
			'ClusterAccessApi',
			'ClusterAccessSweep',
			'ClusterAccessWorker',
			'QueriesFailuresByCode',
			'QueriesJobStory',
			'QueriesSlowestSteps',
			'RolloutApi',
			'RolloutApplication',
			'RolloutWorker',
		]);
	});

	it('answer three routes to everybody, and no other', async () => {
		expect(await call('GET', '/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
		expect((await call('GET', '/openapi.json')).body).toMatchObject({ openapi: '3.1.0' });
		expect(await call('GET', '/docs')).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
		expect((await call('GET', '/docs/swagger-ui.css')).body.length).toBeGreaterThan(10_000);
		for (const [method, path] of [
			['GET', '/api/v2/jobs'],
			['POST', '/api/v2/clone'],
			['DELETE', '/api/v2/delete/clone-1'],
			['GET', '/nowhere'],
		] as const) {
			expect(await call(method, path), path).toMatchObject({ status: 401, body: { code: 'unauthorized', status: 401 } });
		}
	});

	it('accept a clone once for one idempotency key, show it to its owner only, and have the worker begin', async () => {
		const headers = { 'Idempotency-Key': 'one' };
		const accepted = await call('POST', '/api/v2/clone', { as: 0, body: SITE, headers });
		expect(accepted).toMatchObject({ status: 202, body: { type: 'clone', status: 'pending' } });
		const id: string = accepted.body.job_id;
		expect((await call('POST', '/api/v2/clone', { as: 0, body: SITE, headers })).body.job_id).toBe(id);
		expect(await call('POST', '/api/v2/clone', { as: 0, body: { ...SITE, ttl_minutes: 5 }, headers })).toMatchObject({ status: 409 });
		expect(await call('GET', `/api/v2/jobs/${id}`, { as: 1 })).toMatchObject({ status: 404 });
		expect((await call('GET', '/api/v2/jobs', { as: 1 })).body.jobs).toEqual([]);

		// The worker was invoked by the queue, took the lease and tried the first step.
		await expect.poll(async () => (await call('GET', `/api/v2/job-status/${id}`, { as: 0 })).body.status, SOON).toBe('running');
		const rows = JSON.stringify((await clients.dynamo.send(new ScanCommand({ TableName: String(stacks.data.TableName) }))).Items);
		expect(rows).toContain(id);
		expect(rows).not.toContain(SITE.source_password);
		expect(
			(
				await clients.dynamo.send(
					new GetItemCommand({ TableName: String(stacks.data.TableName), Key: { pk: { S: `JOB#${id}` }, sk: { S: 'JOB' } } }),
				)
			).Item,
		).toBeDefined();
	});

	it('take a message that is none of ours out of the queue, without a dead letter', async () => {
		const QueueUrl = String(stacks.service.QueueUrl);
		await clients.sqs.send(new PurgeQueueCommand({ QueueUrl: String(stacks.service.DeadLetterQueueUrl) }));
		await clients.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'not a job' }));
		const waiting = async (url: string): Promise<string | undefined> =>
			(await clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] }))).Attributes
				?.ApproximateNumberOfMessages;
		await expect.poll(() => waiting(QueueUrl), SOON).toBe('0');
		expect(await waiting(String(stacks.service.DeadLetterQueueUrl))).toBe('0');
	});
});
