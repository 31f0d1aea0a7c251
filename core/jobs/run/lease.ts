import { LeaseLostError } from '../../errors.ts';
import type { Clock, JobPatch, JobStore } from '../../ports.ts';
import type { Job, Millis } from '../job.ts';
import type { EngineSettings } from './settings.ts';

/** Whether somebody may still be running the job. */
export function isHeld(job: Job, now: Millis): boolean {
	return job.lease_holder !== null && job.lease_until > now;
}

/**
 * When a lease taken now ends. Before the job's deadline it never reaches beyond it: if its worker dies, the first sweep
 * after the deadline finds the job free and can fail it in time.
 */
export function leaseEnd(job: { readonly deadline: Millis }, now: Millis, settings: EngineSettings): Millis {
	if (now >= job.deadline) {
		return now + 1000 * Math.min(settings.leaseSeconds, settings.leaseAfterDeadlineSeconds);
	}
	return Math.min(now + 1000 * settings.leaseSeconds, job.deadline);
}

/** A job held under one fencing token. Writes go one after the other, so `job` is always the row as this worker last left it. */
export class LeasedJob {
	readonly #store: JobStore;
	readonly #clock: Clock;
	readonly #settings: EngineSettings;
	#job: Job;
	#released: boolean;
	#tail: Promise<unknown> = Promise.resolve();

	constructor(store: JobStore, clock: Clock, settings: EngineSettings, job: Job) {
		this.#store = store;
		this.#clock = clock;
		this.#settings = settings;
		this.#job = job;
		this.#released = false;
	}

	get job(): Job {
		return this.#job;
	}

	/** Writes `patch` and renews the lease. @throws LeaseLostError */
	save(patch: JobPatch): Promise<Job> {
		return this.#write(patch, false);
	}

	/** Writes `patch` and gives the lease up in the same write. @throws LeaseLostError */
	release(patch: JobPatch): Promise<Job> {
		return this.#write(patch, true);
	}

	#write(patch: JobPatch, release: boolean): Promise<Job> {
		const written = this.#tail.then(async () => {
			if (this.#released) {
				throw new LeaseLostError(this.#job.job_id);
			}
			const now = this.#clock.now();
			const lease = release ? { now, release: true as const } : { now, until: leaseEnd(this.#job, now, this.#settings) };
			const job = await this.#store.save(this.#job.job_id, this.#job.fence, patch, lease);
			this.#job = job;
			this.#released = release;
			return job;
		});
		this.#tail = written.catch(() => undefined);
		return written;
	}
}
