import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CloneHost, SlotSpec, SlotStatus } from '../../core/ports.ts';

export interface CloneHostHarness {
	readonly host: CloneHost;
	/** Starts a slot from another process of the service, which is killed as soon as `start` has returned. */
	startAndDie(spec: SlotSpec): Promise<void>;
	/** What the slot has on the host: processes, folders, ports, objects. Empty when nothing is left. */
	leftovers(slotId: string): Promise<readonly string[]>;
	/** Ends a running slot from outside, as a crash of what carries it would. */
	lose(slotId: string): Promise<void>;
	/** Whether clones have addresses by name here. */
	readonly names: boolean;
	close(): Promise<void>;
}

const MINUTE = 60_000;
let counter = 0;

export function slotSpec(fields: Partial<SlotSpec> = {}): SlotSpec {
	counter += 1;
	return {
		slot_id: `slot-${counter}-${randomBytes(3).toString('hex')}`,
		agent_key: randomBytes(32).toString('base64'),
		deadline: Date.now() + 10 * MINUTE,
		php_version: '8.4',
		database: null,
		...fields,
	};
}

/** Looks until the answer is right; the test's own time limit ends it otherwise. */
export async function until<T>(look: () => Promise<T>, right: (answer: T) => boolean): Promise<T> {
	for (;;) {
		const answer = await look();
		if (right(answer)) return answer;
		await pause(100);
	}
}

/** Ids of what the host has. */
export async function listed(host: CloneHost): Promise<readonly string[]> {
	return (await host.list()).map((slot) => slot.slot_id);
}

export type ReadySlot = Extract<SlotStatus, { state: 'ready' }>;

/** @throws Error when the slot is gone instead */
export async function untilReady(host: CloneHost, slotId: string): Promise<ReadySlot> {
	const status = await until(
		() => host.status(slotId),
		(answer) => answer.state !== 'starting',
	);
	if (status.state !== 'ready') throw new Error(`The slot is ${JSON.stringify(status)}.`);
	return status;
}

/** What every CloneHost must do. */
export function cloneHostContract(name: string, make: () => Promise<CloneHostHarness>): void {
	describe(`CloneHost contract: ${name}`, () => {
		let harness: CloneHostHarness;
		let host: CloneHost;
		beforeAll(async () => {
			harness = await make();
			host = harness.host;
		});
		afterAll(() => harness.close());

		describe('one slot, from start to removal', () => {
			const spec = slotSpec();

			it('becomes ready and answers with a real WordPress page', async () => {
				await host.start(spec);
				const ready = await untilReady(host, spec.slot_id);
				expect(ready.php_version).toMatch(/^8\.4/);
				expect(ready.wp_version).toMatch(/^\d+\.\d+/);
				expect(ready.endpoint.url).toMatch(/^https?:\/\/.*[^/]$/);
				const response = await fetch(`${ready.endpoint.url}/wp-login.php`);
				expect(response.status).toBe(200);
				expect(await response.text()).toContain('name="log"');
			});

			it('is one slot when started again', async () => {
				const before = await untilReady(host, spec.slot_id);
				await Promise.all([host.start(spec), host.start(spec)]);
				expect(await host.status(spec.slot_id)).toEqual(before);
				expect((await listed(host)).filter((id) => id === spec.slot_id)).toHaveLength(1);
			});

			it('is reached by the name of its clone as well, where there are names', async () => {
				const { endpoint } = await untilReady(host, spec.slot_id);
				const name = `name-of-${spec.slot_id}`;
				const route = await until(
					() => host.route(spec.slot_id, name),
					(answer) => answer?.reached !== false,
				);
				expect(route?.endpoint.ref).toBe(endpoint.ref);
				if (harness.names) expect(new URL(route?.endpoint.url ?? '').hostname.split('.')[0]).toBe(name);
				else expect(route?.endpoint.url).toBe(endpoint.url);
				expect(await host.route(spec.slot_id, name)).toEqual(route);
				for (const url of [route?.endpoint.url, endpoint.url]) {
					const response = await fetch(`${url}/wp-login.php`);
					expect(response.status).toBe(200);
					expect(await response.text()).toContain('name="log"');
				}
			});

			it('lives past its first deadline when that is moved', async () => {
				const first = Date.now() + 3000;
				expect(await host.extend(spec.slot_id, first)).toBe(true);
				expect(await host.extend(spec.slot_id, Date.now() + 10 * MINUTE)).toBe(true);
				await pause(first + 2000 - Date.now());
				expect((await host.status(spec.slot_id)).state).toBe('ready');
			});

			it('leaves nothing when it is removed, and may be removed again', async () => {
				expect(await harness.leftovers(spec.slot_id)).not.toEqual([]);
				await host.remove(spec.slot_id);
				expect(await harness.leftovers(spec.slot_id)).toEqual([]);
				expect(await listed(host)).not.toContain(spec.slot_id);
				expect((await host.status(spec.slot_id)).state).toBe('gone');
				await host.remove(spec.slot_id);
			});
		});

		it('knows nothing of a slot that never was', async () => {
			expect((await host.status('slot-unknown')).state).toBe('gone');
			expect(await host.extend('slot-unknown', Date.now() + MINUTE)).toBe(false);
			expect(await host.route('slot-unknown', 'some-name')).toBeUndefined();
			await host.remove('slot-unknown');
			expect(await listed(host)).not.toContain('slot-unknown');
		});

		it('removes a slot that is still booting, for good', async () => {
			const spec = slotSpec();
			await host.start(spec);
			await host.remove(spec.slot_id);
			expect(await harness.leftovers(spec.slot_id)).toEqual([]);
			await pause(1500);
			expect(await harness.leftovers(spec.slot_id)).toEqual([]);
		});

		it('keeps two slots apart', async () => {
			const [one, two] = [slotSpec(), slotSpec()];
			await Promise.all([host.start(one), host.start(two)]);
			const [first, second] = [await untilReady(host, one.slot_id), await untilReady(host, two.slot_id)];
			expect(first.endpoint.url).not.toBe(second.endpoint.url);
			expect(await listed(host)).toEqual(expect.arrayContaining([one.slot_id, two.slot_id]));
			await host.remove(one.slot_id);
			expect((await host.status(two.slot_id)).state).toBe('ready');
			await host.remove(two.slot_id);
		});

		it('does not list a slot as ready that was lost', async () => {
			const spec = slotSpec();
			await host.start(spec);
			await untilReady(host, spec.slot_id);
			const isListed = async (ready: boolean): Promise<boolean> =>
				(await host.list()).some((slot) => slot.slot_id === spec.slot_id && slot.ready === ready);
			await until(() => isListed(true), Boolean);
			await harness.lose(spec.slot_id);
			await until(
				() => isListed(true),
				(ready) => !ready,
			);
			await until(
				() => host.status(spec.slot_id),
				(status) => status.state === 'gone',
			);
			await host.remove(spec.slot_id);
			expect(await harness.leftovers(spec.slot_id)).toEqual([]);
		});

		it('finds a slot whose service was killed, and ends it', async () => {
			const spec = slotSpec();
			await harness.startAndDie(spec);
			expect(await listed(host)).toContain(spec.slot_id);
			const ready = await untilReady(host, spec.slot_id);
			expect((await fetch(`${ready.endpoint.url}/wp-login.php`)).status).toBe(200);
			await host.remove(spec.slot_id);
			expect(await harness.leftovers(spec.slot_id)).toEqual([]);
		});

		it('ends a slot at its deadline with no service left', async () => {
			const spec = slotSpec();
			await harness.startAndDie(spec);
			await untilReady(host, spec.slot_id);
			expect(await host.extend(spec.slot_id, Date.now() + 1000)).toBe(true);
			// From here on nobody calls the host about this slot.
			const left = await until(
				() => harness.leftovers(spec.slot_id),
				(answer) => answer.length === 0,
			);
			expect(left).toEqual([]);
			expect((await host.status(spec.slot_id)).state).toBe('gone');
			expect(await host.extend(spec.slot_id, Date.now() + MINUTE)).toBe(false);
		});
	});
}
