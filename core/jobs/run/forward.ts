import type { ErrorInfo } from '../../errors.ts';
import type { JobPatch } from '../../ports.ts';
import type { Job } from '../job.ts';
import { jobSealContext } from '../new-job.ts';
import type { Step, StepContext } from '../step.ts';
import { attempt } from './attempt.ts';
import { backoffSeconds } from './backoff.ts';
import { FINISH, nextStep, startedAt, withOutput, withoutCrashes, withStarted } from './checkpoint.ts';
import { endJob } from './end.ts';
import { DEADLINE_EXCEEDED, describe, infoOf, isPermanent, retryAfter, stepTimedOut } from './failure.ts';
import { estimateCompletion, progressOf } from './progress.ts';
import { isSpent, later, logFields, type Run, type RunAnswer } from './run.ts';
import { beginUndo } from './undo.ts';

/** What the loop of the engine does next: go on with the row as it is now, or answer. */
export type Turn = 'go on' | RunAnswer;

interface Action<T> {
	readonly name: string;
	readonly message: string;
	readonly deadlineSeconds: number;
	act(context: StepContext): Promise<T>;
}

/** Runs the next step once and writes down what came of it. */
export async function runStep(run: Run, step: Step): Promise<Turn> {
	const outcome = await runAction(run, { ...step, act: (context) => step.run(context) });
	if ('turn' in outcome) {
		return outcome.turn;
	}
	const { clock, telemetry } = run.deps;
	const { job } = run.lease;
	const { steps } = run.definition;
	const result = outcome.value;
	const now = clock.now();
	if (result.kind === 'wait') {
		const outputs = withoutCrashes(job.outputs);
		const message = result.message === undefined ? {} : { status_message: run.redactor.clean(result.message) };
		return later(
			run,
			{ ...progressPatch(run, job, step.name, result.progress), ...message, outputs, attempt: 0 },
			result.seconds,
			stepEnd(job, step),
		);
	}
	telemetry.metric('step_seconds', (now - (startedAt(job.outputs, step.name) ?? now)) / 1000, 'seconds', {
		type: job.type,
		step: step.name,
	});
	const outputs = withOutput(withoutCrashes(job.outputs), step.name, result.output);
	const progress = progressOf(steps, outputs);
	const next = nextStep(steps, outputs);
	const patch: JobPatch = {
		outputs,
		attempt: 0,
		progress,
		estimated_completion: estimateCompletion(job, steps, outputs, progress, now),
		...(next === undefined ? {} : { step: next.name, status_message: next.message }),
	};
	if (isSpent(run)) {
		// The next step's time does not begin before a worker has time for it.
		return later(run, patch, 0);
	}
	await run.lease.save({ ...patch, outputs: withStarted(outputs, next?.name ?? FINISH, now) });
	return 'go on';
}

/** All steps are done: makes the result and completes the job. */
export async function finishJob(run: Run): Promise<Turn> {
	const { job } = run.lease;
	const outcome = await runAction(run, {
		name: FINISH,
		message: job.status_message,
		// Everything is done by now: no deadline but the job's own may undo it, least of all the time a crash costs.
		deadlineSeconds: Number.POSITIVE_INFINITY,
		async act(context) {
			const finished = await run.definition.finish(context);
			const secret = finished.secret_result;
			return { finished, sealed: secret === null ? null : await run.deps.secrets.seal(JSON.stringify(secret), jobSealContext(job)) };
		},
	});
	if ('turn' in outcome) {
		return outcome.turn;
	}
	const { finished, sealed } = outcome.value;
	return endJob(run, 'completed', {
		progress: 100,
		result: finished.result,
		sealed_result: sealed,
		error: null,
		status_message: run.redactor.clean(finished.status_message),
	});
}

/** Runs `action` under its deadline and turns every failure into the job's next move. */
async function runAction<T>(run: Run, action: Action<T>): Promise<{ value: T } | { turn: Turn }> {
	const { clock } = run.deps;
	let { job } = run.lease;
	if (startedAt(job.outputs, action.name) === undefined || job.status !== 'running') {
		job = await run.lease.save({
			status: 'running',
			...(action.name === FINISH ? {} : { step: action.name }),
			status_message: action.message,
			outputs: withStarted(job.outputs, action.name, clock.now()),
		});
		if (job.cancel_requested) {
			return { turn: 'go on' };
		}
	}
	const end = stepEnd(job, action);
	const timedOut = (): ErrorInfo => (end >= job.deadline ? DEADLINE_EXCEEDED : stepTimedOut(action.name, action.deadlineSeconds));
	if (clock.now() >= end) {
		return { turn: await beginUndo(run, timedOut()) };
	}
	const progress = (fraction: number): JobPatch => progressPatch(run, run.lease.job, action.name, fraction);
	const outcome = await attempt(run, { until: end, progress }, (context) => action.act(context));
	if (outcome.kind === 'returned') {
		return { value: outcome.value };
	}
	if (outcome.kind === 'threw') {
		return { turn: await failAttempt(run, action, outcome.error) };
	}
	run.deps.telemetry.log(outcome.left ? 'warn' : 'info', 'step stopped', {
		...logFields(job),
		step: action.name,
		reason: outcome.reason,
		left_running: outcome.left,
	});
	if (outcome.reason === 'yield') {
		return { turn: await later(run, {}, 0) };
	}
	return { turn: await beginUndo(run, timedOut(), { freshLease: outcome.left }) };
}

async function failAttempt<T>(run: Run, action: Action<T>, error: unknown): Promise<Turn> {
	const { settings, deps } = run;
	const { job } = run.lease;
	const failures = job.attempt + 1;
	const last = isPermanent(error) || failures >= settings.attempts;
	deps.telemetry.log(last ? 'error' : 'warn', 'step failed', {
		...logFields(job),
		step: action.name,
		attempt: failures,
		final: last,
		code: infoOf(error).code,
		error: run.redactor.clean(describe(error)),
	});
	deps.telemetry.metric('step_failures', 1, 'count', { type: job.type, step: action.name, code: infoOf(error).code });
	if (last) {
		return beginUndo(run, infoOf(error));
	}
	const backoff = backoffSeconds(failures, deps.random, {
		baseSeconds: settings.backoffBaseSeconds,
		capSeconds: settings.backoffCapSeconds,
	});
	const seconds = Math.max(backoff, Math.min(settings.retryAfterCapSeconds, retryAfter(error)));
	const message = `${action.message}: trying again in ${Math.ceil(seconds)} s (attempt ${failures + 1} of ${settings.attempts}).`;
	return later(run, { attempt: failures, status_message: message, outputs: withoutCrashes(job.outputs) }, seconds, stepEnd(job, action));
}

function stepEnd(job: Job, action: { readonly name: string; readonly deadlineSeconds: number }): number {
	const started = startedAt(job.outputs, action.name);
	return started === undefined ? job.deadline : Math.min(job.deadline, started + 1000 * action.deadlineSeconds);
}

function progressPatch(run: Run, job: Job, step: string, fraction: number | undefined): JobPatch {
	if (fraction === undefined || step === FINISH) {
		return {};
	}
	const { steps } = run.definition;
	const progress = progressOf(steps, job.outputs, { step, fraction });
	return { progress, estimated_completion: estimateCompletion(job, steps, job.outputs, progress, run.deps.clock.now()) };
}
