/**
 * The delete job: await_expiry (only for the job that waits for a clone's time) → close → remove → forget.
 * One such job a clone is accepted when the clone goes live, due at `expires_at`; the TTL schedule sends its id then.
 * A caller's own DELETE is a job of its own; whichever comes second finds nothing left to do.
 */
import * as z from 'zod';
import { TransientError } from '../errors.ts';
import type { Job } from '../jobs/job.ts';
import { newJob } from '../jobs/new-job.ts';
import { done, type JobDefinition, type Step, type StepContext, wait } from '../jobs/step.ts';
import type { Clock, CloneDatabases, CloneHost, CloneStore, JobQueue, JobStore, TtlSchedule } from '../ports.ts';
import type { Clone } from './clone.ts';
import { removeSlot } from './slots.ts';

export interface DeleteJobDeps {
	readonly jobs: JobStore;
	readonly clones: CloneStore;
	readonly queue: JobQueue;
	readonly host: CloneHost;
	readonly databases?: CloneDatabases | undefined;
	readonly ttl: TtlSchedule;
	readonly clock: Clock;
}

/** `clone_job_id` tells a clone from a later one of the same name. */
export const deleteInputSchema = z.looseObject({
	clone_id: z.string(),
	clone_job_id: z.string(),
	reason: z.enum(['request', 'expiry', 'sweep']),
});

/** Time that a delete job has after it is due, ms. */
const DELETE_DEADLINE_MS = 60 * 60_000;
/** A clone's time may be moved up to the longest there is (1440 minutes from its opening): its delete job waits along. */
const LONGEST_TTL_MS = 1440 * 60_000;

/** The job that deletes a clone at its end has the clone job's own digits: `clone-0a1b…` → `delete-0a1b…`. */
export function expiryJobId(clone: Pick<Clone, 'job_id'>): string {
	return `delete-${clone.job_id.slice(clone.job_id.indexOf('-') + 1)}`;
}

export function newDeleteJob(
	clone: Clone,
	job: { job_id: string; reason: 'request' | 'expiry' | 'sweep'; now: number; run_at: number },
): Job {
	const made = newJob({
		job_id: job.job_id,
		type: 'delete',
		owner: clone.owner,
		input: { clone_id: clone.clone_id, clone_job_id: clone.job_id, reason: job.reason },
		sealed_input: null,
		clone_id: clone.clone_id,
		now: job.now,
		deadlineSeconds: DELETE_DEADLINE_MS / 1000,
		expectedSeconds: null,
		run_at: job.run_at,
		status_message: job.run_at > job.now ? `Waits for the end of ${clone.clone_id}` : 'Accepted',
	});
	// Both count from when it is due, not from now.
	const deadline = job.run_at + DELETE_DEADLINE_MS + (job.reason === 'expiry' ? LONGEST_TTL_MS : 0);
	return { ...made, estimated_completion: job.run_at, deadline };
}

/** Makes sure that a live clone's own delete job exists and is sent at `expires_at`. Idempotent. */
export async function scheduleDeletion(deps: Pick<DeleteJobDeps, 'jobs' | 'ttl' | 'clock'>, clone: Clone): Promise<void> {
	if (clone.expires_at === null) return;
	const jobId = expiryJobId(clone);
	if ((await deps.jobs.get(jobId)) === undefined) {
		await deps.jobs.accept({
			job: newDeleteJob(clone, { job_id: jobId, reason: 'expiry', now: deps.clock.now(), run_at: clone.expires_at }),
			idempotency: null,
			clone: null,
		});
	}
	await deps.ttl.set(clone.clone_id, clone.expires_at, jobId);
}

/** Takes back `scheduleDeletion`: the clone was never opened, or is gone already. Idempotent. */
export async function unscheduleDeletion(deps: Pick<DeleteJobDeps, 'jobs' | 'ttl' | 'clock' | 'queue'>, clone: Clone): Promise<void> {
	await deps.ttl.cancel(clone.clone_id);
	const pending = await deps.jobs.requestCancel(expiryJobId(clone), deps.clock.now());
	if (pending !== undefined && pending.completed_at === null) await deps.queue.send(pending.job_id);
}

export function deleteJob(deps: DeleteJobDeps): JobDefinition {
	const input = (context: StepContext) => deleteInputSchema.parse(context.job.input);

	/** The clone this job is about, or undefined when it is gone or the name belongs to a later one. */
	const mine = async (context: StepContext): Promise<Clone | undefined> => {
		const { clone_id, clone_job_id } = input(context);
		const clone = await deps.clones.get(clone_id);
		return clone === undefined || clone.job_id !== clone_job_id || clone.state === 'deleted' ? undefined : clone;
	};

	const awaitExpiry: Step = {
		name: 'await_expiry',
		message: "Waiting for the clone's time to end",
		weight: 1,
		// A clone lives a day at the most; its time may be moved.
		deadlineSeconds: 3 * 24 * 3600,
		async run(context) {
			if (input(context).reason !== 'expiry') return done();
			const clone = await mine(context);
			if (clone === undefined || clone.state !== 'live' || clone.expires_at === null) return done();
			const left = (clone.expires_at - deps.clock.now()) / 1000;
			// Short waits: a message that comes before a waiting job is due is dropped as a duplicate, also the one of a time made shorter.
			return left > 0 ? wait(Math.min(30, Math.ceil(left)), `Waits for the end of ${clone.clone_id}`) : done();
		},
	};

	const close: Step = {
		name: 'close',
		message: 'Closing the clone',
		weight: 1,
		deadlineSeconds: 1800,
		async run(context) {
			const clone = await mine(context);
			if (clone === undefined || clone.state === 'deleting') return done();
			if (clone.state === 'provisioning') {
				// Its clone job owns everything made so far: that one undoes it.
				const job = await deps.jobs.requestCancel(clone.job_id, deps.clock.now());
				if (job !== undefined && job.completed_at === null) {
					await deps.queue.send(clone.job_id);
					return wait(1, 'Waiting for the clone job to stop');
				}
			}
			const written = await deps.clones.update(clone.clone_id, clone.generation, { state: 'deleting' });
			if (written === undefined) throw new TransientError('clone_busy', 'The clone is being changed by several requests at once.');
			return done();
		},
	};

	const remove: Step = {
		name: 'remove',
		message: 'Removing the clone',
		weight: 6,
		deadlineSeconds: 1800,
		async run(context) {
			const clone = await mine(context);
			if (clone?.slot_id) await removeSlot(deps, clone.slot_id);
			return done();
		},
	};

	const forget: Step = {
		name: 'forget',
		message: 'Tidying up',
		weight: 2,
		deadlineSeconds: 600,
		async run(context) {
			const { clone_id, clone_job_id } = input(context);
			await deps.jobs.eraseSealedResult(clone_job_id);
			const clone = await mine(context);
			if (clone === undefined) return done();
			if (expiryJobId(clone) === context.job.job_id) await deps.ttl.cancel(clone_id);
			else await unscheduleDeletion(deps, clone);
			const written = await deps.clones.update(clone_id, clone.generation, { state: 'deleted', slot_id: null, url: null });
			if (written === undefined) throw new TransientError('clone_busy', 'The clone is being changed by several requests at once.');
			return done();
		},
	};

	return {
		type: 'delete',
		steps: [awaitExpiry, close, remove, forget],
		async finish(context) {
			const { clone_id, reason } = input(context);
			return {
				status_message: 'The clone is gone',
				result: { clone_id, reason, deleted_at: new Date(deps.clock.now()).toISOString() },
				secret_result: null,
			};
		},
	};
}
