import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient, type MigratorClient } from '../../adapters/wordpress/migrator-client.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { AGENT_KEY, failure, frame, isSigned, KEY, nonceOf } from './support/fake-agent.ts';
import { codeOf, type Handler, startServer, type TestServer } from './support/servers.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
let server: TestServer;
let http: GuardedFetch;
let client: MigratorClient;
let answer: Handler = () => {};
const target = () => ({ agent_url: `${server.url}/wp-admin/admin-ajax.php`, key_id: 'clone-0123456789ab', agent_key: AGENT_KEY });
const call = (verb = 'rows', args: Record<string, string> = { table: 'wp_posts' }) => client.callWithPayload(target(), verb, args);
async function failureOf(promise: Promise<unknown>): Promise<TransientError | PermanentError> {
	const error = await promise.catch((cause: unknown) => cause);
	if (error instanceof TransientError || error instanceof PermanentError) return error;
	throw new Error('it did not fail as an error of the product', { cause: error });
}

beforeAll(async () => {
	server = await startServer((request, response, body) => answer(request, response, body));
	http = createGuardedFetch({ allowPrivate: true });
});
beforeEach(() => {
	server.seen.length = 0;
	const random = { hex: (digits: number) => randomBytes(digits / 2).toString('hex') };
	client = createMigratorClient({ http, clock: { now: () => NOW }, random, timeoutMs: 5000 });
});
afterAll(async () => {
	await http.close();
	await server.close();
});

describe('a call', () => {
	it('is signed, and brings back data and payload', async () => {
		const payload = randomBytes(100_000);
		const verified: boolean[] = [];
		answer = (request, response, body) => {
			verified.push(isSigned(request, body));
			response.end(frame(nonceOf(request), { rows: 7, cursor: ['é', null] }, { payload }));
		};
		const result = await call();
		expect(verified).toEqual([true]);
		expect(result.data).toEqual({ rows: 7, cursor: ['é', null] });
		expect(Buffer.from(result.payload).equals(payload)).toBe(true);
		expect(server.seen[0]).toMatchObject({ method: 'POST', url: '/wp-admin/admin-ajax.php', body: Buffer.from('{"table":"wp_posts"}') });
		expect(server.seen[0]?.headers).toMatchObject({
			'x-migrator-verb': 'rows',
			'x-migrator-key': 'clone-0123456789ab',
			'x-migrator-time': String(NOW / 1000),
			referer: `${server.url}/wp-admin/`,
		});
	});

	it('never uses a nonce twice', async () => {
		answer = (request, response) => void response.end(frame(nonceOf(request), {}));
		await call();
		await call();
		expect(new Set(server.seen.map((seen) => seen.headers['x-migrator-nonce'])).size).toBe(2);
	});

	it('unpacks a compressed payload', async () => {
		const payload = Buffer.alloc(3_000_000, 'rows');
		answer = (request, response) => void response.end(frame(nonceOf(request), {}, { payload, gzip: true }));
		expect(Buffer.from((await call()).payload).equals(payload)).toBe(true);
	});

	it('passes over what another plugin printed before, up to 64 KiB', async () => {
		const before = `<br />\nNotice: CMIG1 is not defined in <b>x.php</b>\n${' '.repeat(60_000)}`;
		answer = (request, response) => void response.end(frame(nonceOf(request), { ok: 1 }, { before }));
		expect((await call()).data).toEqual({ ok: 1 });
		answer = (request, response) => void response.end(frame(nonceOf(request), {}, { before: ' '.repeat(66_000) }));
		expect(await codeOf(call())).toBe('bad_answer');
	});

	it('ignores what comes after the payload', async () => {
		answer = (request, response) =>
			void response.end(Buffer.concat([frame(nonceOf(request), {}, { payload: Buffer.from('abc') }), Buffer.from('<!-- cached -->')]));
		expect(Buffer.from((await call()).payload).toString()).toBe('abc');
	});

	it('a key that is not 32 bytes sends nothing', async () => {
		const bad = { ...target(), agent_key: Buffer.alloc(16).toString('base64') };
		expect(await codeOf(client.call(bad, 'hello', {}))).toBe('bad_agent_key');
		expect(server.seen).toHaveLength(0);
	});
});

describe('an answer that is not the right one', () => {
	const whole = (nonce: string) => frame(nonce, { rows: 1 }, { payload: Buffer.from('payload') });
	let earlier: Buffer | undefined;

	it.each<[string, (nonce: string) => Buffer]>([
		['proof by another key', (nonce) => frame(nonce, {}, { key: Buffer.alloc(32, 8) })],
		[
			'proof of all zeros',
			(nonce) =>
				Buffer.from(
					whole(nonce)
						.toString()
						.replace(/"proof":"[0-9a-f]{64}/, `"proof":"${'0'.repeat(64)}`),
				),
		],
		[
			'no proof',
			(nonce) =>
				Buffer.from(
					whole(nonce)
						.toString()
						.replace(/,"proof":"[0-9a-f]{64}"/, ''),
				),
		],
		['data changed', (nonce) => Buffer.from(whole(nonce).toString().replace('"rows":1', '"rows":2'))],
		['payload changed', (nonce) => Buffer.from(whole(nonce).toString().replace('payload', 'PAYLOAD'))],
		['payload cut off', (nonce) => whole(nonce).subarray(0, -2)],
		['head cut off', (nonce) => whole(nonce).subarray(0, 40)],
		['only the marker', () => Buffer.from('CMIG1\n')],
		['empty', () => Buffer.alloc(0)],
		[
			'answer to an earlier request',
			(nonce) => {
				earlier ??= whole('f'.repeat(32));
				return nonce === '' ? whole(nonce) : earlier;
			},
		],
		['head of another shape', (nonce) => frame(nonce, {}, { head: { bytes: -1 } })],
		[
			'compressed data larger than stated',
			(nonce) => frame(nonce, {}, { payload: Buffer.alloc(5000), gzip: true, head: { raw_bytes: 100 } }),
		],
		[
			'compressed data smaller than stated',
			(nonce) => frame(nonce, {}, { payload: Buffer.alloc(50), gzip: true, head: { raw_bytes: 100 } }),
		],
		['more than 64 MiB when unpacked', (nonce) => frame(nonce, {}, { payload: Buffer.alloc(65 * 1024 * 1024), gzip: true })],
		['compressed data that is none', (nonce) => frame(nonce, {}, { payload: Buffer.from('x'), head: { encoding: 'gzip', raw_bytes: 1 } })],
	])('%s: bad_answer, worth another try', async (_what, make) => {
		answer = (request, response) => void response.end(make(nonceOf(request)));
		const error = await failureOf(call());
		expect(error).toBeInstanceOf(TransientError);
		expect(error.code).toBe('bad_answer');
	});

	it('a replayed answer is refused, though it was right once', async () => {
		let first: Buffer | undefined;
		answer = (request, response) => {
			first ??= whole(nonceOf(request));
			response.end(first);
		};
		expect((await call()).data).toEqual({ rows: 1 });
		expect(await codeOf(call())).toBe('bad_answer');
	});
});

describe('an answer that is not the agent', () => {
	const foreign = (status: number, body: string, headers: Record<string, string> = {}): void => {
		answer = (_request, response) => void response.writeHead(status, headers).end(body);
	};
	const html = { 'content-type': 'text/html; charset=UTF-8' };

	it.each<[string, number, string, Record<string, string>, string, boolean]>([
		['unauthorized', 401, '{"code":"unauthorized"}', {}, 'agent_unauthorized', false],
		['admin-ajax without the plugin', 400, '0', html, 'agent_missing', true],
		['REST without the plugin', 404, '{"code":"rest_no_route","message":"No route"}', {}, 'agent_missing', true],
		['a web page', 200, '<!DOCTYPE html><html></html>', html, 'html_answer', true],
		['a firewall', 403, '<html>Blocked</html>', html, 'request_blocked', true],
		['a firewall', 406, 'Not Acceptable', {}, 'request_blocked', true],
		['an error', 500, '<html>error</html>', html, 'source_unavailable', true],
		['Cloudflare', 403, '<title>Just a moment...</title>', { ...html, 'cf-mitigated': 'challenge' }, 'login_challenged', false],
		['Basic Auth', 401, '<html>401</html>', { ...html, 'www-authenticate': 'Basic realm="x"' }, 'http_auth_required', false],
		['a redirect', 302, '', { location: '/elsewhere' }, 'bad_answer', true],
	])('%s (%i)', async (_what, status, body, headers, code, transient) => {
		foreign(status, body, headers);
		const error = await failureOf(call());
		expect(error.code).toBe(code);
		expect(error instanceof TransientError).toBe(transient);
	});

	it.each([
		[429, 'rate_limited', '17', 17],
		[503, 'source_unavailable', '30', 30],
		[503, 'source_unavailable', new Date(NOW + 45_000).toUTCString(), 45],
		[503, 'source_unavailable', '99999', 900],
		[503, 'source_unavailable', 'soon', undefined],
	])('%i names a time to wait (%s, %s)', async (status, code, value, seconds) => {
		foreign(status, 'later', { 'retry-after': value });
		const error = await failureOf(call());
		expect(error.code).toBe(code);
		expect(error instanceof TransientError && error.retryAfterSeconds).toBe(seconds);
	});

	it('a firewall that dislikes our user agent is asked once more as a browser, signed anew, and from then on so', async () => {
		answer = (request, response) => {
			if (!String(request.headers['user-agent']).includes('Mozilla')) response.writeHead(403, html).end('<html>no bots</html>');
			else response.end(frame(nonceOf(request), { fine: true }));
		};
		expect((await call()).data).toEqual({ fine: true });
		expect((await call()).data).toEqual({ fine: true });
		expect(server.seen).toHaveLength(3);
		expect(new Set(server.seen.map((seen) => seen.headers['x-migrator-nonce'])).size).toBe(3);
	});
});

describe("the agent's own faults", () => {
	it.each<[number, object, boolean, number | undefined]>([
		[400, {}, false, undefined],
		[503, {}, true, undefined],
		[503, { retry_after: 5 }, true, 5],
		[409, { retry_after: 2 }, true, 2],
	])('status %i with %o', async (status, more, transient, seconds) => {
		answer = (request, response) =>
			void response.writeHead(status).end(failure(nonceOf(request), 'no_such_table', 'There is no such table.', more));
		const error = await failureOf(call());
		expect(error.info()).toEqual({ code: 'no_such_table', message: 'There is no such table.' });
		expect(error instanceof TransientError).toBe(transient);
		expect(error instanceof TransientError ? error.retryAfterSeconds : undefined).toBe(seconds);
	});

	it('are believed only with a proof', async () => {
		answer = (_request, response) => void response.writeHead(400).end(failure('0'.repeat(32), 'no_such_table', 'There is no such table.'));
		expect(await codeOf(call())).toBe('bad_answer');
	});
});

describe('clocks', () => {
	const agentWithClock =
		(offset: number): Handler =>
		(request, response) => {
			const off = Number(request.headers['x-migrator-time']) - (NOW / 1000 + offset);
			if (Math.abs(off) > 60) response.writeHead(401).end(JSON.stringify({ code: 'clock_skew', time: NOW / 1000 + offset }));
			else response.end(frame(nonceOf(request), { off }));
		};

	it('an agent whose clock is off gets its own time, from then on at once', async () => {
		answer = agentWithClock(-7200);
		expect((await call()).data).toEqual({ off: 0 });
		expect(server.seen).toHaveLength(2);
		expect((await call()).data).toEqual({ off: 0 });
		expect(server.seen).toHaveLength(3);
	});

	it('a clock that keeps running away is given up after one more try', async () => {
		let minutes = 0;
		answer = (request, response, body) => {
			minutes += 10;
			return agentWithClock(minutes * 60)(request, response, body);
		};
		expect(await codeOf(call())).toBe('clock_skew');
		expect(server.seen).toHaveLength(2);
	});

	it('a clock that is off by years is not followed', async () => {
		answer = agentWithClock(5 * 365 * 24 * 3600);
		expect(await codeOf(call())).toBe('clock_skew');
		expect(server.seen).toHaveLength(1);
	});
});

it('no error of the client holds the key', async () => {
	answer = (_request, response) => void response.writeHead(500).end('boom');
	const error = await failureOf(call());
	expect(JSON.stringify({ ...error, message: error.message, cause: String(error.cause) })).not.toContain(KEY.toString('hex'));
	expect(error.message).not.toContain(AGENT_KEY);
});
