import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { afterEach, describe, expect, it } from 'vitest';
import { type HttpServer, type HttpServerOptions, startHttpServer } from '../../../adapters/embedded/http-server.ts';

let server: HttpServer;
let events: APIGatewayProxyEvent[] = [];
let logs: string[] = [];
afterEach(() => server.close(200));

async function start(options: Partial<HttpServerOptions> = {}): Promise<void> {
	events = [];
	logs = [];
	server = await startHttpServer({
		port: 0,
		telemetry: { log: (_level, message) => void logs.push(message), metric: () => undefined },
		handler: async (event): Promise<APIGatewayProxyResult> => {
			events.push(event);
			return { statusCode: 200, headers: { 'Content-Type': 'text/plain' }, body: 'fine' };
		},
		...options,
	});
}

interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly text: string;
}

function request(
	path: string,
	options: { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer } = {},
): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const { body, ...rest } = options;
		const sent = httpRequest({ host: '127.0.0.1', port: server.port, path, agent: false, ...rest }, (response) => {
			const chunks: Buffer[] = [];
			response.on('data', (chunk: Buffer) => chunks.push(chunk));
			response.on('end', () =>
				resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() }),
			);
		});
		sent.on('error', reject);
		sent.end(body);
	});
}

/** Speaks raw TCP: sends `text`, and gives what came back once the server has closed. */
function raw(text: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket = connect(server.port, '127.0.0.1', () => socket.write(text));
		let answer = '';
		socket.on('data', (chunk) => {
			answer += chunk.toString('latin1');
		});
		socket.on('close', () => resolve(answer));
		socket.on('error', reject);
	});
}

describe('events', () => {
	it('have what API Gateway would put into them', async () => {
		await start();
		await request('/api/v2/jobs?limit=5&limit=7&q=a%20b+c&empty', {
			method: 'POST',
			headers: { 'X-Thing': ['one', 'two'], 'Content-Type': 'application/json' },
			body: '{"ü":1}',
		});
		expect(events).toHaveLength(1);
		expect(events[0]).toMatchObject({
			httpMethod: 'POST',
			path: '/api/v2/jobs',
			queryStringParameters: { limit: '7', q: 'a b c', empty: '' },
			multiValueQueryStringParameters: { limit: ['5', '7'], q: ['a b c'], empty: [''] },
			headers: { 'X-Thing': 'two', 'Content-Type': 'application/json', 'X-Forwarded-Proto': 'http' },
			multiValueHeaders: { 'X-Thing': ['one', 'two'] },
			body: '{"ü":1}',
			isBase64Encoded: false,
			pathParameters: null,
			requestContext: { path: '/api/v2/jobs', identity: { sourceIp: '127.0.0.1' } },
		});
		expect(events[0]?.requestContext.requestId).toMatch(/^[0-9a-f-]{36}$/);
	});

	it('have bytes that are no UTF-8 in base64, and null for no body', async () => {
		await start();
		await request('/', { method: 'POST', body: Buffer.from([0x7b, 0xff]) });
		await request('/');
		expect(events.map(({ body, isBase64Encoded }) => [body, isBase64Encoded])).toEqual([
			['e/8=', true],
			[null, false],
		]);
	});

	it('keep the path as it was sent, and take a header or parameter called __proto__ for what it is', async () => {
		await start();
		await request('//evil.example/..%2fx?__proto__=1', { headers: { ['__proto__']: 'x' } });
		const [event] = events;
		expect(event?.path).toBe('//evil.example/..%2fx');
		expect(Object.keys(event?.queryStringParameters ?? {})).toEqual(['__proto__']);
		expect(Object.getPrototypeOf(event?.headers)).toBe(Object.prototype);
		expect(Object.keys(event?.headers ?? {})).toContain('__proto__');
	});
});

describe('answers', () => {
	it('carry status, headers and binary bodies; an event loop that fails is a 500 without words', async () => {
		await start({
			handler: async (event) => {
				if (event.path === '/broken') throw new Error('hunter2');
				return {
					statusCode: 201,
					headers: { 'X-One': 1 },
					multiValueHeaders: { 'Set-Cookie': ['a=1', 'b=2'] },
					body: 'AP8=',
					isBase64Encoded: true,
				};
			},
		});
		const answer = await request('/');
		expect([answer.status, answer.headers['x-one'], answer.headers['set-cookie'], answer.headers['content-length']]).toEqual([
			201,
			'1',
			['a=1', 'b=2'],
			'2',
		]);
		const broken = await request('/broken');
		expect([broken.status, broken.headers['content-type'], JSON.parse(broken.text).code]).toEqual([
			500,
			'application/problem+json',
			'internal',
		]);
		expect(broken.text).not.toContain('hunter2');
		expect(logs).toEqual(['A request could not be answered.']);
		expect((await request('/')).status).toBe(201);
	});
});

describe('which hosts are served', () => {
	it.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '127.0.0.1:8080', '[::1]:8080', 'localhost.', 'clone.test', 'clone.test:80'])(
		'%s is',
		async (host) => {
			await start({ names: ['clone.test'] });
			expect((await request('/', { headers: { host } })).status).toBe(200);
		},
	);

	it.each([
		'evil.example',
		'localhost.evil.example',
		'127.0.0.1.evil.example',
		'evil.example:80',
		'0.0.0.0',
		'127.0.0.2',
		'localhost@evil.example',
		'[::2]',
	])('%s is not', async (host) => {
		await start({ names: ['clone.test'] });
		const answer = await request('/', { headers: { host } });
		expect([answer.status, JSON.parse(answer.text).code]).toEqual([421, 'misdirected_request']);
		expect(events).toEqual([]);
	});

	it('nor are two hosts at once, none, or a target that is another host', async () => {
		await start();
		expect(await raw('GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 4\d\d /);
		expect(await raw('GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 421 /);
		expect(await raw('GET / HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1\.1 421 /);
		expect(await raw('GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
		expect(events).toEqual([]);
	});
});

describe('limits', () => {
	it('a body over the limit is answered before it is sent', async () => {
		await start({ limits: { bodyBytes: 1000 } });
		const answer = await raw(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n`);
		expect(answer).toMatch(/^HTTP\/1\.1 413 /);
		expect(answer).toContain('payload_too_large');
		const asked = await raw(`POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n`);
		expect(asked).toMatch(/^HTTP\/1\.1 413 /);
		expect(events).toEqual([]);
	});

	it('a body without a length is cut off where it passes the limit', async () => {
		await start({ limits: { bodyBytes: 1000 } });
		const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
		expect(await raw(`POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}1\r\nx\r\n`)).toMatch(
			/^HTTP\/1\.1 413 /,
		);
		expect(events).toEqual([]);
		expect(
			await raw(`POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`),
		).toMatch(/^HTTP\/1\.1 200 /);
		expect(events[0]?.body).toHaveLength(1000);
	});

	it('a client that sends a large body anyway, and reads only then, still gets its answer', async () => {
		await start();
		const answer = await new Promise<string>((resolve, reject) => {
			const socket = connect(server.port, '127.0.0.1');
			let text = '';
			socket.on('error', reject);
			socket.on('data', (chunk) => {
				text += chunk.toString('latin1');
			});
			socket.on('close', () => resolve(text));
			socket.pause();
			socket.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n');
			socket.write(Buffer.alloc(30_000_000, 0x20), () => socket.resume());
		});
		expect(answer).toMatch(/^HTTP\/1\.1 413 /);
		expect(answer).toContain('Connection: close');
		expect(answer).toContain('"code":"payload_too_large"');
	});

	it('headers over the limit: 431; what is no HTTP: 400', async () => {
		await start({ limits: { headerBytes: 2000 } });
		expect(await raw(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'y'.repeat(3000)}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
		expect(await raw('EHLO there\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
		expect(await raw('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')).toMatch(
			/^HTTP\/1\.1 400 /,
		);
		expect(events).toEqual([]);
	});

	it('headers, or a body, that come too slowly end the connection', async () => {
		await start({ limits: { headersMs: 150, requestMs: 300, checkMs: 50 } });
		expect(await raw('GET / HTTP/1.1\r\nHost: local')).toMatch(/^HTTP\/1\.1 408 /);
		expect(await raw('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{')).toMatch(/^(HTTP\/1\.1 408 |$)/);
		expect(events).toEqual([]);
	});
});

describe('stopping', () => {
	it('lets requests under way end, and takes no new ones', async () => {
		let release: () => void = () => undefined;
		const held = new Promise<void>((resolve) => {
			release = resolve;
		});
		let entered: () => void = () => undefined;
		const inside = new Promise<void>((resolve) => {
			entered = resolve;
		});
		await start({
			handler: async () => {
				entered();
				await held;
				return { statusCode: 200, body: 'done' };
			},
		});
		const pending = request('/');
		await inside;
		const closed = server.close(5_000);
		await expect(request('/')).rejects.toThrow(/ECONNREFUSED/);
		release();
		expect((await pending).text).toBe('done');
		await closed;
	});

	it('cuts off what has not ended when its time is up', async () => {
		await start({ handler: () => new Promise(() => undefined) });
		const pending = expect(request('/')).rejects.toThrow(/hang up|ECONNRESET/);
		await new Promise((resolve) => setTimeout(resolve, 50));
		await server.close(50);
		await pending;
	});
});
