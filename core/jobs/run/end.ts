import type { JobPatch } from '../../ports.ts';
import type { JobStatus } from '../job.ts';
import { infoOf } from './failure.ts';
import { logFields, type Run, type RunAnswer } from './run.ts';

type EndStatus = Extract<JobStatus, 'completed' | 'failed' | 'cancelled'>;

/** The write that ends a job: the caller's secrets are erased in it. */
export async function endJob(run: Pick<Run, 'deps' | 'lease'>, status: EndStatus, patch: JobPatch): Promise<RunAnswer> {
	const { clock, telemetry } = run.deps;
	const now = clock.now();
	const job = await run.lease.release({ ...patch, status, completed_at: now, estimated_completion: null, sealed_input: null });
	const code = job.error?.code ?? status;
	telemetry.log(status === 'failed' ? 'error' : 'info', `job ${status}`, {
		...logFields(job),
		code,
		seconds: (now - job.created_at) / 1000,
	});
	telemetry.metric(`jobs_${status}`, 1, 'count', status === 'failed' ? { type: job.type, code } : { type: job.type });
	telemetry.metric('job_seconds', (now - job.created_at) / 1000, 'seconds', { type: job.type, status });
	return 'finished';
}

/** Ends a job that was undone, with the reason it was undone for. */
export function endUndone(run: Pick<Run, 'deps' | 'lease'>): Promise<RunAnswer> {
	const { job } = run.lease;
	const reason = job.undoing ?? infoOf(undefined);
	const cancelled = reason.code === 'cancelled' && job.cancel_requested;
	return endJob(run, cancelled ? 'cancelled' : 'failed', {
		error: cancelled ? null : reason,
		result: null,
		sealed_result: null,
		status_message: reason.message,
	});
}
