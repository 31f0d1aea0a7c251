/**
 * The warm pool: keeps `size` booted, empty slots ready. Called again and again (each sweep, and after each claim);
 * every call makes one pass and returns. State is in the store, so any number of services may call it.
 */
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

/** @returns how many slots are warm or on the way after this pass. */
export async function maintainWarmPool(deps: SlotDeps, settings: WarmPoolSettings): Promise<PoolCounts> {
	const now = deps.clock.now();
	let warm = 0;
	let booting = 0;
	const pool = (await deps.clones.slots()).filter((slot) => slot.state !== 'claimed');
	for (const slot of pool) {
		const status = await deps.host.status(slot.slot_id);
		const stuck = status.state === 'starting' && now - slot.created_at > settings.bootSeconds * 1000;
		const surplus = warm + booting >= settings.size || slot.php_version !== settings.php;
		if (status.state === 'gone' || stuck || surplus) {
			// Out of the pool first, by a conditional write: a slot that was claimed meanwhile is left alone.
			if (await deps.clones.moveSlot(slot.slot_id, slot.state, 'claimed')) await removeSlot(deps, slot.slot_id);
		} else if (status.state === 'starting') {
			booting++;
		} else {
			if (slot.state === 'booting') await deps.clones.moveSlot(slot.slot_id, 'booting', 'warm', { endpoint: status.endpoint });
			if (status.deadline === undefined || status.deadline - now < settings.deadlineSeconds * 500) {
				await deps.host.extend(slot.slot_id, now + settings.deadlineSeconds * 1000);
			}
			warm++;
		}
	}
	while (warm + booting < settings.size) {
		await startSlot(deps, {
			slot_id: `slot-${deps.random.hex(12)}`,
			state: 'booting',
			job_id: null,
			deadline: now + settings.deadlineSeconds * 1000,
			php_version: settings.php,
			database: 'sqlite',
		});
		booting++;
	}
	return { warm, booting };
}
