import type { Clone } from '../clones/clone.ts';
import type { Job, Json, Millis } from '../jobs/job.ts';
import type { AcceptedBody, CloneBody, JobBody } from './response-schemas.ts';

const iso = (time: Millis): string => new Date(time).toISOString();
const isoOrNull = (time: Millis | null): string | null => (time === null ? null : iso(time));

/** @param baseUrl the service's address, no trailing slash */
export function renderAccepted(job: Job, baseUrl: string): AcceptedBody {
	return {
		job_id: job.job_id,
		type: job.type,
		status: job.status,
		status_url: `${baseUrl}/api/v2/job-status/${job.job_id}`,
		created_at: iso(job.created_at),
	};
}

/** @param secret the opened `sealed_result`, merged into the result; undefined where it is not to be shown */
export function renderJob(job: Job, secret?: Json): JobBody {
	const result = isRecord(job.result) ? { ...job.result, ...(isRecord(secret) ? secret : {}) } : null;
	return {
		job_id: job.job_id,
		type: job.type,
		status: job.status,
		progress: job.progress,
		status_message: job.status_message,
		message: job.status_message,
		created_at: iso(job.created_at),
		updated_at: iso(job.updated_at),
		completed_at: isoOrNull(job.completed_at),
		estimated_completion: isoOrNull(job.estimated_completion),
		result: result as JobBody['result'],
		error: job.error === null ? null : { code: job.error.code, message: job.error.message },
	};
}

/** @param clone not `deleted` */
export function renderClone(clone: Clone): CloneBody {
	const { access, wp_version, php_version, warnings } = clone.facts;
	return {
		clone_id: clone.clone_id,
		job_id: clone.job_id,
		state: clone.state === 'deleted' ? 'deleting' : clone.state,
		clone_url: clone.url,
		source_url: clone.source_url,
		ttl_minutes: clone.ttl_minutes,
		created_at: iso(clone.created_at),
		expires_at: isoOrNull(clone.expires_at),
		access: access === 'login' || access === 'public' ? access : null,
		wp_version: typeof wp_version === 'string' ? wp_version : null,
		php_version: typeof php_version === 'string' ? php_version : null,
		warnings: Array.isArray(warnings) ? warnings.filter((warning) => typeof warning === 'string') : [],
	};
}

function isRecord(value: Json | undefined): value is { readonly [key: string]: Json } {
	return value !== null && typeof value === 'object' && !Array.isArray(value);
}
