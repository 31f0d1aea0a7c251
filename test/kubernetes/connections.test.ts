/** How many connections the Kubernetes client opens: counted on a server with TLS, as a cluster has it. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { BatchV1Api, KubeConfig } from '@kubernetes/client-node';
import { afterEach, describe, expect, it } from 'vitest';
import { CloneApi } from '../../adapters/kubernetes/clone-api.ts';
import { ClusterConfig } from '../../adapters/kubernetes/cluster-config.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from '../wordpress/support/test-certificate.ts';

interface CountingServer {
	readonly port: number;
	readonly connections: () => number;
	/** Of each request. */
	readonly tokens: string[];
	close(): Promise<void>;
}

const servers: CountingServer[] = [];
afterEach(async () => {
	await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function countingServer(): Promise<CountingServer> {
	const tokens: string[] = [];
	let connections = 0;
	const server: Server = createServer({ cert: TEST_CERTIFICATE, key: TEST_CERTIFICATE_KEY }, (request, response) => {
		tokens.push(request.headers.authorization ?? '');
		response.setHeader('content-type', 'application/json');
		response.end(JSON.stringify({ apiVersion: 'batch/v1', kind: 'JobList', metadata: {}, items: [] }));
	});
	server.on('secureConnection', () => {
		connections += 1;
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const address = server.address();
	if (address === null || typeof address === 'string') throw new Error('The server has no port.');
	const counting = {
		port: address.port,
		connections: () => connections,
		tokens,
		close: async () => {
			server.closeAllConnections();
			server.close();
			await once(server, 'close');
		},
	};
	servers.push(counting);
	return counting;
}

function load<T extends KubeConfig>(config: T, port: number, more: object = { tlsServerName: 'shop.example' }): T {
	config.loadFromOptions({
		clusters: [{ name: 'c', server: `https://127.0.0.1:${port}`, caData: Buffer.from(TEST_CERTIFICATE).toString('base64'), ...more }],
		users: [{ name: 'u', token: 'secret-token' }],
		contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
		currentContext: 'x',
	});
	return config;
}

describe('the connections to a cluster', () => {
	it('are kept: twenty calls take one or two, and sixty no more than are needed at once', async () => {
		const server = await countingServer();
		const config = load(new ClusterConfig(), server.port);
		const api = new CloneApi({ config, namespace: 'clones' });
		for (let call = 0; call < 20; call++) await api.listJobs();
		// A call may come a moment before the last one has given its connection back.
		expect(server.connections()).toBeLessThanOrEqual(2);
		await Promise.all(Array.from({ length: 20 }, () => api.listJobs()));
		await Promise.all(Array.from({ length: 20 }, () => api.listJobs()));
		// As many as are needed at once, and the few of before.
		expect(server.connections()).toBeLessThanOrEqual(25);
		expect(server.tokens).toHaveLength(60);
		expect(new Set(server.tokens)).toEqual(new Set(['Bearer secret-token']));
		await config.close();
	});

	it('are one a call with the client as it comes, which is why ours keeps them', async () => {
		const server = await countingServer();
		const batch = load(new KubeConfig(), server.port).makeApiClient(BatchV1Api);
		for (let call = 0; call < 5; call++) await batch.listNamespacedJob({ namespace: 'clones' });
		expect(server.connections()).toBe(5);
	});

	it('are refused to a server whose certificate is another’s', async () => {
		const server = await countingServer();
		const api = new CloneApi({ config: load(new ClusterConfig(), server.port, {}), namespace: 'clones' });
		const error = await api.listJobs().catch((cause: unknown) => cause);
		expect(error).toBeInstanceOf(PermanentError);
		expect(error).toMatchObject({ code: 'cluster_certificate' });
		expect(server.tokens).toEqual([]);
	});

	it('fail with a sentence when nobody is there', async () => {
		const server = await countingServer();
		await server.close();
		servers.splice(0);
		const api = new CloneApi({ config: load(new ClusterConfig(), server.port), namespace: 'clones' });
		const error = await api.listJobs().catch((cause: unknown) => cause);
		expect(error).toBeInstanceOf(TransientError);
		expect(error).toMatchObject({ code: 'cluster_unreachable' });
	});
});
