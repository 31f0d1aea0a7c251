/** What a clone can reach and do, tried from inside one, with PHP as any plugin could run it. */

import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as tcpConnect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slotSpec, untilReady } from '../../contracts/clone-host.ts';
import { admin, leftovers, workerHost } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { execInPod } from './support/exec.ts';
import { until } from './support/service.ts';

const { host, config } = workerHost({ diskMib: 300 });
const one = slotSpec();
const two = slotSpec();

const php = async (code: string): Promise<string> => (await execInPod(one.slot_id, ['php', '-d', 'display_errors=1', '-r', code])).output;
/** `open`, or why not. */
const connect = async (address: string, port: number): Promise<string> =>
	php(`$s = @fsockopen( '${address}', ${port}, $e, $m, 2 ); echo $s ? 'open' : 'closed';`);

async function podOf(slotId: string) {
	const { namespace } = testEnvironment();
	const pods = await admin().core.listNamespacedPod({ namespace, labelSelector: `clone-service/slot=${slotId}` });
	const [pod] = pods.items;
	if (pod === undefined) throw new Error(`The slot ${slotId} has no pod.`);
	return pod;
}

/** From outside the clone: a closed port proves nothing where nobody listens. */
async function reaches(address: string, port: number): Promise<boolean> {
	const socket = tcpConnect(port, address);
	try {
		await once(socket, 'connect');
		return true;
	} finally {
		socket.destroy();
	}
}

const publicSite = createServer((_request, response) => response.end('hello'));

beforeAll(async () => {
	publicSite.listen(80, testEnvironment().sourceAddresses[1]);
	await once(publicSite, 'listening');
	await Promise.all([host.start(one), host.start(two)]);
	await untilReady(host, one.slot_id);
	await untilReady(host, two.slot_id);
});
afterAll(async () => {
	publicSite.close();
	await Promise.all([host.remove(one.slot_id), host.remove(two.slot_id)]);
	await config.close();
});

describe('from inside a clone', () => {
	it('a public site is reached on the web’s port, and on no other', async () => {
		const address = testEnvironment().sourceAddresses[1] ?? '';
		expect(await connect(address, 80)).toBe('open');
		const other = createServer().listen(8000, address);
		await once(other, 'listening');
		expect(await reaches(address, 8000)).toBe(true);
		expect(await connect(address, 8000)).toBe('closed');
		other.close();
	});

	it('no sibling, by its pod or its Service', async () => {
		const pod = await podOf(two.slot_id);
		const service = await admin().core.readNamespacedService({ name: two.slot_id, namespace: testEnvironment().namespace });
		for (const [address, port] of [
			[pod.status?.podIP ?? '', 8080],
			[pod.status?.podIP ?? '', 8081],
			[service.spec?.clusterIP ?? '', 80],
		] as const) {
			expect(await reaches(address, port)).toBe(true);
			expect(`${address}:${port} ${await connect(address, port)}`).toBe(`${address}:${port} closed`);
		}
	});

	it('no metadata service and no private address, though something answers there', async () => {
		const node = (await podOf(one.slot_id)).status?.hostIP ?? '';
		for (const address of [...testEnvironment().closedAddresses, node]) {
			const there = createServer((_request, response) => response.end('reached'));
			there.listen(80, address);
			await once(there, 'listening');
			expect(await (await fetch(`http://${address}/`)).text()).toBe('reached');
			expect(`${address} ${await connect(address, 80)}`).toBe(`${address} closed`);
			there.close();
			there.closeAllConnections();
		}
	});

	it('no API server, kubelet or ingress', async () => {
		const { core } = admin();
		const api = await core.readNamespacedService({ name: 'kubernetes', namespace: 'default' });
		const node = (await podOf(one.slot_id)).status?.hostIP ?? '';
		const ingress = await lookup(`${one.slot_id}.${testEnvironment().domain}`);
		for (const [address, port] of [
			[api.spec?.clusterIP ?? '', 443],
			[node, 6443],
			[node, 10_250],
			[ingress.address, 80],
		] as const) {
			expect(await reaches(address, port)).toBe(true);
			expect(`${address}:${port} ${await connect(address, port)}`).toBe(`${address}:${port} closed`);
		}
	});

	it('no token, and nothing of other clones in the environment', async () => {
		expect(await php(`echo is_dir( '/var/run/secrets/kubernetes.io' ) ? 'there' : 'none';`)).toBe('none');
		expect(await php('echo json_encode( getenv() );')).not.toContain(two.slot_id.toUpperCase().replaceAll('-', '_'));
	});

	it('no root, no capability, no way to become more', async () => {
		expect(await php('echo posix_geteuid();')).toBe('33');
		const status = await php(`echo file_get_contents( '/proc/self/status' );`);
		expect(status).toMatch(/CapEff:\s+0{16}/);
		expect(status).toMatch(/CapBnd:\s+0{16}/);
		expect(status).toMatch(/NoNewPrivs:\s+1/);
		expect(status).toMatch(/Seccomp:\s+2/);
	});

	it('nothing to write to but its own volumes', async () => {
		for (const path of ['/x', '/opt/clone/system/x', '/opt/clone/system/custom-migrator/custom-migrator.php', '/etc/x', '/usr/bin/x']) {
			expect(`${path} ${await php(`echo @file_put_contents( '${path}', 'x', FILE_APPEND ) ? 'written' : 'refused';`)}`).toBe(
				`${path} refused`,
			);
		}
		expect(await php(`echo @file_put_contents( '/clone/x', 'x' ) ? 'written' : 'refused';`)).toBe('written');
	});
});

describe('a clone that fills its disk', () => {
	it('is put out, says why, and leaves nothing; its neighbours live on', async () => {
		await execInPod(one.slot_id, ['sh', '-c', 'head -c 320000000 /dev/zero > /clone/big']);
		await until(async () => (await host.status(one.slot_id)).state === 'gone');
		const status = await host.status(one.slot_id);
		// Once Kubernetes has removed it, only that it is gone is left to say.
		expect(['clone_evicted', 'clone_lost']).toContain(status.state === 'gone' ? status.code : status.state);
		await until(async () => (await leftovers(one.slot_id)).length === 0);
		expect((await host.status(two.slot_id)).state).toBe('ready');
	});
});
