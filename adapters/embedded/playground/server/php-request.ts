import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PHP, PHPRunOptions, StreamedPHPResponse } from '@php-wasm/universal';
import { asBuffer } from '../php/run.ts';
import type { Target } from './static-files.ts';

type PhpTarget = Extract<Target, { kind: 'php' }>;

/** A request body that is larger than allowed. */
export class BodyTooLargeError extends Error {
	override readonly name = 'BodyTooLargeError';
}

/** @throws BodyTooLargeError */
export async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
	if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw new BodyTooLargeError();
	const parts: Buffer[] = [];
	let size = 0;
	for await (const chunk of request) {
		const bytes: Buffer = chunk;
		size += bytes.length;
		if (size > maxBytes) throw new BodyTooLargeError();
		parts.push(bytes);
	}
	return Buffer.concat(parts);
}

/**
 * Headers as PHP gets them. `X_Name` would become the same variable as `X-Name`, and `Proxy` the one that programs
 * take for a proxy setting: both are left out, as web servers do.
 */
function phpHeaders(request: IncomingMessage): Record<string, string> {
	const headers: Record<string, string> = {};
	for (const [name, value] of Object.entries(request.headers)) {
		if (value === undefined || name === 'proxy' || !/^[a-z0-9-]+$/.test(name)) continue;
		headers[name] = Array.isArray(value) ? value.join(', ') : value;
	}
	return headers;
}

/** A request in php-wasm's terms. `SERVER_SOFTWARE` is what makes WordPress offer pretty permalinks. */
export function phpRunOptions(
	request: IncomingMessage,
	url: URL,
	target: PhpTarget,
	body: Buffer,
	server: { documentRoot: string; host: string; port: number },
): PHPRunOptions {
	const uri = request.url ?? '/';
	return {
		method: request.method ?? 'GET',
		protocol: 'http',
		relativeUri: uri,
		scriptPath: target.path,
		headers: { host: `${server.host}:${server.port}`, ...phpHeaders(request) },
		$_SERVER: {
			REMOTE_ADDR: request.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '127.0.0.1',
			REMOTE_PORT: String(request.socket.remotePort ?? 0),
			SERVER_ADDR: server.host,
			SERVER_NAME: url.hostname,
			SERVER_PORT: String(server.port),
			SERVER_PROTOCOL: `HTTP/${request.httpVersion}`,
			SERVER_SOFTWARE: 'nginx/php-wasm',
			REQUEST_SCHEME: 'http',
			DOCUMENT_ROOT: server.documentRoot,
			REQUEST_URI: uri,
			QUERY_STRING: url.search.slice(1),
			SCRIPT_NAME: target.scriptName,
			SCRIPT_FILENAME: target.path,
			PHP_SELF: target.scriptName + target.pathInfo,
			...(target.pathInfo === '' ? {} : { PATH_INFO: target.pathInfo }),
		},
		// An empty buffer would be given an address of its own by php-wasm, and fail to get one.
		...(body.length === 0 ? {} : { body }),
	};
}

const NOT_FORWARDED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'x-powered-by']);

export interface PhpAnswer {
	/** php-wasm itself crashed: the instance must be thrown away. */
	readonly crashed: boolean;
	/** What PHP logged. */
	readonly log: string;
}

/** Runs the request and streams the answer. Never throws for what PHP does: a crash is answered with 500 and told. */
export async function answerWithPhp(php: PHP, options: PHPRunOptions, response: ServerResponse): Promise<PhpAnswer> {
	let run: StreamedPHPResponse;
	try {
		run = await php.runStream(options);
	} catch (cause) {
		failed(response);
		return { crashed: true, log: String(cause) };
	}
	const log = collectLog(run);
	const exit = run.exitCode.then(
		(code) => ({ code, crash: undefined }),
		(crash: unknown) => ({ code: -1, crash }),
	);
	try {
		const [status, headers] = [await run.httpStatusCode, await run.headers];
		const stdout = run.stdout.getReader();
		const first = await stdout.read();
		// A fatal error with nothing printed leaves status 200 and no body: that is a failure, not an empty page.
		const blank = first.done && status === 200 && (await exit).code !== 0;
		if (blank) failed(response);
		else {
			for (const [name, values] of Object.entries(headers)) {
				if (!NOT_FORWARDED.has(name)) response.setHeader(name, values.length === 1 ? (values[0] ?? '') : values);
			}
			response.writeHead(status);
			for (let part = first; !part.done; part = await stdout.read()) await write(response, asBuffer(part.value));
			response.end();
		}
	} catch {
		// The streams fail only with the crash that `exit` tells.
		failed(response);
	}
	const { crash } = await exit;
	if (crash === undefined) return { crashed: false, log: await log };
	failed(response);
	return { crashed: true, log: `${await log}\nPHP crashed: ${String(crash)}` };
}

async function collectLog(run: StreamedPHPResponse): Promise<string> {
	let text = '';
	try {
		for await (const chunk of run.stderr) text = (text + asBuffer(chunk).toString('utf8')).slice(-16_384);
	} catch {
		// Ends with the crash; what was logged until then is kept.
	}
	return text;
}

/** Waits when the client reads slower than PHP prints. A client that has gone stops nothing. */
async function write(response: ServerResponse, chunk: Buffer): Promise<void> {
	if (response.destroyed || response.write(chunk)) return;
	await new Promise<void>((resolve) => {
		const done = (): void => {
			response.off('drain', done);
			response.off('close', done);
			resolve();
		};
		response.once('drain', done);
		response.once('close', done);
	});
}

function failed(response: ServerResponse): void {
	if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain; charset=UTF-8' }).end('The site failed to answer.\n');
	// Cut off: a body that ended early must not look whole.
	else if (!response.writableEnded) response.destroy();
}
