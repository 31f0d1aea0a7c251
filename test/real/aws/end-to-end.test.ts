/**
 * A real WordPress cloned through the API's and the worker's own handlers, over DynamoDB, SQS, EventBridge Scheduler and KMS
 * as programs. Only the clone's host is this machine instead of a cluster.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { ScanCommand } from '@aws-sdk/client-dynamodb';
import { GetScheduleCommand } from '@aws-sdk/client-scheduler';
import { ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openAws } from '../../../adapters/aws/open-aws.ts';
import { createPowertoolsTelemetry } from '../../../adapters/aws/telemetry/powertools-telemetry.ts';
import { TraceContext } from '../../../adapters/aws/telemetry/trace-context.ts';
import { seedDemoContent } from '../../../adapters/embedded/playground/demo-content.ts';
import { systemClock, systemRandom, systemTimers } from '../../../adapters/embedded/system.ts';
import { createGuardedFetch } from '../../../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient } from '../../../adapters/wordpress/migrator-client.ts';
import { createWordPressSite } from '../../../adapters/wordpress/wordpress-site.ts';
import type { CloneResult } from '../../../bin/demo/api-client.ts';
import { verifyClone } from '../../../bin/demo/verify.ts';
import { cloneJob } from '../../../core/clones/clone-job.ts';
import { deleteJob } from '../../../core/clones/delete-job.ts';
import { DEFAULT_CLONE_SETTINGS } from '../../../core/clones/settings.ts';
import { createEngine } from '../../../core/jobs/engine.ts';
import { apiOver } from '../../../lambdas/api/aws-api.ts';
import { parseApiEnvironment } from '../../../lambdas/shared/environment.ts';
import { createWorkerHandler } from '../../../lambdas/worker/handler.ts';
import { API_ENVIRONMENT, callerEvent, lambdaContext } from '../../lambdas/support.ts';
import { bootSite, SOURCE_ADMIN, type SourceSite } from '../../support/sites/boot-site.ts';
import { makePlaygroundHost, type PlaygroundHarness } from '../../support/sites/playground-host.ts';
import { type Emulator, startEmulator } from './support/emulator.ts';
import { type EventSource, eventSource } from './support/event-source.ts';
import { clientsOf, createKey, createQueue, createScheduleGroup, createTable } from './support/resources.ts';

const TRACE = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1';
const TTL_MINUTES = 30;

let emulator: Emulator;
let site: SourceSite;
let playground: PlaygroundHarness;
let worker: EventSource;
let clients: ReturnType<typeof clientsOf>;
let api: ReturnType<typeof apiOver>;
let table = '';
let group = '';
const tracesSeen = new Set<string | undefined>();
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
	emulator = await startEmulator();
	for (const [name, value] of Object.entries(emulator.environment)) vi.stubEnv(name, value);
	clients = clientsOf(emulator);
	site = await bootSite({ seed: seedDemoContent });
	playground = await makePlaygroundHost();
	table = await createTable(clients.dynamo);
	group = await createScheduleGroup(clients.scheduler);
	const { url: queueUrl, arn: queueArn } = await createQueue(clients.sqs);
	const clock = emulator.scheduleClock;
	const traces = new TraceContext(() => TRACE);
	const telemetry = createPowertoolsTelemetry({ service: 'test', stage: 'test', traces, logLevel: 'ERROR' });
	vi.spyOn(telemetry, 'metric').mockImplementation(() => undefined);
	const aws = openAws(
		{
			tableName: table,
			queueUrl,
			queueArn,
			kmsKeyId: await createKey(clients.kms),
			scheduleGroup: group,
			scheduleRoleArn: 'arn:aws:iam::000000000000:role/schedules',
			scheduleDeadLetterArn: null,
		},
		{ clock, traces },
	);
	const parts = { ...aws, telemetry, traces, clock: systemClock };
	api = apiOver({ ...parts, clock }, parseApiEnvironment({ ...API_ENVIRONMENT, AUTH: 'cognito' }), {
		docsFolder: '/nowhere',
		allowPrivateSites: true,
	});

	const http = createGuardedFetch({ allowPrivate: true });
	closing.push(() => http.close());
	const agents = createMigratorClient({ http, clock: systemClock, random: systemRandom });
	const pluginFolder = new URL('../../../wordpress/custom-migrator', import.meta.url).pathname;
	const deps = {
		...parts,
		clock,
		host: playground.host,
		site: createWordPressSite({ http, client: agents, clock: systemClock, pluginFolder }),
		sourceAgents: agents,
		cloneAgents: agents,
		random: systemRandom,
		settings: { ...DEFAULT_CLONE_SETTINGS, phpVersions: ['8.4'], warmPhp: '8.4' },
	};
	const definitions = [cloneJob(deps), deleteJob(deps)];
	const engine = createEngine({ ...parts, clock, random: systemRandom, timers: systemTimers, definitions });
	worker = eventSource({
		client: clients.sqs,
		queueUrl,
		timeoutSeconds: 60,
		visibilitySeconds: 120,
		handler: createWorkerHandler({
			engine,
			queue: aws.queue,
			clock,
			random: systemRandom,
			telemetry,
			trace(job, work) {
				tracesSeen.add(job.traceHeader);
				return traces.run(job.traceHeader, work);
			},
		}),
	});
	await clients.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: 'none of ours' }));
	closing.push(async () => {
		await worker.stop();
		const left = await clients.sqs.send(new ReceiveMessageCommand({ QueueUrl: queueUrl }));
		expect(left.Messages ?? []).toEqual([]);
	});
});
afterAll(async () => {
	for (const close of closing.reverse()) await close();
	await playground.close();
	await site.stop();
	await emulator.stop();
	vi.unstubAllEnvs();
});

interface JobBody {
	readonly job_id: string;
	readonly status: string;
	readonly error: { code: string; message: string } | null;
	readonly result: CloneResult | null;
}

async function call<T = JobBody>(
	sub: string,
	method: string,
	path: string,
	body?: object,
	key?: string,
): Promise<{ status: number; body: T }> {
	const event = callerEvent(method, path, body, { identity: {}, authorizer: { claims: { sub } } });
	const headers = { ...event.headers, ...(key === undefined ? {} : { 'Idempotency-Key': key }) };
	const answer = await api({ ...event, headers }, lambdaContext());
	return { status: answer.statusCode, body: JSON.parse(answer.body) as T };
}

async function ended(sub: string, jobId: string): Promise<JobBody> {
	for (;;) {
		const { body } = await call(sub, 'GET', `/api/v2/job-status/${jobId}`);
		if (body.status !== 'pending' && body.status !== 'running') return body;
		await pause(250);
	}
}

describe('a clone, on AWS', () => {
	const request = () => ({
		source_url: site.url,
		source_username: SOURCE_ADMIN.username,
		source_password: SOURCE_ADMIN.password,
		customer_id: 'shop',
		ttl_minutes: TTL_MINUTES,
	});
	let job: JobBody;
	let made: CloneResult;

	it('is accepted once, whoever sends the request twice', async () => {
		const first = await call('alice', 'POST', '/api/v2/clone', request(), 'key-1');
		expect(first.status).toBe(202);
		job = first.body;
		const again = await call('alice', 'POST', '/api/v2/clone', request(), 'key-1');
		expect(again).toMatchObject({ status: 202, body: { job_id: job.job_id } });
		const other = await call('alice', 'POST', '/api/v2/clone', { ...request(), ttl_minutes: 31 }, 'key-1');
		expect(other.status).toBe(409);
		expect((await call('bob', 'POST', '/api/v2/clone', request())).body).toMatchObject({ code: 'clone_id_taken' });
	});

	it('is there, and is the source', { timeout: 600_000 }, async () => {
		const finished = await ended('alice', job.job_id);
		expect(finished.error).toBeNull();
		expect(finished.status).toBe('completed');
		if (finished.result === null) throw new Error('A completed job without a result.');
		made = finished.result;
		expect(made.proof.differences).toEqual([]);
		expect((await verifyClone(site.url, made)).filter((check) => !check.ok)).toEqual([]);
	});

	it('is nobody else’s', async () => {
		expect((await call('bob', 'GET', `/api/v2/job-status/${job.job_id}`)).status).toBe(404);
		expect((await call('bob', 'GET', '/api/v2/clones/shop')).status).toBe(404);
		expect((await call<{ jobs: unknown[] }>('bob', 'GET', '/api/v2/jobs')).body.jobs).toEqual([]);
		expect((await call<{ clones: unknown[] }>('alice', 'GET', '/api/v2/clones')).body.clones).toHaveLength(1);
	});

	it('has no secret of it in the table, and its trace in every message', async () => {
		const { Items } = await clients.dynamo.send(new ScanCommand({ TableName: table }));
		const rows = JSON.stringify(Items);
		expect(rows).toContain(job.job_id);
		for (const secret of [SOURCE_ADMIN.password, made.password]) expect(rows).not.toContain(`"${secret}"`);
		// The malformed message came without one.
		expect([...tracesSeen]).toEqual([TRACE]);
		expect(worker.answers.every((answer) => answer.batchItemFailures.length === 0)).toBe(true);
	});

	it('goes when its schedule fires', { timeout: 300_000 }, async () => {
		const schedule = await clients.scheduler.send(new GetScheduleCommand({ Name: 'shop', GroupName: group }));
		const at = new Date(Math.ceil(new Date(made.expires_at).getTime() / 1000) * 1000).toISOString().slice(0, 19);
		expect(schedule).toMatchObject({ ScheduleExpression: `at(${at})`, ActionAfterCompletion: 'DELETE' });
		await emulator.advanceSchedules(60 * (TTL_MINUTES + 1));
		// From its very second on it is not shown any more.
		expect((await call('alice', 'GET', '/api/v2/clones/shop')).status).toBe(404);
		const listed = await call<{ jobs: { job_id: string; type: string }[] }>('alice', 'GET', '/api/v2/jobs');
		const removal = listed.body.jobs.find(({ type }) => type === 'delete');
		expect((await ended('alice', removal?.job_id ?? '')).status).toBe('completed');
		expect(await playground.host.list()).toEqual([]);
		await expect(clients.scheduler.send(new GetScheduleCommand({ Name: 'shop', GroupName: group }))).rejects.toThrow();
		await expect(fetch(made.clone_url)).rejects.toThrow();
	});
});
