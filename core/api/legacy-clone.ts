import { isTerminal, type Job, type Json } from '../jobs/job.ts';
import type { ApiDeps } from './deps.ts';
import { openResult } from './jobs.ts';
import { Problem } from './problems.ts';

/** Codes of failed jobs that the caller's own request is the reason of: 422. All others are 502, the source's or the service's fault. */
const CALLERS_FAULT: ReadonlySet<string> = new Set([
	'source_not_allowed',
	'not_wordpress',
	'login_refused',
	'login_hidden',
	'login_challenged',
	'not_an_administrator',
	'file_changes_disabled',
	'upload_limit_too_small',
	'multisite_unsupported',
	'site_too_large',
	'php_too_old',
]);

/**
 * What a v1 request does after its job was accepted: looks at it until it has ended or the time is up.
 * @returns the job with its secrets when it completed, the job alone when it goes on
 * @throws Problem with the job's own code when it failed or was cancelled
 */
export async function awaitJob(
	deps: Pick<ApiDeps, 'jobs' | 'secrets' | 'clock' | 'delay' | 'settings'>,
	accepted: Job,
): Promise<{ job: Job; secret: Json } | { job: Job; secret?: undefined }> {
	const until = deps.clock.now() + deps.settings.legacyWaitSeconds * 1000;
	let job = accepted;
	while (!isTerminal(job.status)) {
		const left = until - deps.clock.now();
		if (left <= 0) return { job };
		await deps.delay(Math.min(left, deps.settings.legacyPollSeconds * 1000));
		job = (await deps.jobs.get(job.job_id)) ?? job;
	}
	if (job.status === 'completed') return { job, secret: await openResult(deps, job) };
	if (job.status === 'cancelled') throw new Problem('cancelled');
	const error = job.error ?? { code: 'job_failed', message: 'The job failed.' };
	throw new Problem('job_failed', { code: error.code, detail: error.message, status: CALLERS_FAULT.has(error.code) ? 422 : 502 });
}
