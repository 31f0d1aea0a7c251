import type { Clone, Slot, SlotState } from '../../../core/clones/clone.ts';
import type { Millis } from '../../../core/jobs/job.ts';
import type { CloneStore, Page } from '../../../core/ports.ts';
import { type MemoryDatabase, newestFirst } from './database.ts';

export class MemoryCloneStore implements CloneStore {
	readonly #db: MemoryDatabase;

	constructor(db: MemoryDatabase) {
		this.#db = db;
	}

	async get(cloneId: string): Promise<Clone | undefined> {
		return this.#db.clones.get(cloneId);
	}

	async list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Clone>> {
		return newestFirst(
			this.#live().filter((clone) => clone.owner === owner),
			(clone) => clone.clone_id,
			page,
		);
	}

	async update(cloneId: string, generation: number, patch: Partial<Omit<Clone, 'clone_id' | 'generation'>>): Promise<Clone | undefined> {
		const clone = this.#db.clones.get(cloneId);
		if (clone === undefined || clone.generation !== generation) {
			return undefined;
		}
		const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
		const written: Clone = { ...clone, ...given, generation: generation + 1 };
		this.#db.clones.set(cloneId, written);
		return written;
	}

	async expired(now: Millis, limit: number): Promise<readonly Clone[]> {
		return this.#live()
			.filter((clone) => clone.state === 'live' && clone.expires_at !== null && clone.expires_at <= now)
			.sort((a, b) => (a.expires_at ?? 0) - (b.expires_at ?? 0))
			.slice(0, limit);
	}

	async allLive(cursor: string | null, limit: number): Promise<Page<Clone>> {
		return newestFirst(this.#live(), (clone) => clone.clone_id, { limit, cursor });
	}

	async putSlot(slot: Slot): Promise<void> {
		this.#db.slots.set(slot.slot_id, slot);
	}

	async getSlot(slotId: string): Promise<Slot | undefined> {
		return this.#db.slots.get(slotId);
	}

	async moveSlot(
		slotId: string,
		from: SlotState,
		to: SlotState,
		patch?: Partial<Pick<Slot, 'endpoint' | 'agent_key_sealed'>>,
	): Promise<boolean> {
		const slot = this.#db.slots.get(slotId);
		if (slot?.state !== from) {
			return false;
		}
		const given = Object.fromEntries(Object.entries(patch ?? {}).filter(([, value]) => value !== undefined));
		this.#db.slots.set(slotId, { ...slot, ...given, state: to });
		return true;
	}

	async claimWarm(jobId: string): Promise<Slot | undefined> {
		const slots = [...this.#db.slots.values()];
		const mine = slots.find((slot) => slot.job_id === jobId && slot.state === 'claimed');
		const warm = mine ?? slots.find((slot) => slot.state === 'warm');
		if (warm === undefined) {
			return undefined;
		}
		const claimed: Slot = { ...warm, state: 'claimed', job_id: jobId };
		this.#db.slots.set(claimed.slot_id, claimed);
		return claimed;
	}

	async slots(): Promise<readonly Slot[]> {
		return [...this.#db.slots.values()];
	}

	async removeSlot(slotId: string): Promise<void> {
		this.#db.slots.delete(slotId);
	}

	#live(): Clone[] {
		return [...this.#db.clones.values()].filter((clone) => clone.state !== 'deleted');
	}
}
