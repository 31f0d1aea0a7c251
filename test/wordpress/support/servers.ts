import { createHook } from 'node:async_hooks';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestServer {
	readonly url: string;
	readonly host: string;
	readonly port: number;
	/** Every request so far: method, url, headers, body. */
	readonly seen: { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }[];
	close(): Promise<void>;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void | Promise<void>;

/** An HTTP server on a free loopback port. @param address one of 127.0.0.0/8 */
export async function startServer(handler: Handler, address = '127.0.0.1'): Promise<TestServer> {
	const seen: TestServer['seen'] = [];
	const server: Server = createServer((request, response) => {
		const parts: Buffer[] = [];
		request.on('data', (part: Buffer) => parts.push(part));
		request.on('end', () => {
			const body = Buffer.concat(parts);
			seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
			Promise.resolve(handler(request, response, body)).catch((error: unknown) => {
				response.destroy(error instanceof Error ? error : undefined);
			});
		});
	});
	await new Promise<void>((resolve) => server.listen(0, address, resolve));
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://${address}:${port}`,
		host: `${address}:${port}`,
		port,
		seen,
		close: () =>
			new Promise((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	};
}

/** Counts TCP connection attempts of this process, whoever makes them: the operating system's connect(), not a mock. */
export function countConnects(): { count(): number; stop(): void } {
	let count = 0;
	const hook = createHook({
		init(_id, type) {
			if (type === 'TCPCONNECTWRAP') count += 1;
		},
	}).enable();
	return { count: () => count, stop: () => hook.disable() };
}

/** The code of what a promise throws; `no error` when it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
	try {
		await promise;
		return 'no error';
	} catch (error) {
		return error instanceof Error && 'code' in error ? String(error.code) : String(error);
	}
}
