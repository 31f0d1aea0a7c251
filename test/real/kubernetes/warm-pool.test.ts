/** The warm pool on a real cluster, kept by the service as `npm start -- --host kubernetes --warm N` runs it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CloneResult } from '../../../bin/demo/api-client.ts';
import { ANNOTATION_IMAGE, LABEL_SLOT } from '../../../k8s/labels.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { admin, leftovers } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { type RunningService, runService, slotOfClone, until } from './support/service.ts';
import { type ReachableSite, reachableSite } from './support/source.ts';

let source: ReachableSite;
let dataDir: string;
let service: RunningService | undefined;

const request = (more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	...more,
});

const selection = () => ({ namespace: testEnvironment().namespace, labelSelector: LABEL_SLOT });
const jobs = async (): Promise<V1Job[]> => (await admin().batch.listNamespacedJob(selection())).items;
const pods = async (): Promise<V1Pod[]> => (await admin().core.listNamespacedPod(selection())).items;
const uids = (objects: readonly (V1Job | V1Pod)[]): string[] => objects.map((one) => one.metadata?.uid ?? '').sort();
const ingresses = async (): Promise<string[]> => (await leftovers()).filter((line) => line.startsWith('Ingress'));
/** Slots that answer and are not being ended, by their pods: what a Job says of its pod is a second or two old. */
const ready = async (): Promise<V1Job[]> => {
	const kept = (await jobs()).filter((job) => job.metadata?.deletionTimestamp === undefined);
	const answering = new Set(
		(await pods())
			.filter((pod) => pod.metadata?.deletionTimestamp === undefined)
			.filter((pod) => pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'))
			.map((pod) => pod.metadata?.labels?.[LABEL_SLOT]),
	);
	return kept.filter((job) => answering.has(job.metadata?.name));
};

/** The service anew on the same data, as a deployment with other settings would start it. */
async function serve(warm: number, more: Readonly<Record<string, string>> = {}): Promise<RunningService> {
	await service?.process.kill();
	service = await runService(dataDir, { warm: String(warm), ...more }, ['--metrics']);
	return service;
}

/** Until the service itself says so. */
async function untilWarm(running: RunningService, count: number): Promise<void> {
	const seen = running.log.length;
	await until(async () => {
		const figures = running.log.slice(seen).flatMap((line) => {
			const { metric, value } = JSON.parse(line) as { metric?: string; value?: number };
			return metric === 'pool_warm' ? [value] : [];
		});
		return figures.at(-1) === count;
	});
}

beforeAll(async () => {
	source = await reachableSite(testEnvironment().sourceAddresses[0] ?? '');
	dataDir = mkdtempSync(join(tmpdir(), 'clone-k8s-'));
});
afterAll(async () => {
	await service?.process.kill();
	await source.stop();
	rmSync(dataDir, { recursive: true, force: true });
});

describe('a claim', () => {
	let before: { jobs: string[]; pods: string[]; ingresses: string[] };
	let clones: CloneResult[];

	beforeAll(async () => {
		const running = await serve(2);
		await untilWarm(running, 2);
		before = { jobs: uids(await jobs()), pods: uids(await pods()), ingresses: await ingresses() };
		clones = await Promise.all([running.clone(request()), running.clone(request({ customer_id: 'from-the-pool' }))]);
	});

	it('creates no pod: the clone is what was ready before', async () => {
		expect(clones.map((clone) => clone.warm)).toEqual([true, true]);
		expect(before.jobs).toHaveLength(2);
		const slots = clones.map((clone) => slotOfClone(dataDir, clone.clone_id));
		const claimed = (objects: readonly (V1Job | V1Pod)[]) =>
			objects.filter((one) => slots.includes(one.metadata?.labels?.[LABEL_SLOT] ?? ''));
		expect(uids(claimed(await jobs()))).toEqual(before.jobs);
		expect(uids(claimed(await pods()))).toEqual(before.pods);
	});

	it('changes no route but to add the name that was asked for', async () => {
		const { domain } = testEnvironment();
		const [unnamed, named] = clones.map((clone) => ({ url: clone.clone_url, slot: slotOfClone(dataDir, clone.clone_id) }));
		expect(new Set(before.ingresses)).toEqual(new Set([`Ingress ${unnamed?.slot}`, `Ingress ${named?.slot}`]));
		expect(unnamed?.url).toBe(`http://${unnamed?.slot}.${domain}`);
		expect(named?.url).toBe(`http://from-the-pool.${domain}`);
		const added = (await ingresses()).filter((line) => line.includes(unnamed?.slot ?? '-') || line.includes(named?.slot ?? '-'));
		expect(new Set(added)).toEqual(new Set([...before.ingresses, `Ingress ${named?.slot}-name`]));
	});

	it('gives a clone as good as a cold one', async () => {
		for (const clone of clones) {
			expect(clone.proof.differences).toEqual([]);
			const login = await fetch(clone.login_url, { redirect: 'manual' });
			expect(login.headers.get('location')).toBe(`${clone.clone_url}/wp-admin/`);
		}
	});

	it('is followed by a refill', async () => {
		await untilWarm(service ?? (await serve(2)), 2);
		expect(await jobs()).toHaveLength(4);
	});

	it('of an empty pool gives a cold clone, and says so', async () => {
		for (const { clone_id } of clones) await service?.run('DELETE', `/api/v2/delete/${clone_id}`);
		const running = await serve(0);
		await until(async () => (await leftovers()).length === 0);
		const cold = await running.clone(request({ customer_id: 'cold' }));
		expect(cold.warm).toBe(false);
		await running.run('DELETE', '/api/v2/delete/cold');
		expect(await leftovers()).toEqual([]);
	});
});

describe('the pool', () => {
	it('grows', async () => {
		await untilWarm(await serve(1), 1);
		const [first] = uids(await jobs());
		await untilWarm(await serve(3), 3);
		expect(uids(await ready())).toContain(first);
		expect(await jobs()).toHaveLength(3);
	});

	it('shrinks', async () => {
		const had = uids(await jobs());
		await untilWarm(await serve(2), 2);
		await until(async () => (await jobs()).length === 2);
		expect(had).toEqual(expect.arrayContaining(uids(await jobs())));
	});

	it('replaces a slot whose pod was deleted', async () => {
		const lost = (await pods())[0]?.metadata;
		await admin().core.deleteNamespacedPod({ name: lost?.name ?? '', namespace: lost?.namespace ?? '' });
		await until(async () => {
			const now = await jobs();
			return now.length === 2 && now.every((job) => job.metadata?.name !== lost?.labels?.[LABEL_SLOT]) && (await ready()).length === 2;
		});
	});

	it('is upgraded to another image without ever having fewer than one less than its size', async () => {
		const { nextImage } = testEnvironment();
		const old = await ready();
		expect(old).toHaveLength(2);
		await serve(2, { 'clone-image': nextImage });
		const images = (list: readonly V1Job[]) => list.map((job) => job.metadata?.annotations?.[ANNOTATION_IMAGE]);
		let fewest = 2;
		let most = 0;
		await until(async () => {
			const [now, all] = [await ready(), await jobs()];
			fewest = Math.min(fewest, now.length);
			most = Math.max(most, all.filter((job) => job.metadata?.deletionTimestamp === undefined).length);
			return images(all).every((image) => image === nextImage) && now.length === 2;
		});
		expect(fewest).toBeGreaterThanOrEqual(1);
		expect(most).toBe(3);
		expect(uids(await jobs()).filter((uid) => uids(old).includes(uid))).toEqual([]);
		const kept = (await pods()).filter((pod) => pod.metadata?.deletionTimestamp === undefined);
		expect(kept.map((pod) => pod.spec?.containers[0]?.image)).toEqual([nextImage, nextImage]);
	});

	it('is upgraded where the quota has no room for one more', async () => {
		const { image } = testEnvironment();
		const { core } = admin();
		const quota = { name: 'clones', namespace: testEnvironment().namespace };
		const limit = async (value: string): Promise<void> => {
			await core.patchNamespacedResourceQuota({ ...quota, body: [{ op: 'replace', path: '/spec/hard/pods', value }] });
			await until(async () => (await core.readNamespacedResourceQuota(quota)).status?.hard?.pods === value);
		};
		const room = (await core.readNamespacedResourceQuota(quota)).spec?.hard?.pods ?? '';
		await limit('2');
		try {
			await serve(2, { 'clone-image': image });
			let fewest = 2;
			await until(async () => {
				const [now, all] = [await ready(), await jobs()];
				fewest = Math.min(fewest, now.length);
				return now.length === 2 && all.every((job) => job.metadata?.annotations?.[ANNOTATION_IMAGE] === image);
			});
			expect(fewest).toBe(1);
		} finally {
			await limit(room);
		}
	});

	it('drains', async () => {
		await serve(0);
		await until(async () => (await leftovers()).length === 0);
	});
});
