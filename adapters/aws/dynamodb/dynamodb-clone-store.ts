import type { Clone, Slot, SlotState } from '../../../core/clones/clone.ts';
import type { Millis } from '../../../core/jobs/job.ts';
import type { CloneStore, Page } from '../../../core/ports.ts';
import { decodeCursor, toPage } from '../../page-cursor.ts';
import type { DynamoTable, TransactionPart } from './dynamo-table.ts';
import type { Item } from './items.ts';
import {
	beforeTime,
	claimKey,
	cloneKey,
	NEVER,
	ownerClones,
	removableAfter,
	SHARDS,
	SLOTS_PARTITION,
	shardOf,
	slotKey,
	timeKey,
	undeletedClones,
	WARM_SLOTS,
} from './keys.ts';
import { cloneAttributes, jsonText, slotAttributes, text, textOrNull, toClone, toSlot } from './rows.ts';

/** Warm slots looked at in one go; those that others claim meanwhile are passed over. */
const WARM_PAGE = 10;
/** After so many pages of slots that were gone when they were claimed, a job is better off with a slot of its own. */
const CLAIM_ROUNDS = 20;
/** A claim whose slot went away without it is of no use after this, ms. */
const CLAIM_KEPT_MS = 3 * 86_400_000;

type ClonePatch = Partial<Omit<Clone, 'clone_id' | 'generation'>>;

/** Clones and slots in the table. */
export class DynamoCloneStore implements CloneStore {
	readonly #table: DynamoTable;
	readonly #now: () => Millis;

	constructor(table: DynamoTable, now: () => Millis = Date.now) {
		this.#table = table;
		this.#now = now;
	}

	async get(cloneId: string): Promise<Clone | undefined> {
		const item = await this.#table.get(cloneKey(cloneId));
		return item === undefined ? undefined : toClone(item);
	}

	async list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Clone>> {
		const after = decodeCursor(page.cursor);
		const request = {
			index: 'gsi1',
			partition: ownerClones(owner),
			descending: true,
			...(after === null ? {} : { before: timeKey(after.created_at, after.id) }),
		} as const;
		const items = await this.#table.query(request, page.limit + 1);
		return toPage(items.map(toClone), page.limit, (clone) => ({ created_at: clone.created_at, id: clone.clone_id }));
	}

	async update(cloneId: string, generation: number, patch: ClonePatch): Promise<Clone | undefined> {
		const { facts, ...plain } = patch;
		const index = indexChange(cloneId, patch, this.#now());
		const changed = await this.#table.change(cloneKey(cloneId), {
			set: { ...plain, facts: facts === undefined ? undefined : JSON.stringify(facts), ...index.set },
			compute: { generation: '#generation + :one' },
			remove: index.remove,
			condition: '#generation = :generation',
			values: { generation, one: 1 },
		});
		return changed.done ? toClone(changed.item) : undefined;
	}

	async expired(now: Millis, limit: number): Promise<readonly Clone[]> {
		const filter = { expression: '#state = :live', values: { live: 'live' } };
		const shards = await Promise.all(
			SHARDS.map((shard) =>
				this.#table.query({ index: 'gsi2', partition: undeletedClones(shard), before: beforeTime(now + 1), filter }, limit),
			),
		);
		const clones = shards.flat().map(toClone);
		return clones.sort((a, b) => (a.expires_at ?? NEVER) - (b.expires_at ?? NEVER)).slice(0, limit);
	}

	/** Shard by shard. A clone whose time is changed between two pages may be in both or in neither. */
	async allLive(cursor: string | null, limit: number): Promise<Page<Clone>> {
		const position = decodeCursor(cursor);
		const first = position === null ? 0 : shardOf(position.id);
		const items: Item[] = [];
		for (const shard of SHARDS.slice(first)) {
			const after = position !== null && shard === first ? { after: timeKey(position.created_at, position.id) } : {};
			const request = { index: 'gsi2', partition: undeletedClones(shard), ...after } as const;
			items.push(...(await this.#table.query(request, limit + 1 - items.length)));
			if (items.length > limit) break;
		}
		return toPage(items.map(toClone), limit, (clone) => ({ created_at: sortTime(clone), id: clone.clone_id }));
	}

	async putSlot(slot: Slot): Promise<void> {
		await this.#table.put({ ...slotKey(slot.slot_id), ...slotAttributes(slot), ...warmKeys(slot) });
	}

	async getSlot(slotId: string): Promise<Slot | undefined> {
		const item = await this.#table.get(slotKey(slotId));
		return item === undefined ? undefined : toSlot(item);
	}

	async moveSlot(
		slotId: string,
		from: SlotState,
		to: SlotState,
		patch?: Partial<Pick<Slot, 'endpoint' | 'agent_key_sealed'>>,
	): Promise<boolean> {
		const warm = to === 'warm';
		const changed = await this.#table.change(slotKey(slotId), {
			set: {
				state: to,
				endpoint: patch?.endpoint === undefined ? undefined : jsonText(patch.endpoint),
				agent_key_sealed: patch?.agent_key_sealed,
				...(warm ? { gsi2pk: WARM_SLOTS } : {}),
			},
			compute: warm ? { gsi2sk: '#age_key' } : {},
			remove: warm ? [] : ['gsi2pk', 'gsi2sk'],
			condition: '#state = :from',
			values: { from },
		});
		return changed.done;
	}

	/**
	 * One transaction of the slot and of the job's claim, so that a job that asks twice, even at once, has one slot.
	 * The index of warm slots may lag: what is not warm any more is passed over.
	 */
	async claimWarm(jobId: string): Promise<Slot | undefined> {
		for (let round = 0; round < CLAIM_ROUNDS; round++) {
			const claim = await this.#table.get(claimKey(jobId));
			const lost = claim === undefined ? null : text(claim, 'slot_id');
			if (lost !== null) {
				const slot = await this.getSlot(lost);
				if (slot?.job_id === jobId && slot.state === 'claimed') return slot;
			}
			const warm = await this.#table.query({ index: 'gsi2', partition: WARM_SLOTS }, WARM_PAGE);
			const outcome = await this.#claimOneOf(jobId, lost, warm);
			if (outcome !== 'again') return outcome;
		}
		return undefined;
	}

	/** @returns `again` when the job's own claim has changed meanwhile, or all of these were taken and there may be more */
	async #claimOneOf(jobId: string, lost: string | null, warm: readonly Item[]): Promise<Slot | undefined | 'again'> {
		for (const candidate of warm) {
			const slotId = text(candidate, 'slot_id');
			const refused = await this.#table.transact([
				this.#table.putPart(
					{ ...claimKey(jobId), slot_id: slotId, ttl: Math.ceil((this.#now() + CLAIM_KEPT_MS) / 1000) },
					lost === null ? 'attribute_not_exists(#pk)' : '#slot_id = :lost',
					lost === null ? {} : { lost },
				),
				this.#table.changePart(slotKey(slotId), {
					set: { state: 'claimed', job_id: jobId },
					remove: ['gsi2pk', 'gsi2sk'],
					condition: '#state = :warm',
					values: { warm: 'warm' },
				}),
			]);
			// The index may show an older state of it.
			if (refused === null) return this.getSlot(slotId);
			if (refused[0] !== undefined) return 'again';
		}
		return warm.length < WARM_PAGE ? undefined : 'again';
	}

	/** A consistent read of all. */
	async slots(): Promise<readonly Slot[]> {
		const items: Item[] = [];
		for await (const page of this.#table.pages({ partition: SLOTS_PARTITION }, 1000)) items.push(...page);
		return items.map(toSlot).sort((a, b) => a.created_at - b.created_at || (a.slot_id < b.slot_id ? -1 : 1));
	}

	async removeSlot(slotId: string): Promise<void> {
		const removed = await this.#table.remove(slotKey(slotId));
		const jobId = removed === undefined ? null : textOrNull(removed, 'job_id');
		if (jobId !== null) await this.#table.remove(claimKey(jobId), { condition: '#slot_id = :slot_id', values: { slot_id: slotId } });
	}
}

/**
 * Part of accepting a clone job: takes a name that is free, or that a deleted clone left. The generation goes on from
 * there: whoever still holds the old one can change nothing.
 */
export function claimClonePart(table: DynamoTable, clone: Clone): TransactionPart {
	const { generation, ...attributes } = cloneAttributes(clone);
	const index = indexChange(clone.clone_id, clone, clone.created_at);
	return table.changePart(cloneKey(clone.clone_id), {
		set: { ...attributes, gsi1pk: ownerClones(clone.owner), gsi1sk: timeKey(clone.created_at, clone.clone_id), ...index.set },
		compute: { generation: 'if_not_exists(#generation, :before) + :one' },
		remove: [...index.remove, 'ttl'],
		condition: 'attribute_not_exists(#pk) OR #state = :deleted',
		values: { before: clone.generation - 1, one: 1, deleted: 'deleted' },
	});
}

/** Where a clone stands among the undeleted: at its end, when it has one. */
function sortTime(clone: Pick<ClonePatch, 'expires_at'>): Millis {
	return clone.expires_at ?? NEVER;
}

interface IndexChange {
	readonly set: Readonly<Record<string, string | number>>;
	readonly remove: readonly string[];
}

function indexChange(cloneId: string, patch: ClonePatch, now: Millis): IndexChange {
	if (patch.state === 'deleted') return { set: { ttl: removableAfter(now) }, remove: ['gsi1pk', 'gsi1sk', 'gsi2pk', 'gsi2sk'] };
	if (patch.expires_at === undefined) return { set: {}, remove: [] };
	return { set: { gsi2pk: undeletedClones(shardOf(cloneId)), gsi2sk: timeKey(sortTime(patch), cloneId) }, remove: [] };
}

function warmKeys(slot: Slot): Item {
	const age = timeKey(slot.created_at, slot.slot_id);
	return { age_key: age, ...(slot.state === 'warm' ? { gsi2pk: WARM_SLOTS, gsi2sk: age } : {}) };
}
