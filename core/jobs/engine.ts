/**
 * The job engine: takes a job id, takes the job's lease, runs its steps while there is time, and either ends the job or
 * puts it aside with a delay.
 *
 * Life of a job: `pending` → (first step) `running` → all steps done → `finish` → `completed`; or at any point → `undoing`
 * is set → the started steps are undone, last first → `failed` or `cancelled`.
 *
 * Gotchas. Everything that must survive is written before the effect it stands for: a step's start is checkpointed before
 * the step runs, so a step that a crash interrupted is undone too. Waiting is write-then-send; if the send is lost the
 * sweep finds the job by `run_at`. A message that comes while the job waits is a duplicate and is dropped, else each
 * duplicate would live on as a chain of its own. Every write carries the fencing token, so none of this needs the
 * queue to deliver once or in order.
 */
import { LeaseLostError } from '../errors.ts';
import { isTerminal, type Job, type Millis } from './job.ts';
import { crashes, FINISH, nextStep, withCrashes } from './run/checkpoint.ts';
import { endJob } from './run/end.ts';
import { CANCELLED, DEADLINE_EXCEEDED, describe, WORKER_CRASHED } from './run/failure.ts';
import { finishJob, runStep, type Turn } from './run/forward.ts';
import { isHeld, LeasedJob, leaseEnd } from './run/lease.ts';
import { Redactor } from './run/redact.ts';
import { type Budget, type EngineDeps, isSpent, later, logFields, type Run, type RunAnswer } from './run/run.ts';
import { DEFAULT_ENGINE_SETTINGS, type EngineSettings } from './run/settings.ts';
import { abandonCurrentUndo, beginUndo, undoNext } from './run/undo.ts';
import type { JobDefinition } from './step.ts';

export type { Budget, RunAnswer } from './run/run.ts';
export type { EngineSettings } from './run/settings.ts';

export interface EngineOptions extends EngineDeps {
	readonly definitions: readonly JobDefinition[];
	/** What is not given has the value of DEFAULT_ENGINE_SETTINGS. */
	readonly settings?: Partial<EngineSettings>;
}

export interface Engine {
	/** Carries the job on as far as it goes. Never throws: a fault of the store or the queue answers `retry`. */
	run(jobId: string, budget: Budget): Promise<RunAnswer>;
	/**
	 * For a message that keeps killing its worker: the job is undone with `worker_crashed`; of a job that is being undone
	 * already, the undo at hand is given up. Either goes on under a new message. Answers like `run`.
	 */
	giveUp(jobId: string): Promise<RunAnswer>;
}

/** @throws Error when a definition is not valid (two of one type, a step's name twice or starting with `$`). */
export function createEngine(options: EngineOptions): Engine {
	const { definitions, settings: given, ...deps } = options;
	const settings: EngineSettings = { ...DEFAULT_ENGINE_SETTINGS, ...given };
	const byType = new Map<string, JobDefinition>();
	for (const definition of definitions) {
		checkDefinition(definition, byType);
		byType.set(definition.type, definition);
	}

	/** Takes the lease, or says why there is nothing to do. */
	async function take(jobId: string, options: { early: boolean }): Promise<{ lease: LeasedJob; crashed: boolean } | RunAnswer> {
		const seen = await deps.jobs.get(jobId);
		if (seen === undefined) {
			deps.telemetry.log('warn', 'unknown job', { job_id: jobId });
			return 'unknown';
		}
		if (isTerminal(seen.status)) {
			return 'finished';
		}
		const now = deps.clock.now();
		if (isHeld(seen, now)) {
			return 'busy';
		}
		if (!options.early && isStray(seen, now, settings)) {
			return 'waiting';
		}
		const leased = await deps.jobs.lease(jobId, { holder: deps.random.hex(16), now, until: leaseEnd(seen, now, settings) });
		if (leased === undefined) {
			return 'busy';
		}
		return { lease: new LeasedJob(deps.jobs, deps.clock, settings, leased), crashed: seen.lease_holder !== null };
	}

	/** Runs `drive` on the leased job; keeps the promises of `run` about errors. */
	async function guarded(
		jobId: string,
		redactor: Redactor,
		early: boolean,
		drive: (lease: LeasedJob, crashed: boolean) => Promise<RunAnswer>,
	): Promise<RunAnswer> {
		let lease: LeasedJob | undefined;
		try {
			const taken = await take(jobId, { early });
			if (typeof taken === 'string') {
				return taken;
			}
			lease = taken.lease;
			return await drive(taken.lease, taken.crashed);
		} catch (error) {
			const fields = lease === undefined ? { job_id: jobId } : logFields(lease.job);
			if (error instanceof LeaseLostError) {
				deps.telemetry.log('info', 'lease lost', fields);
				deps.telemetry.metric('leases_lost', 1, 'count');
				return 'busy';
			}
			deps.telemetry.log('error', 'job not carried on', { ...fields, error: redactor.clean(describe(error)) });
			await lease?.release({}).catch((reason: unknown) => {
				deps.telemetry.log('info', 'lease not given back', { ...fields, error: redactor.clean(describe(reason)) });
			});
			return 'retry';
		}
	}

	async function drive(run: Run, crashed: boolean): Promise<RunAnswer> {
		if (crashed) {
			await noteCrash(run);
		}
		let turn: Turn = 'go on';
		for (let first = true as boolean; turn === 'go on'; first = false) {
			const { job } = run.lease;
			const deadly = crashes(job.outputs) >= settings.crashLimit;
			if (!first && isSpent(run)) {
				turn = await later(run, {}, 0);
			} else if (job.undoing !== null) {
				turn = await (deadly ? abandonCurrentUndo(run) : undoNext(run));
			} else if (job.cancel_requested) {
				turn = await beginUndo(run, CANCELLED);
			} else if (deadly) {
				turn = await beginUndo(run, WORKER_CRASHED);
			} else if (deps.clock.now() >= job.deadline) {
				turn = await beginUndo(run, DEADLINE_EXCEEDED);
			} else {
				const step = nextStep(run.definition.steps, job.outputs);
				turn = await (step === undefined ? finishJob(run) : runStep(run, step));
			}
		}
		return turn;
	}

	/** The last worker died, or stalled, while it held the lease. */
	async function noteCrash(run: Run): Promise<void> {
		const { job } = run.lease;
		const count = crashes(job.outputs) + 1;
		deps.telemetry.log('warn', 'the last worker did not give the lease back', { ...logFields(job), crashes: count });
		deps.telemetry.metric('workers_crashed', 1, 'count', { type: job.type });
		await run.lease.save({ outputs: withCrashes(job.outputs, count) });
	}

	/** A job of a type this worker does not know: perhaps one of a newer version, so it is left for others until its deadline. */
	async function driveUnknownType(lease: LeasedJob): Promise<RunAnswer> {
		const { job } = lease;
		deps.telemetry.log('error', 'no definition of this job type', logFields(job));
		if (deps.clock.now() < job.deadline) {
			await lease.release({});
			return 'retry';
		}
		return endJob({ deps, lease }, 'failed', { error: DEADLINE_EXCEEDED, status_message: DEADLINE_EXCEEDED.message });
	}

	function start(lease: LeasedJob, redactor: Redactor, budget: Budget): Run | undefined {
		const definition = byType.get(lease.job.type);
		return definition === undefined ? undefined : { deps, settings, definition, lease, budget, redactor };
	}

	return {
		run(jobId, budget) {
			const redactor = new Redactor();
			return guarded(jobId, redactor, false, (lease, crashed) => {
				const run = start(lease, redactor, budget);
				return run === undefined ? driveUnknownType(lease) : drive(run, crashed);
			});
		},
		giveUp(jobId) {
			const redactor = new Redactor();
			return guarded(jobId, redactor, true, async (lease) => {
				const run = start(lease, redactor, { remainingMs: () => 0, signal: AbortSignal.abort() });
				if (run === undefined) {
					return driveUnknownType(lease);
				}
				const turn = await (lease.job.undoing === null ? beginUndo(run, WORKER_CRASHED, { freshLease: true }) : abandonCurrentUndo(run));
				return turn === 'go on' ? later(run, {}, 0) : turn;
			});
		},
	};
}

/**
 * A waiting job has its own message on the way; one that comes earlier is a duplicate. A job not yet started takes any
 * message, and one that is to be cancelled, too.
 */
function isStray(job: Job, now: Millis, settings: EngineSettings): boolean {
	return job.status === 'running' && job.run_at > now + settings.earlyMs && !(job.cancel_requested && job.undoing === null);
}

function checkDefinition(definition: JobDefinition, others: ReadonlyMap<string, JobDefinition>): void {
	if (others.has(definition.type)) {
		throw new Error(`There are two definitions of the job type "${definition.type}".`);
	}
	const names = new Set<string>();
	for (const { name } of definition.steps) {
		if (name === '' || name.startsWith(FINISH.charAt(0)) || names.has(name)) {
			throw new Error(`The job type "${definition.type}" has a step of the name "${name}", which is taken or reserved.`);
		}
		names.add(name);
	}
}
