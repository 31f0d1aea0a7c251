/**
 * The warm pool: keeps `size` booted, empty slots ready. Called again and again (each sweep, and after each claim);
 * every call makes one pass and returns. State is in the store, so any number of services may call it.
 *
 * Life cycle of a slot: started when there are too few; `warm` once the host says it is ready; its deadline is renewed while
 * it waits; then claimed, or taken out: when the host lost it, when it does not come up, when the pool was made smaller, or
 * when it is outdated. Outdated slots are replaced one by one, each after its successor is ready, so an upgrade never leaves
 * fewer than `size`; only where the host has no room for one more than that, one has to go first.
 */
import type { SlotStatus } from '../ports.ts';
import type { Slot } from './clone.ts';
import { removeSlot, type SlotDeps, startSlot } from './slots.ts';

export interface WarmPoolSettings {
	readonly size: number;
	readonly php: string;
	/** The host's own deadline for a slot that nobody claims, seconds; renewed at half of it. */
	readonly deadlineSeconds: number;
	/** A slot that is not ready by then is given up, seconds. */
	readonly bootSeconds: number;
}

export interface PoolCounts {
	readonly warm: number;
	readonly booting: number;
}

/** What fails as soon as it is started (an image that is not there) would fail again: not more often than this. */
const RETRY_MS = 30_000;

/** A slot of the pool as one pass finds it. */
export interface PooledSlot {
	readonly slot: Slot;
	readonly state: 'ready' | 'starting' | 'gone';
	/** Starting, and the host says that it waits for something: room, a node, an image. */
	readonly held: boolean;
	/** Made from another image, or another PHP, than a slot that is started now. */
	readonly outdated: boolean;
}

export interface PoolPlan {
	readonly remove: readonly Slot[];
	/** How many to start. */
	readonly start: number;
}

/** What a pass does: pure. */
export function planWarmPool(pool: readonly PooledSlot[], size: number): PoolPlan {
	const remove = pool.filter((one) => one.state === 'gone' || (one.outdated && one.state === 'starting'));
	const left = pool.filter((one) => !remove.includes(one));
	const current = left.filter((one) => !one.outdated);
	const ready = current.filter((one) => one.state === 'ready');
	const starting = current.filter((one) => one.state === 'starting');
	const outdated = left.filter((one) => one.outdated);
	// Too many: of the current ones those first that are not ready.
	const surplus = [...starting, ...ready].slice(0, Math.max(0, current.length - size));
	// An old one stays until there are enough without it.
	const spare = ready.length + outdated.length - size;
	const noRoom = spare === 0 && size > 0 && starting.some((one) => one.held);
	const replaced = outdated.slice(0, noRoom ? 1 : Math.max(0, spare));
	const kept = outdated.length - replaced.length;
	const missing = Math.max(0, size - current.length);
	return {
		remove: [...remove, ...surplus, ...replaced].map((one) => one.slot),
		// One more than the size at a time while old ones are replaced.
		start: kept === 0 ? missing : Math.min(missing, Math.max(0, size + 1 - kept - current.length)),
	};
}

/** @returns how many slots are warm or on the way after this pass. */
export async function maintainWarmPool(deps: SlotDeps, settings: WarmPoolSettings): Promise<PoolCounts> {
	const now = deps.clock.now();
	const slots = (await deps.clones.slots()).filter((slot) => slot.state !== 'claimed');
	const pool = await Promise.all(
		slots.map(async (slot): Promise<PooledSlot> => {
			const status = await deps.host.status(slot.slot_id);
			if (status.state === 'ready') await keepReady(deps, settings, slot, status, now);
			const age = now - slot.created_at;
			const stuck = status.state === 'starting' && age > settings.bootSeconds * 1000;
			const failedSoon = status.state === 'gone' && slot.state === 'booting' && age < RETRY_MS;
			return {
				slot,
				state: stuck ? 'gone' : failedSoon ? 'starting' : status.state,
				held: status.state === 'starting' && status.waiting !== undefined,
				outdated: (status.state !== 'gone' && status.outdated === true) || slot.php_version !== settings.php,
			};
		}),
	);
	const plan = planWarmPool(pool, settings.size);
	await Promise.all(plan.remove.map((slot) => takeOut(deps, slot.slot_id)));
	await Promise.all(Array.from({ length: plan.start }, () => startWarm(deps, settings, now)));
	const left = pool.filter((one) => !plan.remove.includes(one.slot));
	const warm = left.filter((one) => one.state === 'ready').length;
	return { warm, booting: left.length - warm + plan.start };
}

async function startWarm(deps: SlotDeps, settings: WarmPoolSettings, now: number): Promise<void> {
	await startSlot(deps, {
		slot_id: `slot-${deps.random.hex(12)}`,
		state: 'booting',
		job_id: null,
		deadline: now + settings.deadlineSeconds * 1000,
		php_version: settings.php,
		database: 'sqlite',
	});
}

async function keepReady(
	deps: SlotDeps,
	settings: WarmPoolSettings,
	slot: Slot,
	status: Extract<SlotStatus, { state: 'ready' }>,
	now: number,
): Promise<void> {
	if (slot.state === 'booting') await deps.clones.moveSlot(slot.slot_id, 'booting', 'warm', { endpoint: status.endpoint });
	if (status.deadline === undefined || status.deadline - now < settings.deadlineSeconds * 500) {
		await deps.host.extend(slot.slot_id, now + settings.deadlineSeconds * 1000);
	}
}

/** Out of the pool first, by a conditional write: a slot that was claimed meanwhile is left alone. */
async function takeOut(deps: SlotDeps, slotId: string): Promise<void> {
	const taken = (await deps.clones.moveSlot(slotId, 'warm', 'claimed')) || (await deps.clones.moveSlot(slotId, 'booting', 'claimed'));
	if (taken) await removeSlot(deps, slotId);
}
