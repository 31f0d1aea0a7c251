/** Reads attributes of an item, refusing what the stores do not write: a damaged item must not become a wrong answer. */
import type { Clone, CloneState, Slot, SlotState } from '../../../core/clones/clone.ts';
import type { ErrorInfo } from '../../../core/errors.ts';
import { JOB_STATUSES, JOB_TYPES, type Job, type Json } from '../../../core/jobs/job.ts';
import type { Item } from './items.ts';

const CLONE_STATES: readonly CloneState[] = ['provisioning', 'live', 'deleting', 'deleted'];
const SLOT_STATES: readonly SlotState[] = ['booting', 'warm', 'claimed'];

function wrong(name: string): Error {
	return new Error(`The table holds an unexpected value in "${name}".`);
}

export function text(item: Item, name: string): string {
	const value = item[name];
	if (typeof value !== 'string') throw wrong(name);
	return value;
}

export function number(item: Item, name: string): number {
	const value = item[name];
	if (typeof value !== 'number') throw wrong(name);
	return value;
}

export function textOrNull(item: Item, name: string): string | null {
	return item[name] === null ? null : text(item, name);
}

function numberOrNull(item: Item, name: string): number | null {
	return item[name] === null ? null : number(item, name);
}

function oneOf<T extends string>(item: Item, name: string, values: readonly T[]): T {
	const value = values.find((candidate) => candidate === item[name]);
	if (value === undefined) throw wrong(name);
	return value;
}

function json(item: Item, name: string): Json {
	return JSON.parse(text(item, name)) as Json;
}

/** The shape inside is what the stores wrote. */
function objectOrNull<T extends object>(item: Item, name: string): T | null {
	const value = item[name] === null ? null : json(item, name);
	if (value === null) return null;
	if (typeof value !== 'object' || Array.isArray(value)) throw wrong(name);
	return value as unknown as T;
}

function object<T extends object>(item: Item, name: string): T {
	const value = objectOrNull<T>(item, name);
	if (value === null) throw wrong(name);
	return value;
}

/** As it is stored; null stays null. */
export function jsonText(value: unknown): string | null {
	return value === null ? null : JSON.stringify(value);
}

/** The attributes of a job, without keys. */
export function jobAttributes(job: Job): Item {
	const { input, result, outputs, error, undoing, ...plain } = job;
	return {
		...plain,
		input: JSON.stringify(input),
		result: JSON.stringify(result),
		outputs: JSON.stringify(outputs),
		error: jsonText(error),
		undoing: jsonText(undoing),
	};
}

export function toJob(item: Item): Job {
	return {
		job_id: text(item, 'job_id'),
		owner: text(item, 'owner'),
		type: oneOf(item, 'type', JOB_TYPES),
		status: oneOf(item, 'status', JOB_STATUSES),
		progress: number(item, 'progress'),
		status_message: text(item, 'status_message'),
		created_at: number(item, 'created_at'),
		updated_at: number(item, 'updated_at'),
		completed_at: numberOrNull(item, 'completed_at'),
		estimated_completion: numberOrNull(item, 'estimated_completion'),
		input: json(item, 'input'),
		sealed_input: textOrNull(item, 'sealed_input'),
		result: json(item, 'result'),
		sealed_result: textOrNull(item, 'sealed_result'),
		error: objectOrNull<ErrorInfo>(item, 'error'),
		clone_id: textOrNull(item, 'clone_id'),
		deadline: number(item, 'deadline'),
		run_at: number(item, 'run_at'),
		step: textOrNull(item, 'step'),
		attempt: number(item, 'attempt'),
		outputs: object(item, 'outputs'),
		undoing: objectOrNull<ErrorInfo>(item, 'undoing'),
		cancel_requested: item.cancel_requested === true,
		fence: number(item, 'fence'),
		lease_holder: textOrNull(item, 'lease_holder'),
		lease_until: number(item, 'lease_until'),
	};
}

/** The attributes of a clone, without keys. */
export function cloneAttributes(clone: Clone): Item {
	return { ...clone, facts: JSON.stringify(clone.facts) };
}

export function toClone(item: Item): Clone {
	return {
		clone_id: text(item, 'clone_id'),
		owner: text(item, 'owner'),
		job_id: text(item, 'job_id'),
		state: oneOf(item, 'state', CLONE_STATES),
		generation: number(item, 'generation'),
		created_at: number(item, 'created_at'),
		ttl_minutes: number(item, 'ttl_minutes'),
		expires_at: numberOrNull(item, 'expires_at'),
		slot_id: textOrNull(item, 'slot_id'),
		url: textOrNull(item, 'url'),
		source_url: text(item, 'source_url'),
		facts: object(item, 'facts'),
	};
}

/** The attributes of a slot, without keys. */
export function slotAttributes(slot: Slot): Item {
	return { ...slot, endpoint: jsonText(slot.endpoint) };
}

export function toSlot(item: Item): Slot {
	return {
		slot_id: text(item, 'slot_id'),
		state: oneOf(item, 'state', SLOT_STATES),
		job_id: textOrNull(item, 'job_id'),
		endpoint: objectOrNull(item, 'endpoint'),
		agent_key_sealed: text(item, 'agent_key_sealed'),
		php_version: textOrNull(item, 'php_version'),
		wp_version: textOrNull(item, 'wp_version'),
		created_at: number(item, 'created_at'),
	};
}
