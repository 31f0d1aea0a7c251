/** What a message says: `{"job_id":"…"}`, sent by the queue adapter and by EventBridge Scheduler alike. */

/** Wide enough for job types to come; whether there is such a job, the store says. */
const JOB_ID = /^[a-z][a-z0-9-]{0,99}$/;

export function jobMessage(jobId: string): string {
	return JSON.stringify({ job_id: jobId });
}

/** @returns the job id, null when the body is not one of ours */
export function readJobMessage(body: string): string | null {
	let value: unknown;
	try {
		value = JSON.parse(body);
	} catch {
		return null;
	}
	if (typeof value !== 'object' || value === null || !('job_id' in value)) return null;
	const id = value.job_id;
	return typeof id === 'string' && JOB_ID.test(id) ? id : null;
}
