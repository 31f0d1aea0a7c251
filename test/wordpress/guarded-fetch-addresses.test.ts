import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guardedLookup, isPublicAddress, publicOnly, type ResolvedAddress, type Resolver } from '../../adapters/wordpress/address-guard.ts';
import { createGuardedFetch, type GuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { PRIVATE_URLS } from './support/private-urls.ts';
import { codeOf, countConnects, startServer, type TestServer } from './support/servers.ts';

const v4 = (address: string): ResolvedAddress => ({ address, family: 4 });
const v6 = (address: string): ResolvedAddress => ({ address, family: 6 });

/** A resolver that answers from a table and counts its questions. */
function resolver(table: Readonly<Record<string, readonly ResolvedAddress[]>>): Resolver & { asked: string[] } {
	const asked: string[] = [];
	return Object.assign(
		(hostname: string) => {
			asked.push(hostname);
			return Promise.resolve(table[hostname] ?? []);
		},
		{ asked },
	);
}

let fetches: GuardedFetch[] = [];
const guarded = (options: Partial<Parameters<typeof createGuardedFetch>[0]> = {}): GuardedFetch => {
	const made = createGuardedFetch({ allowPrivate: false, connectTimeoutMs: 2000, totalTimeoutMs: 5000, ...options });
	fetches.push(made);
	return made;
};

let connects: ReturnType<typeof countConnects>;
beforeEach(() => {
	connects = countConnects();
});
afterEach(async () => {
	connects.stop();
	await Promise.all(fetches.map((one) => one.close()));
	fetches = [];
});

describe('addresses that are not on the public internet', () => {
	it('counts a connection where one is made (the counter works)', async () => {
		const server = await startServer((_request, response) => void response.end('here'));
		await (await guarded({ allowPrivate: true }).fetch({ url: server.url })).text();
		expect(connects.count()).toBe(1);
		await server.close();
	});

	it.each(PRIVATE_URLS)('%s: refused, no socket', async (url) => {
		expect(await codeOf(guarded({ resolve: resolver({}) }).fetch({ url }))).toBe('source_not_allowed');
		expect(connects.count()).toBe(0);
	});

	it.each([
		['loopback', [v4('127.0.0.1')]],
		['private', [v4('10.1.2.3')]],
		['metadata service', [v4('169.254.169.254')]],
		['CGNAT', [v4('100.64.3.4')]],
		['IPv6 loopback', [v6('::1')]],
		['IPv4-mapped', [v6('::ffff:127.0.0.1')]],
		['NAT64 of a private address', [v6('64:ff9b::7f00:1')]],
		['6to4', [v6('2002:7f00:1::')]],
		['unique local', [v6('fd00:ec2::254')]],
		['a public one first, a private one second', [v4('8.8.8.8'), v4('127.0.0.1')]],
		['not an address at all', [v4('127.1')]],
	])('a name that resolves to %s: refused, no socket', async (_what, addresses) => {
		const resolve = resolver({ 'shop.example': addresses });
		expect(await codeOf(guarded({ resolve }).fetch({ url: 'http://shop.example/' }))).toBe('source_not_allowed');
		expect(resolve.asked).toEqual(['shop.example']);
		expect(connects.count()).toBe(0);
	});

	it('a literal that slipped past the text check is refused by the connector', async () => {
		const policy = { urlProblem: () => null, allows: isPublicAddress };
		const server = await startServer((_request, response) => void response.end('inside'));
		expect(await codeOf(guarded({ policy }).fetch({ url: server.url }))).toBe('source_not_allowed');
		expect(await codeOf(guarded({ policy }).fetch({ url: 'http://[::1]:9/' }))).toBe('source_not_allowed');
		expect(connects.count()).toBe(0);
		await server.close();
	});

	it('a name without addresses is not found, which may pass', async () => {
		expect(await codeOf(guarded({ resolve: resolver({}) }).fetch({ url: 'http://nobody.example/' }))).toBe('host_not_found');
	});

	it('https and a trailing dot make no difference', async () => {
		const resolve = resolver({ 'shop.example': [v4('127.0.0.1')] });
		expect(await codeOf(guarded({ resolve }).fetch({ url: 'https://shop.example./' }))).toBe('source_not_allowed');
		expect(connects.count()).toBe(0);
	});
});

describe('a name that changes its mind (DNS rebinding)', () => {
	it('is looked up once a connection, and the socket gets the checked addresses only', async () => {
		const answers = [[v4('8.8.8.8')], [v4('127.0.0.1')]];
		const lookup = guardedLookup(() => Promise.resolve(answers.shift() ?? []), publicOnly);
		const ask = () =>
			new Promise((resolve, reject) => {
				lookup('shop.example', { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
			});
		expect(await ask()).toEqual([v4('8.8.8.8')]);
		expect(await codeOf(ask())).toBe('source_not_allowed');
	});

	it('is refused at the connection that meets the private answer, though an earlier one was fine', async () => {
		const server = await startServer((_request, response) => void response.setHeader('connection', 'close').end('ok'), '127.0.0.2');
		const answers = [v4('127.0.0.2'), v4('127.0.0.1')];
		const asked: string[] = [];
		const http = guarded({
			policy: { urlProblem: () => null, allows: (address) => address === '127.0.0.2' },
			resolve: (hostname) => {
				asked.push(hostname);
				return Promise.resolve(answers.splice(0, 1));
			},
		});
		const url = `http://shop.example:${server.port}/`;
		expect(await (await http.fetch({ url })).text()).toBe('ok');
		expect(connects.count()).toBe(1);
		expect(await codeOf(http.fetch({ url }))).toBe('source_not_allowed');
		expect(asked).toHaveLength(2);
		expect(connects.count()).toBe(1);
		expect(server.seen[0]?.headers.host).toBe(`shop.example:${server.port}`);
		await server.close();
	});
});

describe('a redirect inside', () => {
	let outside: TestServer;
	let inside: TestServer;
	let location = '';
	/** Stands for the internet: 127.0.0.2 counts as public, everything else as it is. */
	const policy = {
		urlProblem: (url: string) => (new URL(url).host === outside.host ? null : publicOnly.urlProblem(url)),
		allows: (address: string) => address === '127.0.0.2' || isPublicAddress(address),
	};
	beforeAll(async () => {
		inside = await startServer((_request, response) => void response.end('secret'));
		outside = await startServer((_request, response) => void response.writeHead(302, { location }).end(), '127.0.0.2');
	});
	afterAll(async () => {
		await inside.close();
		await outside.close();
	});

	it.each([
		() => `${inside.url}/`,
		() => 'http://169.254.169.254/latest/meta-data/',
		() => 'http://2130706433/',
		() => '//127.0.0.1/',
		() => 'http://[::ffff:127.0.0.1]/',
		() => 'http://localhost/',
		() => 'file:///etc/passwd',
		() => 'http://user:pass@shop.example/',
	])('is refused, no second socket (%#)', async (where) => {
		location = where();
		const http = guarded({ policy });
		expect(await codeOf(http.fetch({ url: outside.url }))).toBe('source_not_allowed');
		expect(connects.count()).toBe(1);
		expect(inside.seen).toHaveLength(0);
	});

	it('is refused when only its name leads inside', async () => {
		const http = guarded({
			policy: { urlProblem: () => null, allows: policy.allows },
			resolve: resolver({ 'shop.example': [v4('127.0.0.1')], 'www.shop.example': [v4('127.0.0.2')] }),
		});
		const start = `http://www.shop.example:${outside.port}/`;
		location = `http://shop.example:${outside.port}/`;
		expect(await codeOf(http.fetch({ url: start }))).toBe('source_not_allowed');
		expect(connects.count()).toBe(1);
	});
});
