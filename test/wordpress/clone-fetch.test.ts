import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCloneFetch } from '../../adapters/wordpress/clone-fetch.ts';

let server: Server;
let port = 0;
const seen: string[] = [];
beforeAll(async () => {
	server = createServer((request, response) => {
		seen.push(`${request.method} ${request.url}`);
		if (request.url === '/slow') return;
		if (request.url === '/away') response.writeHead(302, { Location: 'http://example.com/' });
		request.pipe(response);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	port = typeof address === 'object' && address !== null ? address.port : 0;
});
afterAll(() => {
	server.closeAllConnections();
	server.close();
});

// The machine's own name: below this domain it is the host of every address used here.
const http = createCloneFetch('0.0.1');
const at = (path: string): string => `http://127.0.0.1:${port}${path}`;

describe('requests to clones', () => {
	it('sends the body and gives the answer', async () => {
		const response = await http.fetch({ url: at('/x'), method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'hello' });
		expect(response.status).toBe(200);
		expect(await response.text()).toBe('hello');
	});

	it('follows no redirect', async () => {
		expect((await http.fetch({ url: at('/away') })).status).toBe(302);
	});

	it('reads no more than it may', async () => {
		const response = await http.fetch({ url: at('/x'), method: 'POST', body: 'x'.repeat(100), maxBytes: 10 });
		await expect(response.bytes()).rejects.toMatchObject({ code: 'answer_too_large' });
	});

	it('gives up in time', async () => {
		await expect(http.fetch({ url: at('/slow'), totalTimeoutMs: 50 })).rejects.toMatchObject({ code: 'source_timeout' });
	});

	it.each([
		'http://169.254.169.254/',
		'http://127.0.0.1.example.com/',
		'file:///etc/passwd',
		'https://clones.example.com/',
		'http://x0.0.1@example.com/',
	])('does not go to %s', async (url) => {
		const before = seen.length;
		await expect(http.fetch({ url })).rejects.toMatchObject({ code: 'source_not_allowed' });
		expect(seen).toHaveLength(before);
	});

	it('does not take a domain for that of the clones because its name ends alike', async () => {
		const clones = createCloneFetch('clones.example.com');
		for (const url of ['http://evilclones.example.com/', 'http://clones.example.com/', 'http://shop.clones.example.com.evil.test/']) {
			await expect(clones.fetch({ url })).rejects.toMatchObject({ code: 'source_not_allowed' });
		}
	});

	it('says that nobody is there', async () => {
		await expect(http.fetch({ url: 'http://127.0.0.1:1/' })).rejects.toMatchObject({ code: 'source_unavailable' });
	});
});
