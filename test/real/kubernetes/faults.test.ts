/** What goes wrong around a clone, and what is said about it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JobView } from '../../../bin/demo/api-client.ts';
import { slotSpec, untilReady } from '../../contracts/clone-host.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { admin, leftovers, workerHost } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { type RunningService, runService, until } from './support/service.ts';
import { type ReachableSite, reachableSite } from './support/source.ts';

let source: ReachableSite;
const dirs: string[] = [];
const dataDir = (): string => {
	const dir = mkdtempSync(join(tmpdir(), 'clone-k8s-'));
	dirs.push(dir);
	return dir;
};
const request = (customer: string): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	customer_id: customer,
});

beforeAll(async () => {
	source = await reachableSite(testEnvironment().sourceAddresses[0] ?? '');
});
afterAll(async () => {
	await source.stop();
	for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

/** Lets so many pods into the clones' namespace. @returns what undoes it */
async function limitPods(pods: number): Promise<() => Promise<void>> {
	const { core } = admin();
	const target = { name: 'clones', namespace: testEnvironment().namespace };
	const set = async (value: string): Promise<void> => {
		await core.patchNamespacedResourceQuota({ ...target, body: [{ op: 'replace', path: '/spec/hard/pods', value }] });
		await until(async () => (await core.readNamespacedResourceQuota(target)).status?.hard?.pods === value);
	};
	const before = (await core.readNamespacedResourceQuota(target)).spec?.hard?.pods ?? '150';
	await set(String(pods));
	return () => set(before);
}

describe('while a clone is made', () => {
	let service: RunningService;
	beforeAll(async () => {
		service = await runService(dataDir());
	});
	afterAll(() => service.process.kill());

	it('a full quota makes it wait and say so, and it goes on when there is room', async () => {
		const undo = await limitPods(0);
		const { job_id } = await service.api.call<{ job_id: string }>('POST', '/api/v2/clone', request('quota'));
		const look = (): Promise<JobView> => service.api.call<JobView>('GET', `/api/v2/jobs/${job_id}`);
		try {
			await until(async () => (await look()).status_message.includes('quota'));
			expect((await look()).status).toBe('running');
		} finally {
			await undo();
		}
		const job = await service.api.follow(job_id, () => undefined);
		expect(job.error).toBeNull();
		expect(job.status).toBe('completed');
		await service.run('DELETE', '/api/v2/delete/quota');
		expect(await leftovers()).toEqual([]);
	});
});

it('a missing image fails with its code, and leaves nothing', async () => {
	// A registry that has nothing. The node asks it because of the name.
	const registry = createServer((_request, response) => {
		response.writeHead(404, { 'content-type': 'application/json' });
		response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
	});
	registry.listen(5000, '127.0.0.1');
	let service = await runService(dataDir(), { 'clone-image': 'localhost:5000/clone:none' });
	try {
		const job = await service.run('POST', '/api/v2/clone', request('no-image'));
		expect(job.error?.code).toBe('image_not_found');
		expect(job.error?.message).toContain('localhost:5000/clone:none');
		expect(await leftovers()).toEqual([]);

		// The pool would fail the same way: it tries again now and then, not every time it looks.
		await service.process.kill();
		service = await runService(dataDir(), { 'clone-image': 'localhost:5000/clone:none', warm: '1' });
		const tried = new Set<string>();
		for (const end = Date.now() + 12_000; Date.now() < end; await new Promise((wake) => setTimeout(wake, 500))) {
			for (const line of await leftovers()) if (line.startsWith('Job')) tried.add(line);
		}
		expect(tried.size).toBe(1);
		const { batch } = admin();
		await service.process.kill();
		for (const line of tried)
			await batch.deleteNamespacedJob({ name: line.slice(4), namespace: testEnvironment().namespace, propagationPolicy: 'Background' });
		await until(async () => (await leftovers()).length === 0);
	} finally {
		await service.process.kill();
		registry.close();
	}
});

describe('a slot', () => {
	it('that the worker’s rights do not reach into is refused', async () => {
		const { host, config } = workerHost({ namespace: 'default' });
		await expect(host.start(slotSpec())).rejects.toMatchObject({ code: 'cluster_forbidden' });
		await config.close();
	});

	it('with a name that is none is refused before anything is asked', async () => {
		const { host, calls } = workerHost();
		for (const id of ['Slot', 'slot_a', '-slot', '../x', 'a'.repeat(53), '']) {
			await expect(host.status(id)).rejects.toMatchObject({ code: 'bad_slot_id' });
		}
		expect(calls).toEqual([]);
	});

	it('costs one call to look at and one to move, once it is known', async () => {
		const { host, calls, config } = workerHost();
		const spec = slotSpec();
		await host.start(spec);
		await untilReady(host, spec.slot_id);
		await until(async () => {
			calls.length = 0;
			return (await host.status(spec.slot_id)).state === 'ready' && calls.length === 1;
		});
		expect(calls).toEqual(['read the Job']);
		calls.length = 0;
		expect(await host.extend(spec.slot_id, Date.now() + 900_000)).toBe(true);
		expect(calls).toEqual(['change the Job']);
		await host.remove(spec.slot_id);
		await config.close();
	});
});
