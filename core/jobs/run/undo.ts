/**
 * Undoing a job: the steps that were started, last first, each until its undo is done or given up; then the definition's
 * `afterUndo`; then `failed` or `cancelled`. It always ends: attempts are bounded, and so is the time in all. What was
 * given up is logged and counted (`undo_abandoned`); the sweep and the hosts' own deadlines stand behind it.
 */
import type { ErrorInfo } from '../../errors.ts';
import type { Job, Millis } from '../job.ts';
import type { StepContext, StepResult } from '../step.ts';
import { attempt } from './attempt.ts';
import { backoffSeconds } from './backoff.ts';
import { AFTER_UNDO, isUndone, nextUndo, undoStartedAt, withoutCrashes, withUndone, withUndoStarted } from './checkpoint.ts';
import { endUndone } from './end.ts';
import { describe, infoOf, isPermanent, retryAfter } from './failure.ts';
import type { Turn } from './forward.ts';
import { isSpent, later, logFields, type Run } from './run.ts';

/**
 * Turns the job round.
 * @param options.freshLease the step may still be running: give the lease up, so that the undo has a higher fencing token.
 */
export async function beginUndo(run: Run, reason: ErrorInfo, options?: { freshLease: boolean }): Promise<Turn> {
	const { job } = run.lease;
	const info = { code: reason.code, message: run.redactor.clean(reason.message) };
	const patch = {
		undoing: info,
		attempt: 0,
		estimated_completion: null,
		status_message: reason.code === 'cancelled' ? 'Cancelling: taking back what was done.' : `Taking back what was done. ${info.message}`,
		outputs: withUndoStarted(withoutCrashes(job.outputs), run.deps.clock.now()),
	};
	run.deps.telemetry.log('info', 'undo started', { ...logFields(job), code: reason.code });
	if (options?.freshLease === true) {
		return later(run, patch, 0);
	}
	await run.lease.save(patch);
	return 'go on';
}

/** Undoes one step, or ends the job when there is none left. */
export async function undoNext(run: Run): Promise<Turn> {
	const { job } = run.lease;
	const step = nextUndo(run.definition.steps, job.outputs);
	const undo = step?.undo?.bind(step);
	if (step !== undefined && undo !== undefined) {
		const turn = await tryUndo(run, step.name, undo);
		return typeof turn === 'string' ? turn : markUndone(run, step.name, turn.ended);
	}
	const reason = job.undoing;
	const { afterUndo } = run.definition;
	if (afterUndo !== undefined && reason !== null && !isUndone(job.outputs, AFTER_UNDO)) {
		const turn = await tryUndo(run, AFTER_UNDO, async (context) => {
			await afterUndo(context, reason);
			return { kind: 'done', output: null };
		});
		if (typeof turn === 'string') {
			return turn;
		}
	}
	return endUndone(run);
}

/** The undo that is at hand has cost too many workers: gives it up. */
export async function abandonCurrentUndo(run: Run): Promise<Turn> {
	const name = nextUndo(run.definition.steps, run.lease.job.outputs)?.name ?? AFTER_UNDO;
	reportAbandoned(run, name, 'The undo ended its worker too often.');
	return markUndone(run, name, 'abandoned');
}

async function markUndone(run: Run, name: string, how: 'done' | 'abandoned'): Promise<Turn> {
	const patch = { attempt: 0, outputs: withUndone(withoutCrashes(run.lease.job.outputs), name, how) };
	if (isSpent(run)) {
		return later(run, patch, 0);
	}
	await run.lease.save(patch);
	return 'go on';
}

/** @returns how it ended, or what the engine answers when it has to be tried again later. */
async function tryUndo(
	run: Run,
	name: string,
	undo: (context: StepContext) => Promise<StepResult>,
): Promise<{ ended: 'done' | 'abandoned' } | Turn> {
	const { deps, settings } = run;
	const { job } = run.lease;
	const now = deps.clock.now();
	const limit = undoLimit(run, job);
	const last = now >= limit;
	const until = last
		? now + 1000 * settings.lastUndoAttemptSeconds
		: Math.min(now + 1000 * settings.undoAttemptSeconds, Math.max(limit, now + 1000 * settings.lastUndoAttemptSeconds));
	const outcome = await attempt(run, { until, progress: () => ({}) }, undo);
	const outputs = withoutCrashes(run.lease.job.outputs);
	if (outcome.kind === 'returned') {
		if (outcome.value.kind === 'done') {
			return { ended: 'done' };
		}
		if (last) {
			reportAbandoned(run, name, 'The undo was still waiting when its time was up.');
			return { ended: 'abandoned' };
		}
		return later(run, { outputs, attempt: 0 }, outcome.value.seconds, limit);
	}
	if (outcome.kind === 'stopped' && outcome.reason === 'yield') {
		return later(run, {}, 0, limit);
	}
	const failures = job.attempt + 1;
	const final = last || isPermanent(outcome.error) || failures >= settings.undoAttempts;
	deps.telemetry.log(final ? 'error' : 'warn', 'undo failed', {
		...logFields(job),
		step: name,
		attempt: failures,
		final,
		code: outcome.kind === 'stopped' ? 'timed_out' : infoOf(outcome.error).code,
		error: run.redactor.clean(describe(outcome.error)),
	});
	if (final) {
		reportAbandoned(run, name, 'The undo failed too often.');
		return { ended: 'abandoned' };
	}
	const backoff = backoffSeconds(failures, deps.random, {
		baseSeconds: settings.backoffBaseSeconds,
		capSeconds: settings.backoffCapSeconds,
	});
	const seconds = Math.max(backoff, Math.min(settings.retryAfterCapSeconds, retryAfter(outcome.error)));
	return later(run, { outputs, attempt: failures }, seconds, limit);
}

/** From then on every undo gets one attempt more. */
function undoLimit(run: Run, job: Job): Millis {
	const started = undoStartedAt(job.outputs) ?? run.deps.clock.now();
	return Math.min(
		started + 1000 * run.settings.undoSeconds,
		Math.max(job.deadline, started) + 1000 * run.settings.undoAfterDeadlineSeconds,
	);
}

function reportAbandoned(run: Run, step: string, why: string): void {
	const { job } = run.lease;
	run.deps.telemetry.log('error', 'undo abandoned', { ...logFields(job), step, why });
	run.deps.telemetry.metric('undo_abandoned', 1, 'count', { type: job.type, step });
}
