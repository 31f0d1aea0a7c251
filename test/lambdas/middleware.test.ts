/** The handlers as they are deployed, wired from an environment: that what is exported is the wrapped one. */
import { DynamoDBDocumentClient, GetCommand, QueryCommand } from '@aws-sdk/lib-dynamodb';
import { mockClient } from 'aws-sdk-client-mock';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createAwsApi } from '../../lambdas/api/aws-api.ts';
import { parseApiEnvironment, parseWorkerEnvironment } from '../../lambdas/shared/environment.ts';
import { createAwsSweep } from '../../lambdas/sweep/aws-sweep.ts';
import { createAwsWorker } from '../../lambdas/worker/aws-worker.ts';
import { API_ENVIRONMENT, callerEvent, lambdaContext, WORKER_ENVIRONMENT } from './support.ts';

const dynamo = mockClient(DynamoDBDocumentClient);
let written: string[] = [];
beforeEach(() => {
	dynamo.reset();
	written = [];
	vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => written.push(String(chunk)) > 0);
	vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => written.push(String(chunk)) > 0);
});
afterEach(() => {
	vi.restoreAllMocks();
});
const lines = (): Record<string, unknown>[] =>
	written
		.join('')
		.split('\n')
		.filter((line) => line !== '')
		.map((line) => JSON.parse(line) as Record<string, unknown>);
const options = { traceHeader: () => undefined, pluginFolder: '/nowhere', docsFolder: '/nowhere' };

it("the API's log lines carry the request that Lambda names, and its answers the common headers", async () => {
	dynamo.on(GetCommand).rejects(new Error('broken'));
	const handler = createAwsApi(parseApiEnvironment(API_ENVIRONMENT), { ...options, service: 'api' });
	const answer = await handler(callerEvent('GET', '/api/v2/job-status/clone-0123456789ab'), lambdaContext());
	expect(answer.statusCode).toBe(503);
	expect(answer.headers).toMatchObject({ 'Cache-Control': 'no-store', 'X-Request-Id': 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef' });
	expect(lines()).toContainEqual(
		expect.objectContaining({ message: 'A request failed.', function_request_id: 'request-1', service: 'api' }),
	);
});

it('the API answers 401 to whom API Gateway has not named, before it asks anything of AWS', async () => {
	const handler = createAwsApi(parseApiEnvironment(API_ENVIRONMENT), { ...options, service: 'api' });
	const answer = await handler(callerEvent('GET', '/api/v2/jobs', undefined, { identity: {} }), lambdaContext());
	expect(answer.statusCode).toBe(401);
	expect(dynamo.calls()).toHaveLength(0);
});

it("the worker's log lines carry it too", async () => {
	dynamo.on(GetCommand).resolves({});
	const handler = createAwsWorker(parseWorkerEnvironment(WORKER_ENVIRONMENT), { ...options, service: 'worker' });
	const attributes = { ApproximateReceiveCount: '1', SentTimestamp: '0' };
	const answer = await handler({ Records: [{ messageId: '1', body: '{"job_id":"clone-1"}', attributes }] } as never, lambdaContext());
	expect(answer).toEqual({ batchItemFailures: [] });
	expect(lines()).toContainEqual(
		expect.objectContaining({ message: 'unknown job', job_id: 'clone-1', function_request_id: 'request-1', service: 'worker' }),
	);
});

it('the sweep fails when it could not even read, after every part had its turn', async () => {
	dynamo.on(QueryCommand).rejects(new Error('broken'));
	const handler = createAwsSweep(parseWorkerEnvironment(WORKER_ENVIRONMENT), { ...options, service: 'sweep' });
	await expect(handler({} as never, lambdaContext())).rejects.toThrow('did not come to its end');
	const failed = lines().filter((line) => String(line.message).startsWith('the sweep of'));
	expect(failed.map((line) => line.message)).toEqual(
		['jobs', 'clones', 'figures', 'the warm pool'].map((part) => `the sweep of ${part} failed`),
	);
	expect(failed.every((line) => line.function_request_id === 'request-1')).toBe(true);
});
