import type { ErrorInfo } from '../errors.ts';

/** All times in rows are milliseconds since the epoch (UTC); the API renders them as ISO 8601. */
export type Millis = number;

export const JOB_TYPES = ['clone', 'restore', 'delete'] as const;
export type JobType = (typeof JOB_TYPES)[number];

export const JOB_STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

export const TERMINAL_STATUSES: readonly JobStatus[] = ['completed', 'failed', 'cancelled'];

export function isTerminal(status: JobStatus): boolean {
	return TERMINAL_STATUSES.includes(status);
}

/** JSON as it can be stored. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * A job row. `input` and `outputs` hold no secret: those are in `sealed_input` (the caller's passwords, erased when the
 * job ends) and `sealed_result` (the clone's password and one-time login, erased when the clone is gone).
 */
export interface Job {
	readonly job_id: string;
	readonly owner: string;
	readonly type: JobType;
	readonly status: JobStatus;
	/** 0–100, never goes down. */
	readonly progress: number;
	readonly status_message: string;
	readonly created_at: Millis;
	readonly updated_at: Millis;
	readonly completed_at: Millis | null;
	readonly estimated_completion: Millis | null;
	/** What the caller asked for, validated, without secrets. */
	readonly input: Json;
	readonly sealed_input: string | null;
	readonly result: Json;
	readonly sealed_result: string | null;
	readonly error: ErrorInfo | null;
	readonly clone_id: string | null;
	/** The job is failed by the sweep when it is not terminal by then. */
	readonly deadline: Millis;
	/** When it is next due. The sweep re-sends jobs that are overdue. */
	readonly run_at: Millis;
	/** Name of the step being run; null before the first. */
	readonly step: string | null;
	/** Attempts of the current step that have failed. */
	readonly attempt: number;
	/** Step outputs, the checkpoint. Keys are step names. */
	readonly outputs: { readonly [step: string]: Json };
	/** Set once the job is being undone: why. A cancelled job has code `cancelled`. */
	readonly undoing: ErrorInfo | null;
	readonly cancel_requested: boolean;
	/** Fencing token: raised by every lease. */
	readonly fence: number;
	readonly lease_holder: string | null;
	readonly lease_until: Millis;
}
