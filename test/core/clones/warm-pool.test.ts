/** What a pass of the warm pool decides, played through against a host of numbers. */
import { expect, it } from 'vitest';
import type { Slot } from '../../../core/clones/clone.ts';
import { type PooledSlot, planWarmPool } from '../../../core/clones/warm-pool.ts';

let made = 0;
function pooled(state: PooledSlot['state'], more: Partial<PooledSlot> = {}): PooledSlot {
	made++;
	const slot: Slot = {
		slot_id: `slot-${made}`,
		state: state === 'ready' ? 'warm' : 'booting',
		job_id: null,
		endpoint: null,
		agent_key_sealed: 'sealed',
		php_version: '8.4',
		wp_version: null,
		created_at: made,
	};
	return { slot, state, held: false, outdated: false, ...more };
}

const isReady = (one: PooledSlot): boolean => one.state === 'ready';

/** One pass, and the host's answer to it: what was started is `starting`, what started is `ready` where `room` allows. */
function pass(pool: readonly PooledSlot[], size: number, room: number): PooledSlot[] {
	const plan = planWarmPool(pool, size);
	const left = pool.filter((one) => !plan.remove.includes(one.slot));
	const started = Array.from({ length: plan.start }, () => pooled('starting'));
	let running = left.filter(isReady).length;
	return [...left, ...started].map((one, at) => {
		if (one.state !== 'starting' || at >= left.length) return one;
		return running++ < room ? { ...one, state: 'ready', held: false } : { ...one, held: true };
	});
}

/** Passes until nothing changes. @returns the pool after each */
function settle(pool: readonly PooledSlot[], size: number, room = Number.POSITIVE_INFINITY): PooledSlot[][] {
	const seen: PooledSlot[][] = [[...pool]];
	for (let turn = 0; turn < 60; turn++) {
		const before = seen.at(-1) ?? [];
		const after = pass(before, size, room);
		seen.push(after);
		const done = after.length === size && after.every((one) => isReady(one) && !one.outdated);
		if (done) return seen;
	}
	throw new Error(`The pool has not settled: ${JSON.stringify(seen.at(-1))}`);
}

const many = (count: number, state: PooledSlot['state'], more: Partial<PooledSlot> = {}): PooledSlot[] =>
	Array.from({ length: count }, () => pooled(state, more));

it('fills up, grows, shrinks and drains', () => {
	expect(planWarmPool([], 3)).toEqual({ remove: [], start: 3 });
	expect(planWarmPool([...many(2, 'ready'), pooled('starting')], 3)).toEqual({ remove: [], start: 0 });
	expect(planWarmPool(many(2, 'ready'), 5).start).toBe(3);
	const [one, two, three] = [pooled('ready'), pooled('starting'), pooled('ready')];
	expect(planWarmPool([one, two, three], 2)).toEqual({ remove: [two.slot], start: 0 });
	expect(planWarmPool([one, two, three], 1).remove).toEqual([two.slot, one.slot]);
	expect(planWarmPool([one, two, three, pooled('ready', { outdated: true })], 0)).toMatchObject({ remove: { length: 4 }, start: 0 });
});

it('takes out what the host lost, and starts another for it', () => {
	const lost = pooled('gone');
	expect(planWarmPool([pooled('ready'), lost], 2)).toEqual({ remove: [lost.slot], start: 1 });
});

it('replaces outdated slots without ever having fewer ready than its size', () => {
	for (const size of [1, 2, 5]) {
		const passes = settle(many(size, 'ready', { outdated: true }), size);
		for (const pool of passes) {
			expect(pool.filter(isReady).length).toBeGreaterThanOrEqual(size);
			expect(pool.length).toBeLessThanOrEqual(size + 1);
		}
	}
});

it('gives up one at a time where there is no room for one more', () => {
	for (const size of [1, 2, 5]) {
		const passes = settle(many(size, 'ready', { outdated: true }), size, size);
		for (const pool of passes) expect(pool.filter(isReady).length).toBeGreaterThanOrEqual(size - 1);
	}
});

it('gives up no second one while the first one’s place is not taken yet', () => {
	const old = pooled('ready', { outdated: true });
	expect(planWarmPool([old, pooled('starting', { held: true })], 2)).toEqual({ remove: [], start: 1 });
});

it('does not wait for outdated slots that are not ready yet', () => {
	const old = pooled('starting', { outdated: true });
	expect(planWarmPool([old], 1)).toEqual({ remove: [old.slot], start: 1 });
});

it('replaces while it grows and while it shrinks', () => {
	for (const [from, to] of [
		[2, 5],
		[5, 2],
	] as const) {
		for (const pool of settle(many(from, 'ready', { outdated: true }), to)) {
			expect(pool.filter(isReady).length).toBeGreaterThanOrEqual(Math.min(from, to));
		}
	}
});
