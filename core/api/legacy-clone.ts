import { isTerminal, type Job, type Json } from '../jobs/job.ts';
import type { ApiDeps } from './deps.ts';
import { openResult } from './jobs.ts';
import { Problem } from './problems.ts';

/**
 * Codes of failed jobs whose remedy lies with the caller or the caller's site: 422. All others, where another attempt
 * may succeed or the service is at fault, are 502.
 */
const CALLERS_TO_MEND: ReadonlySet<string> = new Set([
	'source_not_allowed',
	'host_not_found',
	'redirect_refused',
	'tls_invalid',
	'not_wordpress',
	'login_refused',
	'login_hidden',
	'login_challenged',
	'http_auth_required',
	'not_administrator',
	'multisite_unsupported',
	'site_too_large',
	'php_too_old',
	'wordpress_too_old',
	'database_upgrade_needed',
	'agent_required',
	'agent_outdated',
	'file_changes_disabled',
	'filesystem_credentials_required',
	'upload_limit_too_small',
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
	throw new Problem('job_failed', { code: error.code, detail: error.message, status: CALLERS_TO_MEND.has(error.code) ? 422 : 502 });
}
