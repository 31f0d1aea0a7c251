/**
 * The local HTTP server: turns each request into an API Gateway REST proxy event, hands it to the API's handler and
 * sends the answer back. It knows no routes.
 *
 * Gotchas. It listens on loopback, but any page in the user's browser can make a name of its own resolve to 127.0.0.1
 * (DNS rebinding): requests for a host that is not ours are refused. A body that is too large is answered before it has
 * arrived, and what still comes is thrown away for a moment, because closing at once would reset the connection and take
 * the answer with it.
 */
import { isUtf8 } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { Problem, type ProblemCode } from '../../core/api/problems.ts';
import { MAX_BODY_BYTES } from '../../core/api/request-schemas.ts';
import type { Telemetry } from '../../core/ports.ts';
import { toEvent } from './http-event.ts';

export interface HttpServerOptions {
	readonly handler: (event: APIGatewayProxyEvent, context: Context) => Promise<APIGatewayProxyResult>;
	/** @default '127.0.0.1' */
	readonly host?: string;
	/** 0: any free one. */
	readonly port: number;
	/** Names that the service may be called by beside localhost, 127.0.0.1, [::1] and `host`; no ports. @default none */
	readonly names?: readonly string[];
	readonly telemetry: Telemetry;
	readonly limits?: Partial<HttpLimits>;
}

/** Milliseconds and bytes. */
export interface HttpLimits {
	readonly bodyBytes: number;
	readonly headerBytes: number;
	/** For all headers to arrive. */
	readonly headersMs: number;
	/** For the whole request to arrive. */
	readonly requestMs: number;
	readonly keepAliveMs: number;
	/** How often the two above are looked at. */
	readonly checkMs: number;
	readonly connections: number;
	/** For the handler to answer: what API Gateway allows (29 s). */
	readonly answerMs: number;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = {
	bodyBytes: MAX_BODY_BYTES,
	headerBytes: 16 * 1024,
	headersMs: 10_000,
	requestMs: 30_000,
	keepAliveMs: 5_000,
	checkMs: 2_000,
	connections: 2_000,
	answerMs: 29_000,
};

export interface HttpServer {
	/** e.g. `http://127.0.0.1:8080` */
	readonly url: string;
	readonly port: number;
	/** Takes no more requests; those under way have this long to end. */
	close(graceMs?: number): Promise<void>;
}

/** How long the rest of a refused body is thrown away before the connection is closed. */
const LINGER_MS = 1_000;

/** @throws Error of node:net when the address cannot be listened on. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
	const limits: HttpLimits = { ...DEFAULT_HTTP_LIMITS, ...options.limits };
	const host = options.host ?? '127.0.0.1';
	const names = new Set(['localhost', '127.0.0.1', '[::1]', bracketed(host), ...(options.names ?? [])].map((name) => name.toLowerCase()));
	let closing = false;

	const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
		const requestId = randomUUID();
		const refuse = (code: ProblemCode): void => refuseRequest(request, response, code, requestId);
		response.shouldKeepAlive = response.shouldKeepAlive && !closing;
		const hosts = request.headersDistinct.host ?? [];
		if (hosts.length !== 1 || !names.has(hostName(hosts[0] ?? ''))) return refuse('misdirected_request');
		if (!request.url?.startsWith('/')) return refuse('malformed_request');
		const body = await readBody(request, limits.bodyBytes);
		if (body === 'too large') return refuse('payload_too_large');
		if (body === 'cut off') return;
		const text = isUtf8(body);
		const event = toEvent(request, { requestId, body: body.toString(text ? 'utf8' : 'base64'), base64: !text });
		const answer = await options.handler(event, lambdaContext(requestId, Date.now() + limits.answerMs));
		if (closing) response.shouldKeepAlive = false;
		send(response, answer, request.method === 'HEAD');
	};

	const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
		serve(request, response).catch((error: unknown) => {
			options.telemetry.log('error', 'A request could not be answered.', { method: request.method, error });
			if (!response.headersSent) refuseRequest(request, response, 'internal', randomUUID());
			else response.destroy();
		});
	};

	const server = createServer(
		{
			maxHeaderSize: limits.headerBytes,
			headersTimeout: limits.headersMs,
			requestTimeout: limits.requestMs,
			keepAliveTimeout: limits.keepAliveMs,
			connectionsCheckingInterval: limits.checkMs,
		},
		onRequest,
	);
	server.maxConnections = limits.connections;
	// A client that asks first is told at once that the body is too large, and need not send it.
	server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
		if (declaredLength(request) <= limits.bodyBytes) response.writeContinue();
		onRequest(request, response);
	});
	server.on('clientError', answerBrokenRequest);

	await listen(server, options.port, host);
	const address = server.address();
	if (address === null || typeof address === 'string') throw new Error('The server listens, but on no port.');
	return {
		url: `http://${bracketed(host)}:${address.port}`,
		port: address.port,
		async close(graceMs = 10_000) {
			closing = true;
			const closed = new Promise<void>((resolve) => {
				server.close(() => resolve());
			});
			server.closeIdleConnections();
			const timer = setTimeout(() => server.closeAllConnections(), graceMs);
			await closed;
			clearTimeout(timer);
		},
	};
}

const bracketed = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/** Host header without its port and final dot, lower-case. */
function hostName(header: string): string {
	return (/^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(header)?.[1] ?? '').replace(/\.$/, '').toLowerCase();
}

function listen(server: Server, port: number, host: string): Promise<void> {
	return new Promise((resolve, reject) => {
		server.once('error', reject);
		server.listen(port, host, () => {
			server.off('error', reject);
			resolve();
		});
	});
}

const declaredLength = (request: IncomingMessage): number => Number(request.headers['content-length'] ?? 0);

/** Never holds more than `limit` bytes and one chunk. */
async function readBody(request: IncomingMessage, limit: number): Promise<Buffer | 'too large' | 'cut off'> {
	if (declaredLength(request) > limit) return 'too large';
	const chunks: Buffer[] = [];
	let bytes = 0;
	return new Promise((resolve) => {
		request.on('data', (chunk: Buffer) => {
			bytes += chunk.byteLength;
			if (bytes > limit) {
				request.removeAllListeners('data');
				resolve('too large');
			} else {
				chunks.push(chunk);
			}
		});
		request.on('end', () => resolve(Buffer.concat(chunks)));
		request.on('error', () => resolve('cut off'));
		request.on('close', () => resolve('cut off'));
	});
}

function lambdaContext(awsRequestId: string, deadline: number): Context {
	const nothing = (): void => undefined;
	return {
		awsRequestId,
		callbackWaitsForEmptyEventLoop: false,
		functionName: 'api',
		functionVersion: '$LATEST',
		invokedFunctionArn: 'local:api',
		memoryLimitInMB: '0',
		logGroupName: '',
		logStreamName: '',
		getRemainingTimeInMillis: () => deadline - Date.now(),
		done: nothing,
		fail: nothing,
		succeed: nothing,
	};
}

function send(response: ServerResponse, answer: APIGatewayProxyResult, head: boolean): void {
	if (response.destroyed) return;
	const body = Buffer.from(answer.body, answer.isBase64Encoded === true ? 'base64' : 'utf8');
	for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, String(value));
	for (const [name, values] of Object.entries(answer.multiValueHeaders ?? {})) response.setHeader(name, values.map(String));
	if (!head && answer.statusCode !== 204) response.setHeader('Content-Length', body.byteLength);
	response.writeHead(answer.statusCode);
	response.end(body);
}

/** Answers a request that the handler never sees, and closes the connection. */
function refuseRequest(request: IncomingMessage, response: ServerResponse, code: ProblemCode, requestId: string): void {
	const body = JSON.stringify(new Problem(code).body(requestId));
	response.shouldKeepAlive = false;
	response.writeHead(new Problem(code).status, {
		'Content-Type': 'application/problem+json',
		'Content-Length': Buffer.byteLength(body),
		'Cache-Control': 'no-store',
		'X-Content-Type-Options': 'nosniff',
		'X-Request-Id': requestId,
	});
	if (request.method !== 'HEAD') response.write(body);
	if (request.complete) {
		response.end();
		return;
	}
	const end = (): void => {
		clearTimeout(timer);
		response.end();
	};
	const timer = setTimeout(end, LINGER_MS);
	request.once('end', end);
	request.once('close', end);
	request.resume();
}

/** What is not HTTP, is too long, or did not arrive in time. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Duplex): void {
	if (!socket.writable || error.code === 'ECONNRESET') {
		socket.destroy();
		return;
	}
	const code: ProblemCode =
		error.code === 'HPE_HEADER_OVERFLOW'
			? 'headers_too_large'
			: error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
				? 'request_timeout'
				: 'malformed_request';
	const problem = new Problem(code);
	const body = JSON.stringify(problem.body());
	socket.end(
		`HTTP/1.1 ${problem.status} ${problem.status === 400 ? 'Bad Request' : 'Refused'}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
		() => (socket as Socket).destroySoon(),
	);
}
