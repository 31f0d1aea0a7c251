import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_API_SETTINGS } from '../../core/api/deps.ts';
import type { Job } from '../../core/jobs/job.ts';
import { createApiHandler } from '../../lambdas/api/handler.ts';
import { type Service, startService, VALID_CLONE } from '../support/memory-api/service.ts';

/**
 * Events as API Gateway sends them where they differ from the local server's: its own spelling of headers, nulls where
 * the types promise maps, base64 bodies, a stage before the path.
 */
function apiGatewayEvent(change: Partial<APIGatewayProxyEvent> & { readonly stagePath?: string } = {}): APIGatewayProxyEvent {
	const { stagePath, ...rest } = change;
	const path = rest.path ?? '/api/v2/clone';
	const event = {
		resource: '/{proxy+}',
		path,
		httpMethod: 'POST',
		headers: {
			Host: 'abc123.execute-api.eu-west-1.amazonaws.com',
			'X-Forwarded-Proto': 'https',
			'CONTENT-TYPE': 'Application/JSON; Charset=UTF-8',
		},
		multiValueHeaders: null,
		queryStringParameters: null,
		multiValueQueryStringParameters: null,
		pathParameters: { proxy: path.slice(1) },
		stageVariables: null,
		body: JSON.stringify(VALID_CLONE),
		isBase64Encoded: false,
		requestContext: {
			path: stagePath ?? path,
			stage: 'prod',
			requestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
			identity: { sourceIp: '192.0.2.1' },
			domainName: 'abc123.execute-api.eu-west-1.amazonaws.com',
		},
		...rest,
	};
	return event as unknown as APIGatewayProxyEvent;
}

const context = { awsRequestId: 'aws', getRemainingTimeInMillis: () => 29_000 } as Context;
let service: Service;
beforeAll(async () => {
	service = await startService();
});
afterAll(() => service.stop());

function handlerFor(authenticate: () => Promise<string | null> = async () => 'owner-9') {
	const logs: unknown[] = [];
	const unused = async (): Promise<never> => {
		throw new Error('not used here');
	};
	const handler = createApiHandler({
		authenticate,
		docs: async () => null,
		deps: {
			jobs: service.jobs,
			clones: service.clones,
			queue: { send: async () => undefined },
			secrets: { seal: async () => 'sealed', open: unused },
			control: { setTtl: unused },
			limiter: { take: async () => null },
			clock: { now: () => Date.now() },
			random: { hex: (n) => crypto.randomUUID().replaceAll('-', '').slice(0, n), fraction: () => 0 },
			telemetry: { log: (...entry) => void logs.push(entry), metric: () => undefined },
			delay: unused,
			settings: DEFAULT_API_SETTINGS,
		},
	});
	return { handler, logs };
}

describe('the wrapped handler, with events of API Gateway', () => {
	it('accepts a clone; header names in any case, maps that are null, the stage in status_url', async () => {
		const { handler } = handlerFor();
		const answer = await handler(apiGatewayEvent({ stagePath: '/prod/api/v2/clone' }), context);
		expect(answer.statusCode).toBe(202);
		const body = JSON.parse(answer.body) as { job_id: string; status_url: string };
		expect(body.status_url).toBe(`https://abc123.execute-api.eu-west-1.amazonaws.com/prod/api/v2/job-status/${body.job_id}`);
		expect(answer.headers?.['X-Request-Id']).toBe('c6af9ac6-7b61-11e6-9a41-93e8deadbeef');
		const job: Job | undefined = await service.jobs.get(body.job_id);
		expect(job?.owner).toBe('owner-9');
	});

	it('reads bodies in base64, and multi-value headers before single ones', async () => {
		const { handler } = handlerFor();
		const base64 = Buffer.from(JSON.stringify(VALID_CLONE)).toString('base64');
		const encoded = await handler(apiGatewayEvent({ body: base64, isBase64Encoded: true }), context);
		expect(encoded.statusCode).toBe(202);
		const broken = await handler(
			apiGatewayEvent({ body: Buffer.from([0x7b, 0xff, 0x7d]).toString('base64'), isBase64Encoded: true }),
			context,
		);
		expect(JSON.parse(broken.body)).toMatchObject({ status: 400, code: 'malformed_json' });
		const large = await handler(apiGatewayEvent({ body: Buffer.alloc(262_145, 0x20).toString('base64'), isBase64Encoded: true }), context);
		expect(large.statusCode).toBe(413);
		const text = await handler(apiGatewayEvent({ body: 'x'.repeat(262_145) }), context);
		expect(text.statusCode).toBe(413);
		const types = await handler(apiGatewayEvent({ multiValueHeaders: { 'content-type': ['application/json', 'text/plain'] } }), context);
		expect(types.statusCode).toBe(415);
		const keys = await handler(
			apiGatewayEvent({ multiValueHeaders: { 'Content-Type': ['application/json'], 'idempotency-key': ['a', 'b'] } }),
			context,
		);
		expect(JSON.parse(keys.body)).toMatchObject({ status: 422, errors: [{ field: 'Idempotency-Key', code: 'repeated' }] });
	});

	it('finds ids in the path when API Gateway has put its own parameters into the event', async () => {
		const { handler } = handlerFor();
		const accepted = JSON.parse((await handler(apiGatewayEvent(), context)).body) as { job_id: string };
		const read = await handler(apiGatewayEvent({ httpMethod: 'GET', path: `/api/v2/job-status/${accepted.job_id}`, body: null }), context);
		expect(JSON.parse(read.body)).toMatchObject({ job_id: accepted.job_id });
	});

	it('takes an owner only from authenticate: 401 for none, and for an empty one', async () => {
		for (const nobody of [null, '']) {
			const { handler } = handlerFor(async () => nobody);
			expect((await handler(apiGatewayEvent(), context)).statusCode).toBe(401);
			expect((await handler(apiGatewayEvent({ httpMethod: 'GET', path: '/health', body: null }), context)).statusCode).toBe(200);
		}
	});

	it('answers before Lambda would cut it off', async () => {
		const { handler, logs } = handlerFor(() => new Promise(() => undefined));
		const answer = await handler(apiGatewayEvent(), { ...context, getRemainingTimeInMillis: () => 30 });
		expect(JSON.parse(answer.body)).toMatchObject({ status: 503, code: 'unavailable' });
		expect(answer.headers?.['Retry-After']).toBe('5');
		expect(logs).toHaveLength(1);
	});
});
