import type { Random } from '../ports.ts';
import type { Job, JobType, Json, Millis } from './job.ts';

/** JSON with the keys of every object in order, so that equal values have equal texts. */
export function canonicalJson(value: Json): string {
	if (Array.isArray(value)) {
		return `[${value.map((item: Json) => canonicalJson(item)).join(',')}]`;
	}
	if (value !== null && typeof value === 'object') {
		const entries = Object.entries(value as Readonly<Record<string, Json>>).sort(([a], [b]) => (a < b ? -1 : 1));
		return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`;
	}
	return JSON.stringify(value);
}

/** Hex SHA-256 of the UTF-8 text, by Web Crypto (a global of every runtime this runs on). */
export async function sha256Hex(text: string): Promise<string> {
	const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
	return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * `{type}-` and 12 hex digits. With an idempotency key they derive from caller and key, so that the same request twice
 * is one job; without, they are random. 48 bits: the store refuses an id that is taken.
 */
export async function makeJobId(request: { type: JobType; owner: string; idempotencyKey: string | null; random: Random }): Promise<string> {
	const { type, owner, idempotencyKey, random } = request;
	const digits = idempotencyKey === null ? random.hex(12) : (await sha256Hex(canonicalJson(['job', owner, idempotencyKey]))).slice(0, 12);
	return `${type}-${digits}`;
}

/** The context in which a job's secrets are sealed and opened. */
export function jobSealContext(job: { readonly job_id: string; readonly owner: string }): Record<string, string> {
	return { job_id: job.job_id, owner: job.owner };
}

export interface NewJob {
	/** From makeJobId: the id comes first, because the secrets are sealed to it. */
	readonly job_id: string;
	readonly type: JobType;
	readonly owner: string;
	readonly input: Json;
	/** Sealed with `jobSealContext`. */
	readonly sealed_input: string | null;
	readonly clone_id: string | null;
	readonly now: Millis;
	readonly deadlineSeconds: number;
	/** A first estimate, until there is progress to go by. */
	readonly expectedSeconds: number | null;
	/** When it is first due; now unless given. */
	readonly run_at?: Millis;
	readonly status_message?: string;
}

/** A row to accept: pending, due, leased by nobody. */
export function newJob(request: NewJob): Job {
	const { job_id, type, owner, input, sealed_input, clone_id, now, deadlineSeconds, expectedSeconds } = request;
	return {
		job_id,
		owner,
		type,
		status: 'pending',
		progress: 0,
		status_message: request.status_message ?? 'Accepted; waiting for a worker.',
		created_at: now,
		updated_at: now,
		completed_at: null,
		estimated_completion: expectedSeconds === null ? null : now + 1000 * Math.min(expectedSeconds, deadlineSeconds),
		input,
		sealed_input,
		result: null,
		sealed_result: null,
		error: null,
		clone_id,
		deadline: now + 1000 * deadlineSeconds,
		run_at: request.run_at ?? now,
		step: null,
		attempt: 0,
		outputs: {},
		undoing: null,
		cancel_requested: false,
		fence: 0,
		lease_holder: null,
		lease_until: 0,
	};
}
