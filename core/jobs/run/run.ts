import type { Clock, JobPatch, JobQueue, JobStore, Random, SecretBox, Telemetry } from '../../ports.ts';
import type { Job } from '../job.ts';
import type { JobDefinition } from '../step.ts';
import type { Timers } from '../timers.ts';
import type { LeasedJob } from './lease.ts';
import type { Redactor } from './redact.ts';
import type { EngineSettings } from './settings.ts';

/**
 * What became of a message. `finished`: the job is terminal. `waiting`: it is due again later and its id was sent again.
 * `busy`: another worker has it. `unknown`: no such job. These four are acknowledged. `retry`: bookkeeping failed
 * (store or queue down), the message must come back.
 */
export type RunAnswer = 'finished' | 'waiting' | 'busy' | 'unknown' | 'retry';

/** How long the worker may go on. */
export interface Budget {
	/** Milliseconds; may be Infinity. */
	remainingMs(): number;
	/** Aborted when the worker shuts down. */
	readonly signal: AbortSignal;
}

export interface EngineDeps {
	readonly jobs: JobStore;
	readonly queue: JobQueue;
	readonly secrets: SecretBox;
	readonly clock: Clock;
	readonly timers: Timers;
	readonly random: Random;
	readonly telemetry: Telemetry;
}

/** One worker's turn with one job. */
export interface Run {
	readonly deps: EngineDeps;
	readonly settings: EngineSettings;
	readonly definition: JobDefinition;
	readonly lease: LeasedJob;
	readonly budget: Budget;
	readonly redactor: Redactor;
}

/** Fields that every log line of a job carries. */
export function logFields(job: Job): Record<string, unknown> {
	return { job_id: job.job_id, type: job.type, clone_id: job.clone_id, step: job.step, attempt: job.attempt, fence: job.fence };
}

/** The worker's time is up: it starts nothing more. */
export function isSpent(run: Run): boolean {
	return run.budget.signal.aborted || run.budget.remainingMs() <= run.settings.reserveMs;
}

/** A queue delays at most this long (SQS: 15 minutes); a longer wait is several. */
const LONGEST_DELAY = 900;

/**
 * Puts the job aside for `seconds`, but not beyond `notAfter`: one write that also gives up the lease, then one send.
 * If the send fails the sweep finds the job by its `run_at`.
 * @returns `waiting`; throws what the store or the queue throws.
 */
export async function later(run: Run, patch: JobPatch, seconds: number, notAfter: number = run.lease.job.deadline): Promise<RunAnswer> {
	const now = run.deps.clock.now();
	const wanted = Number.isFinite(seconds) ? Math.min(LONGEST_DELAY, Math.max(0, seconds)) : 0;
	const delay = Math.ceil(Math.min(wanted, Math.max(0, notAfter - now) / 1000));
	const job = await run.lease.release({ ...patch, run_at: now + 1000 * delay });
	const hurry = job.cancel_requested && job.undoing === null;
	await run.deps.queue.send(job.job_id, hurry ? 0 : delay);
	return 'waiting';
}
