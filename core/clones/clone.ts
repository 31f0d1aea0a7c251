import type { Json, Millis } from '../jobs/job.ts';

/**
 * `provisioning` → `live` → `deleting` → `deleted`. A clone that never became live goes from `provisioning` to `deleted`.
 * A `deleted` row only frees the name; it may be overwritten by a new clone of that id.
 */
export type CloneState = 'provisioning' | 'live' | 'deleting' | 'deleted';

export interface Clone {
	readonly clone_id: string;
	readonly owner: string;
	/** The job that made it. */
	readonly job_id: string;
	readonly state: CloneState;
	/** Raised by every write. */
	readonly generation: number;
	readonly created_at: Millis;
	readonly ttl_minutes: number;
	/** Null until the clone is usable. */
	readonly expires_at: Millis | null;
	readonly slot_id: string | null;
	readonly url: string | null;
	readonly source_url: string;
	/** What is shown of it beside the above: `wp_version`, `php_version`, `warnings`, … */
	readonly facts: { readonly [key: string]: Json };
}

/** `booting` → `warm` → `claimed` → gone; or `booting` → `claimed` for a cold start made for one job. */
export type SlotState = 'booting' | 'warm' | 'claimed';

/** One running WordPress on the host, before and while it is a clone. */
export interface Slot {
	readonly slot_id: string;
	readonly state: SlotState;
	/** The clone job that holds it. */
	readonly job_id: string | null;
	readonly endpoint: { readonly url: string; readonly ref: string } | null;
	/** Sealed with context `{slot_id}`. */
	readonly agent_key_sealed: string;
	readonly php_version: string | null;
	readonly wp_version: string | null;
	readonly created_at: Millis;
}
