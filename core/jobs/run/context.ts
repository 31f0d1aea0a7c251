import { LeaseLostError, PermanentError } from '../../errors.ts';
import type { JobPatch } from '../../ports.ts';
import type { Json } from '../job.ts';
import { jobSealContext } from '../new-job.ts';
import type { StepContext } from '../step.ts';
import { stepOutput } from './checkpoint.ts';
import { describe } from './failure.ts';
import { logFields, type Run } from './run.ts';

/** What the attempt tells its context. */
export interface AttemptState {
	readonly signal: AbortSignal;
	/** True once the engine has gone on: a step that still runs must not write any more. */
	isOver(): boolean;
	leaseLost(): void;
	/** The part of a report that is stored beside the message. */
	progress(fraction: number): JobPatch;
}

export function makeContext(run: Run, state: AttemptState): StepContext {
	const job = run.lease.job;
	return {
		job,
		signal: state.signal,
		now: run.deps.clock.now(),
		output(step) {
			const output = stepOutput(job.outputs, step);
			if (output === undefined) {
				throw new Error(`The job definition reads the output of "${step}" before that step has run.`);
			}
			return output;
		},
		outputOrUndefined: (step) => stepOutput(job.outputs, step),
		async secrets(): Promise<Json> {
			if (state.isOver()) {
				throw new PermanentError('secrets_erased', 'The job has ended and its secrets are erased. Start a new job.');
			}
			if (job.sealed_input === null) {
				return null;
			}
			const opened = JSON.parse(await run.deps.secrets.open(job.sealed_input, jobSealContext(job))) as Json;
			run.redactor.learn(opened);
			return opened;
		},
		async report(progress, message) {
			if (state.isOver()) {
				throw new LeaseLostError(job.job_id);
			}
			try {
				await run.lease.save({ ...state.progress(progress), status_message: run.redactor.clean(message) });
			} catch (error) {
				if (error instanceof LeaseLostError) {
					state.leaseLost();
					throw error;
				}
				// A report that could not be written costs nobody an attempt; the lease's renewal notices when the store stays away.
				run.deps.telemetry.log('warn', 'progress not written', { ...logFields(job), error: run.redactor.clean(describe(error)) });
			}
		},
	};
}
