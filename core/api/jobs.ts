import type { Job, Json } from '../jobs/job.ts';
import { jobSealContext } from '../jobs/new-job.ts';
import type { Page } from '../ports.ts';
import { sendJob } from './create-clone.ts';
import type { ApiDeps } from './deps.ts';
import { Problem } from './problems.ts';
import type { ListQuery } from './request-schemas.ts';

/** A caller's own job. @throws Problem `job_not_found`, the same for another caller's job as for one that never was. */
export async function ownJob(deps: Pick<ApiDeps, 'jobs'>, owner: string, jobId: string): Promise<Job> {
	const job = await deps.jobs.get(jobId);
	if (job === undefined || job.owner !== owner) throw new Problem('job_not_found');
	return job;
}

/** One read of the store. @returns the job with the secrets of its result, for its owner's eyes. */
export async function getJob(deps: Pick<ApiDeps, 'jobs' | 'secrets'>, owner: string, jobId: string): Promise<{ job: Job; secret: Json }> {
	const job = await ownJob(deps, owner, jobId);
	return { job, secret: await openResult(deps, job) };
}

/** @throws SealError: a result is never shown in part as if it were whole. */
export async function openResult(deps: Pick<ApiDeps, 'secrets'>, job: Job): Promise<Json> {
	if (job.sealed_result === null) return null;
	return JSON.parse(await deps.secrets.open(job.sealed_result, jobSealContext(job))) as Json;
}

/** Newest first, without the secrets. */
export async function listJobs(deps: Pick<ApiDeps, 'jobs'>, owner: string, query: ListQuery): Promise<Page<Job>> {
	return deps.jobs.list(owner, { limit: query.limit, cursor: query.cursor ?? null });
}

/**
 * Asks a job to stop; it does so between steps and undoes what it made. Asking again changes nothing.
 * @throws Problem `job_not_found`, `job_finished`, `job_not_cancellable`
 */
export async function cancelJob(deps: Pick<ApiDeps, 'jobs' | 'queue' | 'clock' | 'telemetry'>, owner: string, jobId: string): Promise<Job> {
	const job = await ownJob(deps, owner, jobId);
	if (job.type === 'delete') throw new Problem('job_not_cancellable');
	if (job.status === 'cancelled') return job;
	if (job.status === 'completed' || job.status === 'failed') throw new Problem('job_finished');
	const asked = await deps.jobs.requestCancel(jobId, deps.clock.now());
	if (asked === undefined) throw new Problem('job_not_found');
	if (asked.status === 'completed' || asked.status === 'failed') throw new Problem('job_finished');
	// So that a waiting job hears of it now rather than when it is due.
	if (asked.completed_at === null) await sendJob(deps, asked);
	return asked;
}
