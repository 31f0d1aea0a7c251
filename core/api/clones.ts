import type { Clone } from '../clones/clone.ts';
import { newDeleteJob } from '../clones/delete-job.ts';
import type { Job, Millis } from '../jobs/job.ts';
import type { Page } from '../ports.ts';
import { sendJob } from './create-clone.ts';
import type { ApiDeps } from './deps.ts';
import { sha256Hex } from './digest.ts';
import { Problem } from './problems.ts';
import type { ListQuery } from './request-schemas.ts';

type CloneDeps = Pick<ApiDeps, 'jobs' | 'clones' | 'queue' | 'control' | 'clock' | 'telemetry'>;

/** From its very second on, a clone past its time is not shown any more, whether or not it is deleted yet. */
const isShown = (clone: Clone, now: Millis): boolean => clone.state !== 'deleted' && (clone.expires_at === null || clone.expires_at > now);

/** Whether a delete job is still at it, or has done it. */
const stands = (job: Job): boolean => job.status !== 'failed' && job.status !== 'cancelled';

/** Newest first. A page may have fewer than `limit` clones and still not be the last. */
export async function listClones(deps: CloneDeps, owner: string, query: ListQuery): Promise<Page<Clone>> {
	const page = await deps.clones.list(owner, { limit: query.limit, cursor: query.cursor ?? null });
	const now = deps.clock.now();
	return { items: page.items.filter((clone) => isShown(clone, now)), next_cursor: page.next_cursor };
}

/** @throws Problem `clone_not_found`, the same for another caller's clone as for one that never was. */
export async function getClone(deps: CloneDeps, owner: string, cloneId: string): Promise<Clone> {
	const clone = await deps.clones.get(cloneId);
	if (clone === undefined || clone.owner !== owner || !isShown(clone, deps.clock.now())) throw new Problem('clone_not_found');
	return clone;
}

/**
 * Moves a live clone's end. @param ttlMinutes counted from the moment it became usable
 * @throws Problem `clone_not_found`; PermanentError `clone_not_live`, `ttl_in_the_past`; TransientError
 */
export async function patchClone(deps: CloneDeps, owner: string, cloneId: string, ttlMinutes: number): Promise<Clone> {
	const clone = await getClone(deps, owner, cloneId);
	return deps.control.setTtl(clone, ttlMinutes);
}

/**
 * Accepts the deletion of a clone, also of one still being made (its job is then cancelled by the delete job).
 * Deleting the same clone again is the same job, unless that job failed. The job's id derives from the clone's own job,
 * which tells a clone from a later one of the same name.
 * @throws Problem `clone_not_found`
 */
export async function deleteClone(deps: CloneDeps, owner: string, cloneId: string): Promise<Job> {
	const clone = await deps.clones.get(cloneId);
	if (clone === undefined || clone.owner !== owner) throw new Problem('clone_not_found');
	let seed = `delete\0${clone.job_id}`;
	for (;;) {
		const digest = await sha256Hex(seed);
		const jobId = `delete-${digest.slice(0, 12)}`;
		if (clone.state === 'deleted') {
			const earlier = await deps.jobs.get(jobId);
			if (earlier === undefined) throw new Problem('clone_not_found');
			if (stands(earlier)) return earlier;
		} else {
			const now = deps.clock.now();
			const job = newDeleteJob(clone, { job_id: jobId, reason: 'request', now, run_at: now });
			const accepted = await deps.jobs.accept({ job, clone: null, idempotency: { key_hash: digest, body_hash: digest } });
			if (accepted.outcome === 'accepted') {
				deps.telemetry.metric('jobs_accepted', 1, 'count', { type: job.type });
				await sendJob(deps, job);
				return job;
			}
			if (accepted.outcome !== 'duplicate') throw new Error(`A delete job was refused: ${accepted.outcome}.`);
			if (stands(accepted.job)) return accepted.job;
		}
		// That attempt is over and the clone still there: the next attempt is a job of its own, the same for everyone who asks.
		seed = `${seed}\0${jobId}`;
	}
}
