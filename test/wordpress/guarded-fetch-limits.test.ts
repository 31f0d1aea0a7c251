import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createSecureServer, type Server } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { CookieJar } from '../../adapters/wordpress/site/cookie-jar.ts';
import { checkRedirect, RedirectRefusedError } from '../../adapters/wordpress/site-redirects.ts';
import { codeOf, countConnects, startServer, type TestServer } from './support/servers.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from './support/test-certificate.ts';

const MiB = 1024 * 1024;
let server: TestServer;
let http: GuardedFetch;
const folder = mkdtempSync(join(tmpdir(), 'guarded-fetch-'));
const zeros = Buffer.alloc(40 * MiB);
const ENCODERS = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync };
/** Made before anybody waits for them. */
const bombs = new Map(Object.entries(ENCODERS).map(([name, encode]) => [name, encode(zeros)]));
/** Bytes of an endless body that were taken from the server. */
let taken = 0;

beforeAll(async () => {
	server = await startServer((request, response) => {
		const url = new URL(request.url ?? '/', server.url);
		const encoding = url.searchParams.get('encoding') ?? '';
		const encode = Object.entries(ENCODERS).find(([name]) => name === encoding)?.[1];
		switch (url.pathname) {
			case '/bomb':
				response.setHeader('content-encoding', encoding);
				response.end(bombs.get(encoding));
				return;
			case '/hello':
				if (encode) response.setHeader('content-encoding', encoding);
				response.end(encode ? encode(Buffer.from('hello')) : 'hello');
				return;
			case '/odd-encoding':
				response.writeHead(200, { 'content-encoding': encoding }).end('hello');
				return;
			case '/cut-gzip':
				response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.from('hello'.repeat(1000))).subarray(0, 30));
				return;
			case '/broken-br':
				response.writeHead(200, { 'content-encoding': 'br' }).end(Buffer.alloc(200, 0xff));
				return;
			case '/endless': {
				taken = 0;
				const more = (): void => {
					while (!response.destroyed && response.write(zeros.subarray(0, 64 * 1024))) taken += 64 * 1024;
				};
				response.on('drain', more);
				more();
				return;
			}
			case '/slow-body': {
				response.write('x');
				const timer = setInterval(() => response.write('x'), 20);
				response.on('close', () => clearInterval(timer));
				return;
			}
			case '/cut':
				response.writeHead(200, { 'content-length': '1000' });
				response.write('only this');
				setImmediate(() => response.destroy());
				return;
			case '/big-headers':
				response.writeHead(200, { 'x-big': 'x'.repeat(14 * 1024), 'x-more': 'x'.repeat(14 * 1024) }).end();
				return;
			case '/announced':
				response.writeHead(200, { 'content-length': String(3 * MiB) }).end(zeros.subarray(0, 3 * MiB));
				return;
			case '/silent':
				return;
			case '/echo':
				response.end(JSON.stringify(request.headers));
				return;
			case '/cookie':
				response.writeHead(302, { location: '/echo', 'set-cookie': ['a=1; Path=/', 'b=2; Path=/admin'] }).end();
				return;
			case '/loop':
				response.writeHead(302, { location: '/loop' }).end();
				return;
			case '/hops': {
				const left = Number(url.searchParams.get('left'));
				if (left > 0) response.writeHead(301, { location: `/hops?left=${left - 1}` });
				response.end(`${left} left`);
				return;
			}
			case '/to':
				response.writeHead(Number(url.searchParams.get('status') ?? 302), { location: url.searchParams.get('url') ?? '' }).end();
				return;
			default:
				response.writeHead(404).end();
		}
	});
	http = createGuardedFetch({ allowPrivate: true, maxBytes: MiB, headersTimeoutMs: 400, totalTimeoutMs: 3000, maxHeaderBytes: 16 * 1024 });
});
afterAll(async () => {
	await http.close();
	await server.close();
	rmSync(folder, { recursive: true });
});
afterEach(() => {
	server.seen.length = 0;
});

const get = async (path: string, more: object = {}) => (await http.fetch({ url: `${server.url}${path}`, ...more })).text();

describe('sizes', () => {
	it.each(['gzip', 'br', 'deflate'])('a %s bomb of 40 MiB is cut at the limit', async (encoding) => {
		expect(await codeOf(get(`/bomb?encoding=${encoding}`))).toBe('answer_too_large');
	});

	it.each(['gzip', 'br', 'deflate', 'none'])('%s is decompressed', async (encoding) => {
		expect(await get(`/hello?encoding=${encoding}`)).toBe('hello');
	});

	it.each(['zstd', 'gzip, gzip', 'compress'])('an encoding that was not asked for (%s) is no answer', async (encoding) => {
		expect(await codeOf(get(`/odd-encoding?encoding=${encodeURIComponent(encoding)}`))).toBe('bad_answer');
	});

	it.each(['/cut-gzip', '/broken-br'])('%s is a bad answer', async (path) => {
		expect(await codeOf(get(path))).toBe('bad_answer');
	});

	it('an endless body is cut off, and the server with it', async () => {
		expect(await codeOf(get('/endless'))).toBe('answer_too_large');
		expect(taken).toBeLessThan(20 * MiB);
	});

	it('a body announced as too large is not read', async () => {
		expect(await codeOf(get('/announced'))).toBe('answer_too_large');
		expect(await get('/announced', { maxBytes: 3 * MiB })).toHaveLength(3 * MiB);
	});

	it('large headers are refused', async () => {
		expect(await codeOf(get('/big-headers'))).toBe('answer_too_large');
	});

	it('saveTo writes to a file, within the limit, and leaves none otherwise', async () => {
		const path = join(folder, 'body');
		const answer = await http.fetch({ url: `${server.url}/announced`, maxBytes: 8 * MiB });
		expect(await answer.saveTo(path)).toBe(3 * MiB);
		expect(readFileSync(path).equals(zeros.subarray(0, 3 * MiB))).toBe(true);
		const endless = await http.fetch({ url: `${server.url}/endless` });
		expect(await codeOf(endless.saveTo(join(folder, 'endless'), 2 * MiB))).toBe('answer_too_large');
		expect(existsSync(join(folder, 'endless'))).toBe(false);
		const cut = await http.fetch({ url: `${server.url}/cut` });
		expect(await codeOf(cut.saveTo(join(folder, 'cut')))).toBe('source_unavailable');
		expect(existsSync(join(folder, 'cut'))).toBe(false);
	});
});

describe('times', () => {
	it('no answer', async () => {
		expect(await codeOf(get('/silent'))).toBe('source_timeout');
	});

	it('a body that never ends, byte by byte', async () => {
		expect(await codeOf(get('/slow-body', { totalTimeoutMs: 300 }))).toBe('source_timeout');
	});

	it('given up by the caller', async () => {
		const controller = new AbortController();
		const pending = get('/slow-body', { signal: controller.signal });
		controller.abort();
		expect(await codeOf(pending)).toBe('aborted');
	});

	it('a connection that nobody takes', async () => {
		const closed = await startServer((_request, response) => void response.end());
		await closed.close();
		expect(await codeOf(http.fetch({ url: closed.url }))).toBe('source_unavailable');
	});

	it('a connection cut in the middle, and one that speaks no HTTP', async () => {
		expect(await codeOf(get('/cut'))).toBe('source_unavailable');
		const noise = createServer((socket) => void socket.on('data', () => socket.end('SSH-2.0-OpenSSH_9.9\r\n')));
		await new Promise<void>((resolve) => noise.listen(0, '127.0.0.1', resolve));
		const address = noise.address();
		expect(await codeOf(http.fetch({ url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}` }))).toBe('bad_answer');
		noise.close();
	});
});

describe('redirects', () => {
	const twins = (): GuardedFetch =>
		createGuardedFetch({
			allowPrivate: true,
			resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
		});
	const at = (host: string, path: string): string => `http://${host}:${server.port}${path}`;

	it('at most three are followed', async () => {
		expect(await get('/hops?left=3')).toBe('0 left');
		expect(await codeOf(get('/hops?left=4'))).toBe('redirect_refused');
		server.seen.length = 0;
		expect(await codeOf(get('/loop'))).toBe('redirect_refused');
		expect(server.seen).toHaveLength(4);
	});

	it.each([
		['the default port', 'http://shop.example/', 'redirect_refused'],
		['another site', 'http://other.example/', 'redirect_refused'],
		['a subdomain', 'http://staging.shop.example/', 'redirect_refused'],
		['a host that only begins the same', 'http://shop.example.evil.example/', 'redirect_refused'],
		['another port', 'http://shop.example:1/', 'redirect_refused'],
		['another scheme', 'ftp://shop.example/', 'source_not_allowed'],
		['no URL', 'http://[', 'redirect_refused'],
	])('%s is refused', async (_what, url, code) => {
		const fetch = twins();
		expect(await codeOf(fetch.fetch({ url: at('shop.example', `/to?url=${encodeURIComponent(url)}`) }))).toBe(code);
		expect(server.seen).toHaveLength(1);
		await fetch.close();
	});

	it.each([
		['http://shop.example/', 'https://shop.example/', true],
		['http://shop.example/', 'https://www.shop.example/blog', true],
		['https://www.shop.example/', 'https://shop.example/', true],
		['http://shop.example:8080/', 'http://shop.example:8080/x', true],
		['https://shop.example/', 'http://shop.example/', false],
		['https://shop.example/', 'http://www.shop.example/', false],
		['http://shop.example:8080/', 'https://shop.example/', false],
		['https://shop.example/', 'https://shop.example.com/', false],
		['https://shop.example/', 'https://xshop.example/', false],
	])('from %s to %s: %s', (from, to, followed) => {
		const check = () => checkRedirect(new URL(from), new URL(from), new URL(to));
		if (followed) expect(check).not.toThrow();
		else expect(check).toThrow(RedirectRefusedError);
	});

	it('the way back from the twin stays within the site, and https stays https', () => {
		const start = new URL('http://shop.example/');
		expect(() => checkRedirect(start, new URL('https://www.shop.example/'), new URL('http://shop.example/'))).toThrow(/https to http/);
		expect(() => checkRedirect(start, new URL('https://www.shop.example/'), new URL('https://shop.example/'))).not.toThrow();
	});

	it('the www twin is followed, without password and cookies', async () => {
		const fetch = twins();
		const headers = { authorization: 'Basic c2VjcmV0', cookie: 'session=secret', 'x-mine': 'kept' };
		const there = await fetch.fetch({ url: at('shop.example', `/to?url=${encodeURIComponent(at('www.shop.example', '/echo'))}`), headers });
		const got = JSON.parse(await there.text()) as Record<string, string>;
		expect(got.host).toBe(`www.shop.example:${server.port}`);
		expect(got['x-mine']).toBe('kept');
		expect(got.authorization).toBeUndefined();
		expect(got.cookie).toBeUndefined();
		const same = await fetch.fetch({ url: at('shop.example', '/to?url=/echo'), headers });
		expect(JSON.parse(await same.text())).toMatchObject({ authorization: 'Basic c2VjcmV0', cookie: 'session=secret' });
		await fetch.close();
	});

	it('a cookie jar gives each host its own cookies, also between hops', async () => {
		const fetch = twins();
		const cookies = new CookieJar();
		const answer = await fetch.fetch({ url: at('shop.example', '/cookie'), cookies });
		expect(JSON.parse(await answer.text())).toMatchObject({ cookie: 'a=1' });
		const twin = await fetch.fetch({ url: at('www.shop.example', '/echo'), cookies });
		expect(JSON.parse(await twin.text())).not.toHaveProperty('cookie');
		await fetch.close();
	});

	it('a POST is never repeated elsewhere: its redirect is handed back', async () => {
		for (const status of [301, 302, 303, 307, 308]) {
			server.seen.length = 0;
			const answer = await http.fetch({ url: `${server.url}/to?status=${status}&url=/echo`, method: 'POST', body: 'log=admin&pwd=secret' });
			expect(answer.status).toBe(status);
			await answer.discard();
			expect(server.seen).toHaveLength(1);
		}
	});
});

describe('https', () => {
	let secure: Server;
	let port = 0;
	const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
	beforeAll(async () => {
		secure = createSecureServer(
			{ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY },
			(request, response) => void response.end(request.headers.host),
		);
		await new Promise<void>((listening) => secure.listen(0, '127.0.0.1', listening));
		const address = secure.address();
		port = typeof address === 'object' && address !== null ? address.port : 0;
	});
	afterAll(() => {
		secure.closeAllConnections();
		secure.close();
	});

	it.each([
		['a certificate that nobody vouches for', 'shop.example', undefined],
		['a certificate for another name', 'other.example', TEST_CERTIFICATE],
	])('%s is not taken', async (_what, host, ca) => {
		const fetch = createGuardedFetch({ allowPrivate: true, resolve, ...(ca === undefined ? {} : { ca }) });
		expect(await codeOf(fetch.fetch({ url: `https://${host}:${port}/` }))).toBe('tls_invalid');
		await fetch.close();
	});

	it('a good certificate is', async () => {
		const fetch = createGuardedFetch({ allowPrivate: true, resolve, ca: TEST_CERTIFICATE });
		expect(await (await fetch.fetch({ url: `https://shop.example:${port}/` })).text()).toBe(`shop.example:${port}`);
		await fetch.close();
	});
});

it('a proxy named in the environment is not used', async () => {
	const proxy = await startServer((_request, response) => void response.end('proxied'));
	const before = { ...process.env };
	Object.assign(process.env, { HTTP_PROXY: proxy.url, http_proxy: proxy.url, ALL_PROXY: proxy.url, NODE_USE_ENV_PROXY: '1' });
	try {
		const fetch = createGuardedFetch({ allowPrivate: true });
		expect(await (await fetch.fetch({ url: `${server.url}/hello` })).text()).toBe('hello');
		expect(proxy.seen).toHaveLength(0);
		await fetch.close();
	} finally {
		process.env = before;
		await proxy.close();
	}
});

it('many requests share few connections', async () => {
	const counted = await startServer((_request, response) => void response.end('ok'));
	const fetch = createGuardedFetch({ allowPrivate: true, connections: 2 });
	const connects = countConnects();
	await Promise.all(Array.from({ length: 20 }, async () => (await fetch.fetch({ url: counted.url })).text()));
	connects.stop();
	expect(connects.count()).toBeLessThanOrEqual(2);
	expect(counted.seen).toHaveLength(20);
	await fetch.close();
	await counted.close();
});
