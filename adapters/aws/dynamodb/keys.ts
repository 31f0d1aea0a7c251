/** Where each item lies (table-schema.ts), as attributes to write. */
import type { Millis } from '../../../core/jobs/job.ts';
import { RETENTION_DAYS } from '../../../core/retention.ts';
import { DUE_SHARDS } from '../table-schema.ts';

export interface Key {
	readonly pk: string;
	readonly sk: string;
}

export const jobKey = (jobId: string): Key => ({ pk: `JOB#${jobId}`, sk: 'JOB' });
export const idempotencyKey = (owner: string, keyHash: string): Key => ({ pk: `KEY#${owner}#${keyHash}`, sk: 'KEY' });
export const cloneKey = (cloneId: string): Key => ({ pk: `CLONE#${cloneId}`, sk: 'CLONE' });
export const SLOTS_PARTITION = 'SLOTS';
export const slotKey = (slotId: string): Key => ({ pk: SLOTS_PARTITION, sk: slotId });
export const claimKey = (jobId: string): Key => ({ pk: `CLAIM#${jobId}`, sk: 'CLAIM' });

export const ownerJobs = (owner: string): string => `JOBS#${owner}`;
export const ownerClones = (owner: string): string => `CLONES#${owner}`;
export const dueJobs = (shard: number): string => `DUE#${shard}`;
export const endedJobs = (status: string): string => `ENDED#${status}`;
export const undeletedClones = (shard: number): string => `CLONES#${shard}`;
export const WARM_SLOTS = 'WARM';

/** Later than any time there is; the sort key of a clone that has no end yet. */
export const NEVER: Millis = 999_999_999_999_999;

/** Sorts as the time does, then as the id does. */
export function timeKey(time: Millis, id: string): string {
	return `${String(Math.round(time)).padStart(15, '0')}#${id}`;
}

/** Sorts before every key of that moment, and after every earlier one. */
export function beforeTime(time: Millis): string {
	return timeKey(Math.ceil(time), '').slice(0, -1);
}

export const SHARDS: readonly number[] = Array.from({ length: DUE_SHARDS }, (_, shard) => shard);

/** FNV-1a: spreads ids that are alike, too. */
export function shardOf(id: string): number {
	let hash = 0x811c9dc5;
	for (let index = 0; index < id.length; index++) hash = Math.imul(hash ^ id.charCodeAt(index), 0x01000193);
	return (hash >>> 0) % DUE_SHARDS;
}

/** Value of the TTL attribute for what ended at `time`: epoch seconds. */
export function removableAfter(time: Millis): number {
	return Math.ceil(time / 1000) + RETENTION_DAYS * 86_400;
}
