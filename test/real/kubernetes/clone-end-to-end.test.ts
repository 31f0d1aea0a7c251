/**
 * A real WordPress cloned through the real service onto a real cluster, looked at from outside by its own host name; then
 * every layer that ends a clone, each on its own, and each leaving nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CloneResult } from '../../../bin/demo/api-client.ts';
import { verifyClone } from '../../../bin/demo/verify.ts';
import { AGENT_TRACES } from '../../support/service/leftovers.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { admin, leftovers, workerHost } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { execInPod } from './support/exec.ts';
import { type RunningService, runService, slotOfClone, until } from './support/service.ts';
import { type ReachableSite, reachableSite } from './support/source.ts';

let source: ReachableSite;
let dataDir: string;
let service: RunningService;

const request = (customer: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	customer_id: customer,
	...more,
});

/** Moves a clone's end to a second ago, in the service's own store, as if the time had passed. */
function expireNow(cloneId: string, options: { schedule: boolean }): void {
	const db = new DatabaseSync(join(dataDir, 'service.sqlite'), { timeout: 5000 });
	try {
		const past = Date.now() - 1000;
		expect(db.prepare('UPDATE clones SET expires_at = ? WHERE clone_id = ?').run(past, cloneId).changes).toBe(1);
		const moved = options.schedule
			? db.prepare('UPDATE schedules SET at = ? WHERE name = ?').run(past, cloneId)
			: db.prepare('DELETE FROM schedules WHERE name = ?').run(cloneId);
		expect(moved.changes).toBe(1);
	} finally {
		db.close();
	}
}

const slotOf = (clone: CloneResult): string => slotOfClone(dataDir, clone.clone_id);

beforeAll(async () => {
	source = await reachableSite(testEnvironment().sourceAddresses[0] ?? '');
	dataDir = mkdtempSync(join(tmpdir(), 'clone-k8s-'));
	service = await runService(dataDir);
});
afterAll(async () => {
	await service.process.kill();
	await source.stop();
	rmSync(dataDir, { recursive: true, force: true });
});

describe('a clone on the cluster', () => {
	let made: CloneResult;

	beforeAll(async () => {
		made = await service.clone(request('end-to-end'));
	});

	it('is proved equal, at a host name of its own, and leaves nothing on the source', async () => {
		expect(made.clone_url).toBe(`http://end-to-end.${testEnvironment().domain}`);
		expect(new URL(made.login_url).origin).toBe(made.clone_url);
		expect(made.php_version).toMatch(new RegExp(`^${testEnvironment().phpVersion.replace('.', '\\.')}`));
		expect(made.fidelity).toBe('full');
		expect(made.proof.differences).toEqual([]);
		expect(made.proof.tables).toBeGreaterThanOrEqual(13);
		expect(made.proof.rows).toBeGreaterThan(100);
		expect(await source.site.evalPhp(AGENT_TRACES)).toBe('');
	});

	it('is the source, seen from outside', async () => {
		const failed = (await verifyClone(source.url, made)).filter((check) => !check.ok);
		expect(failed).toEqual([]);
	});

	it('takes a longer and a shorter time, which Kubernetes knows of', async () => {
		const { batch } = admin();
		const seconds = async (): Promise<number> =>
			(await batch.readNamespacedJob({ name: slotOf(made), namespace: testEnvironment().namespace })).spec?.activeDeadlineSeconds ?? 0;
		const before = await seconds();
		await service.api.call('PATCH', '/api/v2/clones/end-to-end', { ttl_minutes: 60 });
		expect((await seconds()) - before).toBe(30 * 60);
		await service.api.call('PATCH', '/api/v2/clones/end-to-end', { ttl_minutes: 20 });
		expect((await seconds()) - before).toBe(-10 * 60);
	});

	it('comes back with its data after its container has crashed', async () => {
		const { core } = admin();
		const selection = { namespace: testEnvironment().namespace, labelSelector: `clone-service/slot=${slotOf(made)}` };
		const look = async () => (await core.listNamespacedPod(selection)).items[0]?.status?.containerStatuses?.[0];
		// As a crash would end it.
		await execInPod(slotOf(made), ['sh', '-c', 'cd /proc; for p in [0-9]*; do grep -qs apache2 $p/comm && kill -9 $p; done; true']);
		await until(async () => ((await look())?.restartCount ?? 0) > 0 && (await look())?.ready === true);
		// The ingress learns a moment later that it is back; until then it answers 404 or 502, and never an empty site.
		await until(async () => (await fetch(`${made.clone_url}/wp-login.php`)).status === 200);
		expect(await (await fetch(`${made.clone_url}/wp-login.php`)).text()).toContain('Harbour Bakery');
	});

	it('is deleted on request, and nothing is left of it', async () => {
		expect((await service.run('DELETE', '/api/v2/delete/end-to-end')).status).toBe('completed');
		expect(await leftovers()).toEqual([]);
		expect((await fetch(`${made.clone_url}/`)).status).toBe(404);
	});

	it('without a name is at its job’s, and the next of a name gets that name', async () => {
		const { customer_id: _, ...noName } = request('');
		const [unnamed, again] = await Promise.all([service.clone(noName), service.clone(request('end-to-end'))]);
		expect(unnamed.clone_id).toMatch(/^clone-[0-9a-f]{12}$/);
		expect(unnamed.clone_url).toBe(`http://${unnamed.clone_id}.${testEnvironment().domain}`);
		expect((await fetch(`${unnamed.clone_url}/wp-login.php`)).status).toBe(200);
		expect((await leftovers(unnamed.clone_id)).filter((line) => line.startsWith('Ingress'))).toEqual([`Ingress ${unnamed.clone_id}`]);

		expect(again.clone_url).toBe(made.clone_url);
		expect((await fetch(again.login_url, { redirect: 'manual' })).headers.get('location')).toBe(`${made.clone_url}/wp-admin/`);
		for (const { clone_id } of [unnamed, again]) await service.run('DELETE', `/api/v2/delete/${clone_id}`);
		expect(await leftovers()).toEqual([]);
	});
});

describe('what ends a clone', () => {
	it('the schedule; and the sweep, when the schedule is lost', async () => {
		const clones = await Promise.all(['by-schedule', 'by-sweep'].map((name) => service.clone(request(name))));
		const [bySchedule, bySweep] = clones.map(slotOf);
		expireNow('by-schedule', { schedule: true });
		await until(async () => (await leftovers(bySchedule)).length === 0);
		expect(await leftovers(bySweep)).not.toEqual([]);
		expireNow('by-sweep', { schedule: false });
		await until(async () => (await leftovers()).length === 0);
	});

	it('a deleted pod: the clone is reported lost, and never an empty site in its place', async () => {
		// Its Job stays for looking into: the sweep must not take it for a clone.
		await service.process.kill();
		service = await runService(dataDir, { 'keep-finished': '600' });
		const made = await service.clone(request('lost'));
		const { core } = admin();
		const { namespace } = testEnvironment();
		await core.deleteCollectionNamespacedPod({ namespace, labelSelector: `clone-service/slot=${slotOf(made)}` });
		await until(async () => (await service.api.call<{ clones: readonly object[] }>('GET', '/api/v2/clones')).clones.length === 0);
		await until(async () => (await leftovers()).length === 0);
		expect(service.log.join('\n')).toContain('A clone has died before its time.');
		await service.process.kill();
		service = await runService(dataDir);
	});

	it('Kubernetes alone, with the service killed', async () => {
		const made = await service.clone(request('by-cluster'));
		await service.process.kill();
		const { host, config } = workerHost();
		// As if its time were nearly up.
		expect(await host.extend(slotOf(made), Date.now() + 1000)).toBe(true);
		await config.close();
		await until(async () => (await leftovers()).length === 0);
		service = await runService(dataDir);
		await until(async () => (await service.api.call<{ clones: readonly object[] }>('GET', '/api/v2/clones')).clones.length === 0);
	});
});
