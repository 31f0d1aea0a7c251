import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call as the proxy saw it. */
export interface Call {
	/** Of the HTTP request: `batch` for several calls in one. */
	readonly verb: string;
	readonly body: string;
	/** The calls in it, each as `{verb, args}`; one for a request that is no batch. */
	readonly asked: readonly { readonly verb: string; readonly args: Readonly<Record<string, unknown>> }[];
	/** 1 for the first call of this verb. */
	readonly count: number;
	/** The n-th call at all. */
	readonly total: number;
	readonly time: number;
}

/** What becomes of an answer. `repeat`: the last good answer to the same verb, once more. */
export type Fault =
	| 'pass'
	| 'corrupt'
	| 'cut'
	| 'html'
	| 'repeat'
	| 'drop'
	| { status: number; headers?: Record<string, string>; body?: string };

export interface FaultyProxy {
	readonly url: string;
	readonly calls: readonly Call[];
	/** Decides over each call. */
	choose: (call: Call) => Fault | Promise<Fault>;
	close(): Promise<void>;
}

/** Whether a request asks for something, alone or among others. */
export const asks = (call: Call, verb: string, table?: string): boolean =>
	call.asked.some((each) => each.verb === verb && (table === undefined || each.args.table === table));

const PAGE = '<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>Checking your browser…</body></html>';

/** A proxy in front of a source that does to its answers what networks, firewalls and caches do. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
	const calls: Call[] = [];
	const counts = new Map<string, number>();
	const last = new Map<string, Buffer>();
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on('data', (chunk: Buffer) => chunks.push(chunk));
		request.on('end', () => {
			answer(Buffer.concat(chunks)).catch(() => response.destroy());
		});
		const answer = async (body: Buffer): Promise<void> => {
			const verb = String(request.headers['x-migrator-verb']);
			const count = (counts.get(verb) ?? 0) + 1;
			counts.set(verb, count);
			const args = JSON.parse(body.toString());
			const call: Call = {
				verb,
				body: body.toString(),
				asked: verb === 'batch' ? args.calls : [{ verb, args }],
				count,
				total: calls.length + 1,
				time: Number(request.headers['x-migrator-time']),
			};
			calls.push(call);
			const fault = await proxy.choose(call);
			if (typeof fault === 'object') {
				response.writeHead(fault.status, fault.headers).end(fault.body ?? '');
				return;
			}
			if (fault === 'html') {
				response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
				return;
			}
			if (fault === 'drop') {
				response.destroy();
				return;
			}
			const previous = last.get(verb);
			if (fault === 'repeat' && previous) {
				response.writeHead(200).end(previous);
				return;
			}
			const headers = Object.fromEntries(
				Object.entries(request.headers).filter(([name]) => name.startsWith('x-migrator') || name === 'content-type'),
			) as Record<string, string>;
			const upstream = await fetch(target + (request.url ?? ''), { method: 'POST', headers, body });
			const bytes = Buffer.from(await upstream.arrayBuffer());
			if (fault === 'pass') {
				last.set(verb, bytes);
				response.writeHead(upstream.status).end(bytes);
			} else if (fault === 'corrupt') {
				const at = Math.max(0, bytes.length - 3);
				bytes[at] = (bytes[at] ?? 0) ^ 1;
				response.writeHead(upstream.status).end(bytes);
			} else {
				// Cut where nothing else tells: the length that is announced is the length that is sent.
				response.writeHead(upstream.status).end(bytes.subarray(0, Math.floor(bytes.length * 0.6)));
			}
		};
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	const proxy: FaultyProxy = {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		calls,
		choose: () => 'pass',
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
	return proxy;
}
