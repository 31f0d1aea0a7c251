/**
 * One attempt of one step. While it runs the lease is renewed; it is told to stop (its signal is aborted) when the lease
 * is lost, its time is up or the worker's is. A step that does not heed the signal is left behind after a short while:
 * its reports are refused from then on, and the caller makes sure that whatever runs next has a higher fencing token.
 */
import { LeaseLostError, TransientError } from '../../errors.ts';
import type { JobPatch } from '../../ports.ts';
import type { Millis } from '../job.ts';
import type { StepContext } from '../step.ts';
import { makeContext } from './context.ts';
import { describe, isPermanent } from './failure.ts';
import { logFields, type Run } from './run.ts';

export type Outcome<T> =
	| { readonly kind: 'returned'; readonly value: T }
	| { readonly kind: 'threw'; readonly error: unknown }
	/** `left` when the step has not answered and may still be running. */
	| { readonly kind: 'stopped'; readonly reason: 'deadline' | 'yield'; readonly left: boolean; readonly error: unknown };

type StopReason = 'deadline' | 'yield' | 'lost' | 'unrenewed';

export interface AttemptOptions {
	/** When the attempt is told to stop. */
	readonly until: Millis;
	progress(fraction: number): JobPatch;
}

/** @throws LeaseLostError; TransientError `lease_not_renewed` when the store could not be reached for a whole lease. */
export async function attempt<T>(run: Run, options: AttemptOptions, act: (context: StepContext) => Promise<T>): Promise<Outcome<T>> {
	const { clock, timers, telemetry } = run.deps;
	const jobId = run.lease.job.job_id;
	const controller = new AbortController();
	const cancels = new Set<() => void>();
	let over = false as boolean;
	let stopped: StopReason | undefined;
	let leave: () => void = () => undefined;
	const left = new Promise<'left'>((resolve) => {
		leave = () => resolve('left');
	});

	const after = (ms: number, run: () => void): void => {
		const cancel = timers.after(ms, () => {
			cancels.delete(cancel);
			if (!over) {
				run();
			}
		});
		cancels.add(cancel);
	};
	const stop = (reason: StopReason): void => {
		if (stopped === undefined && !over) {
			stopped = reason;
			controller.abort(new TransientError('stopped', `The step was told to stop (${reason}).`));
			after(run.settings.abandonMs, leave);
		}
	};
	const renew = async (): Promise<void> => {
		try {
			await run.lease.save({});
		} catch (error) {
			if (error instanceof LeaseLostError) {
				stop('lost');
			} else {
				telemetry.log('warn', 'lease not renewed', { ...logFields(run.lease.job), error: run.redactor.clean(describe(error)) });
				if (clock.now() >= run.lease.job.lease_until) {
					stop('unrenewed');
				}
			}
		}
		renewInTime();
	};
	const renewInTime = (): void => {
		if (!over && stopped !== 'lost' && stopped !== 'unrenewed') {
			after(Math.max(1000, (run.lease.job.lease_until - clock.now()) / 3), () => void renew());
		}
	};
	const shutDown = (): void => stop('yield');

	const context = makeContext(run, {
		signal: controller.signal,
		isOver: () => over,
		leaseLost: () => stop('lost'),
		progress: options.progress,
	});
	after(options.until - clock.now(), () => stop('deadline'));
	const remaining = run.budget.remainingMs();
	if (Number.isFinite(remaining)) {
		after(Math.max(0, remaining - run.settings.yieldMs), shutDown);
	}
	run.budget.signal.addEventListener('abort', shutDown, { once: true });
	renewInTime();

	const answered = (async () => act(context))().then(
		(value) => ({ value }),
		(error: unknown) => ({ error }),
	);
	const first = await Promise.race([answered, left]);
	over = true;
	run.budget.signal.removeEventListener('abort', shutDown);
	for (const cancel of cancels) {
		cancel();
	}

	const reason = stopped as StopReason | undefined;
	const error = first !== 'left' && 'error' in first ? first.error : undefined;
	if (reason === 'lost' || error instanceof LeaseLostError) {
		throw error instanceof LeaseLostError ? error : new LeaseLostError(jobId, { cause: error });
	}
	if (first !== 'left' && 'value' in first) {
		return { kind: 'returned', value: first.value };
	}
	if (reason === 'unrenewed') {
		throw new TransientError('lease_not_renewed', 'The lease could not be renewed in time.', { cause: error });
	}
	if (reason === undefined || isPermanent(error)) {
		return { kind: 'threw', error };
	}
	return { kind: 'stopped', reason, left: first === 'left', error };
}
