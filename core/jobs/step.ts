import type { ErrorInfo } from '../errors.ts';
import type { Job, JobType, Json } from './job.ts';

/** What a step answers. Throwing is the third answer: PermanentError undoes the job, anything else is tried again. */
export type StepResult =
	| { readonly kind: 'done'; readonly output: Json }
	/** Not yet: call again in `seconds` (0–900). Costs no attempt and occupies no worker. `progress` is within the step, 0–1. */
	| { readonly kind: 'wait'; readonly seconds: number; readonly message?: string; readonly progress?: number };

export const done = (output: Json = null): StepResult => ({ kind: 'done', output });
export const wait = (seconds: number, message?: string, progress?: number): StepResult => ({ kind: 'wait', seconds, message, progress });

export interface StepContext {
	/** The job as it was when the step started. */
	readonly job: Job;
	/** Output of an earlier step; throws if that step has not run (a bug in the definition). */
	output(step: string): Json;
	/** Output of an earlier step, or undefined: for undo, which may run before it. */
	outputOrUndefined(step: string): Json | undefined;
	/** The caller's sealed secrets, opened. @throws SealError; PermanentError `secrets_erased` once the job has ended. */
	secrets(): Promise<Json>;
	/** Writes progress within the step (0–1) and a message, renewing the lease. @throws LeaseLostError */
	report(progress: number, message: string): Promise<void>;
	/** Aborted when the lease is lost, the step's deadline passes or the worker shuts down. */
	readonly signal: AbortSignal;
	readonly now: number;
}

/** A named, idempotent piece of a job. */
export interface Step {
	readonly name: string;
	/** What `status_message` says while it runs. */
	readonly message: string;
	/** Share of the whole progress bar, relative to the other steps. */
	readonly weight: number;
	/** From the step's first run to its `done`, waits included. After it: PermanentError `step_timed_out`. */
	readonly deadlineSeconds: number;
	run(context: StepContext): Promise<StepResult>;
	/** Takes back what the step may have done, also when it was interrupted half-way. Idempotent. Runs in reverse order. */
	undo?(context: StepContext): Promise<StepResult>;
}

export interface Finished {
	readonly result: Json;
	/** Secrets of the result; sealed by the engine. */
	readonly secret_result: Json;
	readonly status_message: string;
}

export interface JobDefinition {
	readonly type: JobType;
	readonly steps: readonly Step[];
	/** Pure: makes the result from the outputs (and secrets kept sealed in them). */
	finish(context: StepContext): Promise<Finished>;
	/** Called once the job was undone, before `failed` or `cancelled` is written. Idempotent. */
	afterUndo?(context: StepContext, reason: ErrorInfo): Promise<void>;
}
