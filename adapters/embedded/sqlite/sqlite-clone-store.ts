import type { SQLInputValue } from 'node:sqlite';
import type { Clone, CloneState, Slot, SlotState } from '../../../core/clones/clone.ts';
import type { Millis } from '../../../core/jobs/job.ts';
import type { CloneStore, Page } from '../../../core/ports.ts';
import { decodeCursor, START, toPage } from '../../page-cursor.ts';
import type { Row, SqliteDatabase } from './sqlite-database.ts';
import { number, numberOrNull, object, objectOrNull, oneOf, text, textOrNull } from './sqlite-rows.ts';

const CLONE_STATES: readonly CloneState[] = ['provisioning', 'live', 'deleting', 'deleted'];
const SLOT_STATES: readonly SlotState[] = ['booting', 'warm', 'claimed'];

const SQL = {
	get: 'SELECT * FROM clones WHERE clone_id = ?',
	list: `SELECT * FROM clones WHERE owner = ? AND state <> 'deleted' AND (created_at, clone_id) < (?, ?)
		ORDER BY created_at DESC, clone_id DESC LIMIT ?`,
	expired: `SELECT * FROM clones WHERE state = 'live' AND expires_at <= ? ORDER BY expires_at LIMIT ?`,
	allLive: `SELECT * FROM clones WHERE state <> 'deleted' AND clone_id > ? ORDER BY clone_id LIMIT ?`,
	putSlot: `INSERT INTO slots (slot_id, state, job_id, endpoint_json, agent_key_sealed, php_version, wp_version, created_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (slot_id) DO UPDATE SET state = excluded.state, job_id = excluded.job_id, endpoint_json = excluded.endpoint_json,
		agent_key_sealed = excluded.agent_key_sealed, php_version = excluded.php_version, wp_version = excluded.wp_version`,
	getSlot: 'SELECT * FROM slots WHERE slot_id = ?',
	claimedBy: `SELECT * FROM slots WHERE job_id = ? AND state = 'claimed'`,
	// The oldest first: it is the one that has been ready the longest.
	claimWarm: `UPDATE slots SET state = 'claimed', job_id = ?
		WHERE slot_id = (SELECT slot_id FROM slots WHERE state = 'warm' ORDER BY created_at, slot_id LIMIT 1) RETURNING *`,
	slots: 'SELECT * FROM slots ORDER BY created_at, slot_id',
	removeSlot: 'DELETE FROM slots WHERE slot_id = ?',
} as const;

/** Clones and slots in the service's own SQLite file. */
export class SqliteCloneStore implements CloneStore {
	readonly #db: SqliteDatabase;
	readonly #now: () => Millis;

	/** @param now when a clone is deleted, its row is kept for a while from then (sqlite-retention.ts) */
	constructor(db: SqliteDatabase, now: () => Millis = Date.now) {
		this.#db = db;
		this.#now = now;
	}

	async get(cloneId: string): Promise<Clone | undefined> {
		const row = this.#db.get(SQL.get, cloneId);
		return row === undefined ? undefined : toClone(row);
	}

	async list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Clone>> {
		const after = decodeCursor(page.cursor) ?? START;
		const rows = this.#db.all(SQL.list, owner, after.created_at, after.id, page.limit + 1);
		return toPage(rows.map(toClone), page.limit, positionOf);
	}

	async update(cloneId: string, generation: number, patch: Partial<Omit<Clone, 'clone_id' | 'generation'>>): Promise<Clone | undefined> {
		const sets = patchColumns(patch, this.#now());
		const assignments = [...sets.map(([column]) => `${column} = ?`), 'generation = generation + 1'].join(', ');
		const sql = `UPDATE clones SET ${assignments} WHERE clone_id = ? AND generation = ? RETURNING *`;
		const row = this.#db.get(sql, ...sets.map(([, value]) => value), cloneId, generation);
		return row === undefined ? undefined : toClone(row);
	}

	async expired(now: Millis, limit: number): Promise<readonly Clone[]> {
		return this.#db.all(SQL.expired, now, limit).map(toClone);
	}

	async allLive(cursor: string | null, limit: number): Promise<Page<Clone>> {
		const rows = this.#db.all(SQL.allLive, decodeCursor(cursor)?.id ?? '', limit + 1);
		return toPage(rows.map(toClone), limit, positionOf);
	}

	async putSlot(slot: Slot): Promise<void> {
		const { slot_id, state, job_id, endpoint, agent_key_sealed, php_version, wp_version, created_at } = slot;
		this.#db.run(SQL.putSlot, slot_id, state, job_id, jsonValue(endpoint), agent_key_sealed, php_version, wp_version, created_at);
	}

	async getSlot(slotId: string): Promise<Slot | undefined> {
		const row = this.#db.get(SQL.getSlot, slotId);
		return row === undefined ? undefined : toSlot(row);
	}

	async moveSlot(
		slotId: string,
		from: SlotState,
		to: SlotState,
		patch?: Partial<Pick<Slot, 'endpoint' | 'agent_key_sealed'>>,
	): Promise<boolean> {
		const sets: [string, SQLInputValue][] = [['state', to]];
		if (patch?.endpoint !== undefined) {
			sets.push(['endpoint_json', jsonValue(patch.endpoint)]);
		}
		if (patch?.agent_key_sealed !== undefined) {
			sets.push(['agent_key_sealed', patch.agent_key_sealed]);
		}
		const sql = `UPDATE slots SET ${sets.map(([column]) => `${column} = ?`).join(', ')} WHERE slot_id = ? AND state = ?`;
		return this.#db.run(sql, ...sets.map(([, value]) => value), slotId, from) === 1;
	}

	async claimWarm(jobId: string): Promise<Slot | undefined> {
		const row = this.#db.transaction(() => this.#db.get(SQL.claimedBy, jobId) ?? this.#db.get(SQL.claimWarm, jobId));
		return row === undefined ? undefined : toSlot(row);
	}

	async slots(): Promise<readonly Slot[]> {
		return this.#db.all(SQL.slots).map(toSlot);
	}

	async removeSlot(slotId: string): Promise<void> {
		this.#db.run(SQL.removeSlot, slotId);
	}
}

function positionOf(clone: Clone): { created_at: Millis; id: string } {
	return { created_at: clone.created_at, id: clone.clone_id };
}

function jsonValue(value: unknown): string | null {
	return value === null ? null : JSON.stringify(value);
}

const PLAIN = ['owner', 'job_id', 'state', 'created_at', 'ttl_minutes', 'expires_at', 'slot_id', 'url', 'source_url'] as const;

function patchColumns(patch: Partial<Omit<Clone, 'clone_id' | 'generation'>>, now: Millis): [string, SQLInputValue][] {
	const columns: [string, SQLInputValue][] = [];
	for (const field of PLAIN) {
		const value = patch[field];
		if (value !== undefined) {
			columns.push([field, value]);
		}
	}
	if (patch.state !== undefined) {
		columns.push(['deleted_at', patch.state === 'deleted' ? now : null]);
	}
	if (patch.facts !== undefined) {
		columns.push(['facts_json', JSON.stringify(patch.facts)]);
	}
	return columns;
}

function toClone(row: Row): Clone {
	return {
		clone_id: text(row, 'clone_id'),
		owner: text(row, 'owner'),
		job_id: text(row, 'job_id'),
		state: oneOf(row, 'state', CLONE_STATES),
		generation: number(row, 'generation'),
		created_at: number(row, 'created_at'),
		ttl_minutes: number(row, 'ttl_minutes'),
		expires_at: numberOrNull(row, 'expires_at'),
		slot_id: textOrNull(row, 'slot_id'),
		url: textOrNull(row, 'url'),
		source_url: text(row, 'source_url'),
		facts: object(row, 'facts_json'),
	};
}

function toSlot(row: Row): Slot {
	return {
		slot_id: text(row, 'slot_id'),
		state: oneOf(row, 'state', SLOT_STATES),
		job_id: textOrNull(row, 'job_id'),
		endpoint: objectOrNull(row, 'endpoint_json'),
		agent_key_sealed: text(row, 'agent_key_sealed'),
		php_version: textOrNull(row, 'php_version'),
		wp_version: textOrNull(row, 'wp_version'),
		created_at: number(row, 'created_at'),
	};
}
