import type { Job, JobType, Json, Millis } from './job.ts';

/** The context in which a job's secrets are sealed and opened. */
export function jobSealContext(job: { readonly job_id: string; readonly owner: string }): Record<string, string> {
	return { job_id: job.job_id, owner: job.owner };
}

export interface NewJob {
	/** `{type}-` and 12 hex digits. The id comes first, because the secrets are sealed to it. */
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
