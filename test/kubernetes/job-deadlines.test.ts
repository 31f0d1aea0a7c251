/** The API's own two requests to the cluster, against a server with TLS as a cluster has it. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { jobDeadlines } from '../../adapters/kubernetes/job-deadlines.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../wordpress/support/test-certificate.ts';

const START = Date.UTC(2030, 0, 1);
const running = {
	metadata: { name: 'slot-1' },
	spec: { activeDeadlineSeconds: 600 },
	status: { startTime: '2030-01-01T00:00:00Z', ready: 1 },
};

interface Seen {
	readonly method: string | undefined;
	readonly url: string | undefined;
	readonly token: string | undefined;
	readonly type: string | undefined;
	readonly body: string;
}

let server: Server;
let seen: Seen[] = [];
let answers: [number, unknown][] = [];
beforeAll(async () => {
	server = createServer({ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY }, (request, response) => {
		const parts: Buffer[] = [];
		request.on('data', (part: Buffer) => parts.push(part));
		request.on('end', () => {
			const { method, url, headers } = request;
			seen.push({ method, url, token: headers.authorization, type: headers['content-type'], body: Buffer.concat(parts).toString() });
			const [status, body] = answers.shift() ?? [500, {}];
			response.writeHead(status, { 'content-type': 'application/json' });
			response.end(JSON.stringify(body));
		});
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
});
afterAll(() => {
	server.closeAllConnections();
	server.close();
});
beforeEach(() => {
	seen = [];
	answers = [];
});

function deadlines(server_?: string) {
	const address = server.address();
	const port = typeof address === 'object' && address !== null ? address.port : 0;
	return jobDeadlines({
		server: server_ ?? `https://127.0.0.1:${port}`,
		caData: Buffer.from(TEST_CERTIFICATE).toString('base64'),
		serverName: 'shop.example',
		token: async () => 'secret-token',
		namespace: 'clones',
		clock: { now: () => START + 60_000 },
		timeoutMs: 2000,
	});
}

describe('moving a deadline', () => {
	it('reads when the Job began, then patches the seconds from there', async () => {
		answers = [
			[200, running],
			[200, { ...running, spec: { activeDeadlineSeconds: 3600 } }],
		];
		expect(await deadlines().extend('slot-1', START + 3_600_000)).toBe(true);
		const common = { url: '/apis/batch/v1/namespaces/clones/jobs/slot-1', token: 'Bearer secret-token' };
		expect(seen).toEqual([
			{ ...common, method: 'GET', type: 'application/merge-patch+json', body: '' },
			{ ...common, method: 'PATCH', type: 'application/merge-patch+json', body: '{"spec":{"activeDeadlineSeconds":3600}}' },
		]);
	});

	it.each([
		['there is none', [[404, {}]]],
		['it is being deleted', [[200, { ...running, metadata: { deletionTimestamp: '2030-01-01T00:00:30Z' } }]]],
		['its time is up', [[200, { ...running, spec: { activeDeadlineSeconds: 30 } }]]],
		[
			'it goes in between',
			[
				[200, running],
				[404, {}],
			],
		],
		[
			'it had failed by then',
			[
				[200, running],
				[200, { ...running, status: { ...running.status, failed: 1 } }],
			],
		],
	] as [string, [number, unknown][]][])('says that the clone is gone when %s', async (_, given) => {
		answers = [...given];
		expect(await deadlines().extend('slot-1', START + 3_600_000)).toBe(false);
		expect(seen).toHaveLength(given.length);
	});

	it.each([
		[401, TransientError, 'cluster_login_refused'],
		[403, PermanentError, 'cluster_forbidden'],
		[429, TransientError, 'cluster_throttled'],
		[500, TransientError, 'cluster_error'],
	])('HTTP %i is no missing clone', async (status, kind, code) => {
		answers = [[status, {}]];
		const asked = deadlines().extend('slot-1', START + 3_600_000);
		await expect(asked).rejects.toBeInstanceOf(kind);
		await expect(asked).rejects.toMatchObject({ code });
	});

	it('trusts no other authority', async () => {
		const address = server.address();
		const port = typeof address === 'object' && address !== null ? address.port : 0;
		const distrusting = jobDeadlines({
			server: `https://127.0.0.1:${port}`,
			caData: '',
			serverName: 'shop.example',
			token: async () => 'secret-token',
			namespace: 'clones',
			clock: { now: () => START },
		});
		await expect(distrusting.extend('slot-1', START)).rejects.toMatchObject({ code: 'cluster_unreachable' });
		expect(seen).toHaveLength(0);
	});

	it('asks nothing for a name that is not one of ours', async () => {
		await expect(deadlines().extend('../secrets/x', START)).rejects.toMatchObject({ code: 'bad_slot_id' });
		expect(seen).toHaveLength(0);
	});

	it('says so when nobody answers', async () => {
		await expect(deadlines('https://127.0.0.1:1').extend('slot-1', START)).rejects.toMatchObject({ code: 'cluster_unreachable' });
	});
});
