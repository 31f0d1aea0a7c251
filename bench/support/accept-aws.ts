/**
 * `accept --aws`: the API's own handler over the AWS adapters and the real clients, with answers made in this process. The
 * requests to AWS are counted one by one; own CPU is measured; what AWS takes is modelled (aws-latencies.ts).
 */
import { createHash, randomBytes } from 'node:crypto';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import { apiOver } from '../../lambdas/api/aws-api.ts';
import { awsParts } from '../../lambdas/shared/aws-parts.ts';
import { parseApiEnvironment } from '../../lambdas/shared/environment.ts';
import { cpuMs, percentile, round } from './api-harness.ts';
import { AWS_LATENCIES, latencyAt } from './aws-latencies.ts';
import { FUNCTION_ENVIRONMENT } from './function-environment.ts';

const REQUESTS = 2000;
const DRAWS = 200_000;
/** What is to be held. */
const TARGET = { p50: 45, p99: 100 };

interface Call {
	readonly name: string;
	readonly body: Record<string, unknown>;
}

interface SdkRequest {
	readonly headers: Readonly<Record<string, string | undefined>>;
	readonly body?: Uint8Array | string;
}

/** Every AWS client of the API, with its answers made here. */
function answeredHere() {
	const calls: Call[] = [];
	const key = randomBytes(32).toString('base64');
	const sealedKey = randomBytes(184).toString('base64');
	let stored: unknown = {};
	const answers: Readonly<Record<string, (asked: Call) => object>> = {
		TransactWriteItems: () => ({}),
		Query: () => ({ Items: [] }),
		GetItem: () => ({ Item: stored }),
		GenerateDataKey: () => ({ KeyId: 'key', Plaintext: key, CiphertextBlob: sealedKey }),
		// The client checks it.
		SendMessage: ({ body }) => ({
			MessageId: 'message',
			MD5OfMessageBody: createHash('md5').update(String(body.MessageBody)).digest('hex'),
		}),
	};
	const requestHandler = {
		async handle(request: SdkRequest) {
			const name = /[^.]*$/.exec(request.headers['x-amz-target'] ?? '')?.[0] ?? '';
			const text = typeof request.body === 'string' ? request.body : new TextDecoder().decode(request.body);
			const asked = { name, body: JSON.parse(text) as Record<string, unknown> };
			calls.push(asked);
			const answer = answers[name];
			if (answer === undefined) throw new Error(`The API asked AWS for something this benchmark does not know: ${name || 'unnamed'}.`);
			const body = new Blob([JSON.stringify(answer(asked))]).stream();
			return { response: { statusCode: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body } };
		},
		destroy: () => undefined,
	};
	const capture = <Client>(client: Client): Client => {
		const { config } = client as { config: object };
		Object.assign(config, { requestHandler });
		return client;
	};
	return { calls, capture, store: (item: unknown) => (stored = item) };
}

export async function acceptOnAws(): Promise<Record<string, number | boolean>> {
	const here = answeredHere();
	// What Lambda sets; nothing is signed for anybody.
	Object.assign(process.env, { AWS_REGION: 'eu-central-1', AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench' });
	const environment = parseApiEnvironment({ ...FUNCTION_ENVIRONMENT, REQUESTS_PER_MINUTE: '0', CLONES_PER_OWNER: '0', LOG_LEVEL: 'WARN' });
	const parts = awsParts(environment, { service: 'bench', traceHeader: () => undefined, capture: here.capture });
	const api = apiOver({ ...parts, telemetry: { ...parts.telemetry, metric: () => undefined } }, environment, { docsFolder: '' });
	const context = { awsRequestId: 'bench', getRemainingTimeInMillis: () => 29_000 } as Context;
	const call = async (event: APIGatewayProxyEvent): Promise<{ status: number; body: string; made: readonly Call[]; cpu: number }> => {
		here.calls.length = 0;
		const before = cpuMs();
		const answer = await api(event, context);
		return { status: answer.statusCode, body: answer.body, made: [...here.calls], cpu: cpuMs() - before };
	};

	const request = { source_url: 'https://example.com', source_username: 'admin', source_password: 'correct horse battery staple' };
	const accept = () => call(apiEvent('POST', '/api/v2/clone', request));
	for (let index = 0; index < 200; index++) await accept();
	const cpu: number[] = [];
	const sequences = new Set<string>();
	let jobId = '';
	let row: unknown;
	for (let index = 0; index < REQUESTS; index++) {
		const { status, body, made, cpu: took } = await accept();
		if (status !== 202) throw new Error(`A clone request was answered with ${status}: ${body}`);
		cpu.push(took);
		sequences.add(made.map(({ name }) => name).join(' '));
		jobId = (JSON.parse(body) as { job_id: string }).job_id;
		row = jobRow(made);
	}
	here.store(row);
	const read = await call(apiEvent('GET', `/api/v2/job-status/${jobId}`));
	if (read.status !== 200) throw new Error(`The job's status was answered with ${read.status}: ${read.body}`);
	if (sequences.size !== 1) throw new Error(`Not every request asked the same of AWS: ${[...sequences].join(' | ')}.`);
	const [sequence = ''] = sequences;
	const names = sequence.split(' ');

	const cpuP50 = percentile(cpu, 0.5);
	const times = modelled(names, cpuP50);
	const count = (name: string): number => names.filter((one) => one === name).length;
	const figures = {
		transactions_per_post: count('TransactWriteItems'),
		sends_per_post: count('SendMessage'),
		data_keys_per_post: count('GenerateDataKey'),
		requests_per_post: names.length,
		reads_per_status: read.made.filter(({ name }) => name === 'GetItem').length,
		requests_per_status: read.made.length,
		cpu_ms_p50: round(cpuP50),
		cpu_ms_p99: round(percentile(cpu, 0.99)),
		modelled_ms_p50: round(percentile(times, 0.5), 1),
		modelled_ms_p99: round(percentile(times, 0.99), 1),
		p50_held: percentile(times, 0.5) <= TARGET.p50,
		p99_held: percentile(times, 0.99) <= TARGET.p99,
	};
	console.table(
		names.map((name) => {
			const latency = AWS_LATENCIES[name];
			const at = (share: number): number => (latency === undefined ? Number.NaN : round(latencyAt(latency, share), 1));
			return { request: name, 'ms p50': at(0.5), 'ms p99': at(0.99) };
		}),
	);
	for (const name of new Set(names)) console.log(`${name}: ${AWS_LATENCIES[name]?.source ?? 'unknown'}`);
	console.table([figures]);
	console.log(`To be held: p50 ${TARGET.p50} ms, p99 ${TARGET.p99} ms, in the function; API Gateway and a cold start are not in it.`);
	return figures;
}

/** The requests come one after the other; each draw is independent. */
function modelled(names: readonly string[], ownMs: number): number[] {
	// A generator with a fixed start (mulberry32): the same figures each time.
	let state = 42;
	const uniform = (): number => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	};
	const latencies = names.map((name) => {
		const latency = AWS_LATENCIES[name];
		if (latency === undefined) throw new Error(`There is no published latency for ${name}.`);
		return latency;
	});
	return Array.from({ length: DRAWS }, () => latencies.reduce((sum, latency) => sum + latencyAt(latency, uniform()), ownMs));
}

/** The job's row as the transaction wrote it. */
function jobRow(made: readonly Call[]): unknown {
	const parts = made.find(({ name }) => name === 'TransactWriteItems')?.body.TransactItems as { Put?: { Item: { sk?: { S: string } } } }[];
	return parts.find(({ Put }) => Put?.Item.sk?.S === 'JOB')?.Put?.Item;
}

function apiEvent(httpMethod: string, path: string, body?: object): APIGatewayProxyEvent {
	return {
		resource: path,
		path,
		httpMethod,
		headers: { Host: 'api.example.com', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
		multiValueHeaders: null,
		queryStringParameters: null,
		multiValueQueryStringParameters: null,
		pathParameters: null,
		stageVariables: null,
		body: body === undefined ? null : JSON.stringify(body),
		isBase64Encoded: false,
		requestContext: {
			requestId: 'bench',
			path,
			stage: 'bench',
			identity: { userArn: 'arn:aws:sts::123456789012:assumed-role/agency/bench' },
		},
	} as unknown as APIGatewayProxyEvent;
}
