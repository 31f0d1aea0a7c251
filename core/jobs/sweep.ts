/**
 * The sweep over jobs, run every minute: what the queue forgot is sent again, and what is past its deadline is undone and
 * failed through the engine. Running it twice, or twice at once, does no harm.
 */
import type { Clock, JobQueue, JobStore, Random, Telemetry } from '../ports.ts';
import type { Budget, Engine } from './engine.ts';
import { isTerminal, type Job } from './job.ts';
import { crashes, withCrashes } from './run/checkpoint.ts';
import { describe } from './run/failure.ts';

export interface SweepSettings {
	/** A job is overdue when its message is this late. Above the time messages normally take. */
	readonly graceSeconds: number;
	/** Jobs looked at in one run, at most. */
	readonly limit: number;
	/** Jobs read at once. */
	readonly pageSize: number;
	/** Jobs past their deadline that are undone side by side. */
	readonly concurrency: number;
}

const DEFAULT_SWEEP_SETTINGS: SweepSettings = { graceSeconds: 30, limit: 1000, pageSize: 100, concurrency: 10 };

/** Long enough for the one write that follows. */
const LEASE_SECONDS = 15;

export interface SweepDeps {
	readonly jobs: JobStore;
	readonly queue: JobQueue;
	readonly engine: Engine;
	readonly clock: Clock;
	readonly random: Random;
	readonly telemetry: Telemetry;
	readonly settings?: Partial<SweepSettings>;
}

export interface SweepReport {
	/** Jobs whose id was sent again. */
	readonly resent: number;
	/** Jobs past their deadline that this run carried on. */
	readonly expired: number;
	/** Jobs it could not handle; the next run tries again. */
	readonly errors: number;
}

/** @throws what the store throws when it cannot even be read. */
export async function sweepJobs(deps: SweepDeps, budget: Budget): Promise<SweepReport> {
	const settings: SweepSettings = { ...DEFAULT_SWEEP_SETTINGS, ...deps.settings };
	const { clock, telemetry } = deps;
	const seen = new Set<string>();
	const expired: string[] = [];
	let resent = 0;
	let errors = 0;

	const guarded = async (jobId: string, work: () => Promise<void>): Promise<void> => {
		try {
			await work();
		} catch (error) {
			errors += 1;
			telemetry.log('error', 'sweep could not handle a job', { job_id: jobId, error: describe(error) });
		}
	};

	while (seen.size < settings.limit && !budget.signal.aborted && budget.remainingMs() > 0) {
		const now = clock.now();
		// What was handled leaves the list because its run_at moves; what is only a little late stays, so the page grows by it.
		const page = await deps.jobs.overdue(now, Math.min(settings.limit, settings.pageSize + seen.size));
		const fresh = page.filter((job) => !seen.has(job.job_id));
		for (const job of fresh) {
			seen.add(job.job_id);
			if (job.deadline <= now) {
				expired.push(job.job_id);
			} else if (job.run_at + 1000 * settings.graceSeconds < now) {
				await guarded(job.job_id, async () => {
					resent += (await resend(deps, job, settings)) ? 1 : 0;
				});
			}
		}
		if (fresh.length === 0) {
			break;
		}
	}

	for (let start = 0; start < expired.length; start += settings.concurrency) {
		const batch = expired.slice(start, start + settings.concurrency);
		const inTime = !budget.signal.aborted && budget.remainingMs() > 0;
		await Promise.all(
			batch.map((jobId) =>
				guarded(jobId, async () => {
					const answer = inTime ? await deps.engine.run(jobId, budget) : 'retry';
					if (answer === 'retry') {
						await deps.queue.send(jobId);
					}
				}),
			),
		);
	}

	telemetry.metric('sweep_resent', resent, 'count');
	telemetry.metric('sweep_expired', expired.length, 'count');
	return { resent, expired: expired.length, errors };
}

/**
 * Moves `run_at` to now, so that a long queue does not fill with one more message a minute for each waiting job, and
 * sends the id. @returns false when a worker has it, or somebody has handled it since it was listed.
 */
async function resend(deps: SweepDeps, listed: Job, settings: SweepSettings): Promise<boolean> {
	const now = deps.clock.now();
	const job = await deps.jobs.lease(listed.job_id, { holder: `sweep-${deps.random.hex(8)}`, now, until: now + 1000 * LEASE_SECONDS });
	if (job === undefined || isTerminal(job.status)) {
		return false;
	}
	const stale = job.run_at + 1000 * settings.graceSeconds < now;
	// Taking the lease hides that a worker died with it, so that is written down here; the engine gives the job up at its limit.
	const crashed = listed.lease_holder === null ? {} : { outputs: withCrashes(job.outputs, crashes(job.outputs) + 1) };
	await deps.jobs.save(job.job_id, job.fence, stale ? { run_at: now, ...crashed } : crashed, { now, release: true });
	if (stale) {
		deps.telemetry.log('info', 'job sent again', {
			job_id: job.job_id,
			type: job.type,
			late_seconds: Math.round((now - job.run_at) / 1000),
		});
		await deps.queue.send(job.job_id);
	}
	return stale;
}
