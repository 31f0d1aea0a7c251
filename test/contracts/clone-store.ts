import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Clone, Slot } from '../../core/clones/clone.ts';
import type { CloneStore, JobStore } from '../../core/ports.ts';
import { eventually, makeClone, makeJob, nth, present, readAll, T0, unique } from './support.ts';

export interface CloneStoreHarness {
	readonly clones: CloneStore;
	/** On the same database: clones come to be by accepting their job. */
	readonly jobs: JobStore;
	close(): Promise<void>;
}

/** What every CloneStore must do. */
export function cloneStoreContract(name: string, make: () => Promise<CloneStoreHarness>): void {
	describe(`CloneStore contract: ${name}`, () => {
		let harness: CloneStoreHarness;
		let clones: CloneStore;
		beforeAll(async () => {
			harness = await make();
			({ clones } = harness);
		});
		afterAll(() => harness.close());

		async function stored(fields: Partial<Clone> = {}): Promise<Clone> {
			const job = makeJob({ owner: fields.owner ?? unique('owner'), clone_id: unique('clone') });
			const clone = makeClone(job, fields);
			expect(await harness.jobs.accept({ job, idempotency: null, clone })).toEqual({ outcome: 'accepted' });
			return clone;
		}

		describe('update', () => {
			it('writes the patch, raises the generation and leaves the rest', async () => {
				const clone = await stored();
				const patch = {
					state: 'live',
					expires_at: T0 + 5,
					slot_id: 'slot-1',
					url: 'http://127.0.0.1:41001',
					ttl_minutes: 45,
					facts: { wp_version: '7.1.1', warnings: ['ä'] },
				} as const;
				const written = await clones.update(clone.clone_id, clone.generation, patch);
				expect(written).toEqual({ ...clone, ...patch, generation: clone.generation + 1 });
				expect(await clones.get(clone.clone_id)).toEqual(written);
				const cleared = await clones.update(clone.clone_id, clone.generation + 1, { url: null, slot_id: undefined });
				expect(cleared).toEqual({ ...written, url: null, generation: clone.generation + 2 });
			});

			it('refuses a generation that is not the current one, and an unknown clone', async () => {
				const clone = await stored();
				const written = await clones.update(clone.clone_id, clone.generation, { ttl_minutes: 31 });
				for (const generation of [clone.generation, clone.generation + 2, 0]) {
					expect(await clones.update(clone.clone_id, generation, { ttl_minutes: 99 })).toBeUndefined();
				}
				expect(await clones.get(clone.clone_id)).toEqual(written);
				expect(await clones.update(unique('clone'), 1, { ttl_minutes: 99 })).toBeUndefined();
			});

			it('lets one of 20 writers at once through', async () => {
				const clone = await stored();
				const writes = Array.from({ length: 20 }, (_, index) => clones.update(clone.clone_id, 1, { ttl_minutes: 100 + index }));
				const written = (await Promise.all(writes)).filter((result) => result !== undefined);
				expect(written).toHaveLength(1);
				expect(await clones.get(clone.clone_id)).toEqual(written[0]);
			});
		});

		it('does not know a clone that never was', async () => {
			expect(await clones.get(unique('clone'))).toBeUndefined();
		});

		it('lists an owner’s clones that are not deleted, newest first', async () => {
			const owner = unique('owner');
			await stored();
			const made: Clone[] = [];
			for (let index = 0; index < 5; index++) {
				made.push(await stored({ owner, created_at: T0 + Math.floor(index / 2) }));
			}
			const gone = nth(made, 2);
			await clones.update(gone.clone_id, 1, { state: 'deleted' });
			const deleting = nth(made, 1);
			await clones.update(deleting.clone_id, 1, { state: 'deleting' });
			const listed = await eventually(
				() => readAll((cursor) => clones.list(owner, { limit: 2, cursor }), 2),
				(items) => items.length === 4 && items.some((item) => item.state === 'deleting'),
			);
			expect(new Set(listed.map((clone) => clone.clone_id))).toEqual(
				new Set(made.filter((clone) => clone !== gone).map((clone) => clone.clone_id)),
			);
			expect(listed.map((clone) => clone.created_at)).toEqual(listed.map((clone) => clone.created_at).sort((a, b) => b - a));
			await expect(clones.list(owner, { limit: 2, cursor: 'not a cursor' })).rejects.toMatchObject({ code: 'bad_cursor' });
		});

		it('finds live clones whose time is up, oldest first', async () => {
			const long = T0 - 9_000_000_000;
			const live = async (expires: number): Promise<string> => {
				const clone = await stored();
				await clones.update(clone.clone_id, 1, { state: 'live', expires_at: expires });
				return clone.clone_id;
			};
			const second = await live(long + 2);
			const first = await live(long + 1);
			const third = await live(long + 3);
			const future = await live(long + 4);
			const busy = await stored();
			await clones.update(busy.clone_id, 1, { state: 'deleting', expires_at: long });
			const young = await stored();
			const read = async (limit: number): Promise<string[]> => (await clones.expired(long + 3, limit)).map((clone) => clone.clone_id);
			const found = await eventually(
				() => read(100),
				(ids) => ids.length >= 3 && !ids.includes(busy.clone_id),
			);
			expect(found).toEqual([first, second, third]);
			expect(await read(2)).toEqual([first, second]);
			expect(found).not.toContain(future);
			expect(found).not.toContain(young.clone_id);
		});

		it('pages through every clone that is not deleted', async () => {
			const made = [];
			for (let index = 0; index < 5; index++) {
				made.push(await stored());
			}
			const gone = nth(made, 0).clone_id;
			await clones.update(gone, 1, { state: 'deleted' });
			const wanted = made.slice(1).map((clone) => clone.clone_id);
			const all = await eventually(
				async () => (await readAll((cursor) => clones.allLive(cursor, 2), 2)).map((clone) => clone.clone_id),
				(ids) => wanted.every((id) => ids.includes(id)) && !ids.includes(gone),
			);
			expect(all).toEqual(expect.arrayContaining(wanted));
			expect(all).not.toContain(gone);
			expect(new Set(all).size).toBe(all.length);
			await expect(clones.allLive('not a cursor', 2)).rejects.toMatchObject({ code: 'bad_cursor' });
		});

		describe('slots', () => {
			function makeSlot(fields: Partial<Slot> = {}): Slot {
				return {
					slot_id: unique('slot'),
					state: 'booting',
					job_id: null,
					endpoint: null,
					agent_key_sealed: 'sealed',
					php_version: null,
					wp_version: null,
					created_at: T0,
					...fields,
				};
			}

			async function empty(): Promise<void> {
				for (const slot of await clones.slots()) {
					await clones.removeSlot(slot.slot_id);
				}
			}

			it('keeps, replaces and removes', async () => {
				const slot = makeSlot();
				expect(await clones.getSlot(slot.slot_id)).toBeUndefined();
				await clones.putSlot(slot);
				expect(await clones.getSlot(slot.slot_id)).toEqual(slot);
				const ready: Slot = {
					...slot,
					state: 'warm',
					endpoint: { url: 'http://x', ref: 'pid 7' },
					php_version: '8.4',
					wp_version: '7.1.1',
				};
				await clones.putSlot(ready);
				expect(await clones.getSlot(slot.slot_id)).toEqual(ready);
				const listed = await eventually(
					() => clones.slots(),
					(slots) => slots.some((item) => item.slot_id === slot.slot_id),
				);
				expect(listed).toContainEqual(ready);
				await clones.removeSlot(slot.slot_id);
				await clones.removeSlot(slot.slot_id);
				expect(await clones.getSlot(slot.slot_id)).toBeUndefined();
			});

			it('moves a slot that is still where it was thought to be', async () => {
				const slot = makeSlot();
				await clones.putSlot(slot);
				const endpoint = { url: 'http://x', ref: 'r' };
				expect(await clones.moveSlot(slot.slot_id, 'booting', 'warm', { endpoint })).toBe(true);
				expect(await clones.getSlot(slot.slot_id)).toEqual({ ...slot, state: 'warm', endpoint });
				expect(await clones.moveSlot(slot.slot_id, 'booting', 'claimed')).toBe(false);
				expect(await clones.moveSlot(slot.slot_id, 'warm', 'claimed', { agent_key_sealed: 'other', endpoint: null })).toBe(true);
				expect(await clones.getSlot(slot.slot_id)).toEqual({ ...slot, state: 'claimed', endpoint: null, agent_key_sealed: 'other' });
				expect(await clones.moveSlot(unique('slot'), 'booting', 'warm')).toBe(false);
			});

			it('gives five warm slots to five of 20 jobs at once, each its own, and the same again to the same job', async () => {
				await empty();
				const warm = Array.from({ length: 5 }, (_, index) => makeSlot({ state: 'warm', created_at: T0 + index }));
				for (const slot of [...warm, makeSlot(), makeSlot({ state: 'claimed', job_id: 'clone-elsewhere' })]) {
					await clones.putSlot(slot);
				}
				await eventually(
					() => clones.slots(),
					(slots) => slots.length === 7,
				);
				const claimants = Array.from({ length: 20 }, () => unique('clone'));
				const claims = await Promise.all(claimants.map((job) => clones.claimWarm(job)));
				const won = claims.flatMap((slot, index) => (slot === undefined ? [] : [{ job: nth(claimants, index), slot }]));
				expect(won).toHaveLength(5);
				expect(new Set(won.map(({ slot }) => slot.slot_id))).toEqual(new Set(warm.map((slot) => slot.slot_id)));
				for (const { job, slot } of won) {
					expect(slot).toMatchObject({ state: 'claimed', job_id: job });
					expect(await clones.claimWarm(job)).toEqual(slot);
					expect(await clones.getSlot(slot.slot_id)).toEqual(slot);
				}
			});

			it('gives one job asking many times at once a single slot', async () => {
				await empty();
				for (let index = 0; index < 3; index++) {
					await clones.putSlot(makeSlot({ state: 'warm' }));
				}
				const job = unique('clone');
				const claims = await Promise.all(Array.from({ length: 10 }, () => clones.claimWarm(job)));
				expect(new Set(claims.map((slot) => present(slot).slot_id)).size).toBe(1);
				expect((await clones.slots()).filter((slot) => slot.job_id === job)).toHaveLength(1);
			});

			it('has none to give when none is warm', async () => {
				await empty();
				await clones.putSlot(makeSlot());
				expect(await clones.claimWarm(unique('clone'))).toBeUndefined();
			});
		});
	});
}
