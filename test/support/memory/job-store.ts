import { LeaseLostError, TransientError } from '../../../core/errors.ts';
import { isTerminal, type Job, type JobStatus, type Millis } from '../../../core/jobs/job.ts';
import type { AcceptJob, AcceptResult, JobPatch, JobStore, Page } from '../../../core/ports.ts';
import { type MemoryDatabase, newestFirst } from './database.ts';

export class MemoryJobStore implements JobStore {
	readonly #db: MemoryDatabase;

	constructor(db: MemoryDatabase) {
		this.#db = db;
	}

	async accept({ job, idempotency, clone }: AcceptJob): Promise<AcceptResult> {
		const key = idempotency === null ? undefined : JSON.stringify([job.owner, idempotency.key_hash]);
		const record = key === undefined ? undefined : this.#db.idempotency.get(key);
		if (record !== undefined) {
			const earlier = this.#db.jobs.get(record.job_id);
			const same = record.body_hash === idempotency?.body_hash && earlier !== undefined;
			return same ? { outcome: 'duplicate', job: earlier } : { outcome: 'idempotency_conflict' };
		}
		const named = clone === null ? undefined : this.#db.clones.get(clone.clone_id);
		if (named !== undefined && named.state !== 'deleted') {
			return { outcome: 'clone_id_taken' };
		}
		if (this.#db.jobs.has(job.job_id)) {
			throw new TransientError('job_id_taken', `There is a job ${job.job_id} already.`);
		}
		if (clone !== null) {
			this.#db.clones.set(clone.clone_id, { ...clone, generation: Math.max(clone.generation, (named?.generation ?? 0) + 1) });
		}
		if (key !== undefined && idempotency !== null) {
			this.#db.idempotency.set(key, { body_hash: idempotency.body_hash, job_id: job.job_id });
		}
		this.#db.jobs.set(job.job_id, job);
		return { outcome: 'accepted' };
	}

	async get(jobId: string): Promise<Job | undefined> {
		return this.#db.jobs.get(jobId);
	}

	async list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Job>> {
		const rows = [...this.#db.jobs.values()].filter((job) => job.owner === owner);
		return newestFirst(rows, (job) => job.job_id, page);
	}

	async lease(jobId: string, lease: { holder: string; now: Millis; until: Millis }): Promise<Job | undefined> {
		const job = this.#db.jobs.get(jobId);
		if (job === undefined || isTerminal(job.status) || (job.lease_holder !== null && job.lease_until > lease.now)) {
			return undefined;
		}
		return this.#put({ ...job, lease_holder: lease.holder, lease_until: lease.until, fence: job.fence + 1 });
	}

	async save(
		jobId: string,
		fence: number,
		patch: JobPatch,
		lease: { now: Millis; until: Millis } | { now: Millis; release: true },
	): Promise<Job> {
		const job = this.#db.jobs.get(jobId);
		if (job === undefined || isTerminal(job.status) || job.fence !== fence) {
			throw new LeaseLostError(jobId);
		}
		const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
		return this.#put({
			...job,
			...given,
			progress: Math.max(job.progress, patch.progress ?? 0),
			updated_at: Object.keys(given).length > 0 ? Math.max(job.updated_at, lease.now) : job.updated_at,
			...('release' in lease ? { lease_holder: null, lease_until: lease.now } : { lease_until: lease.until }),
		});
	}

	async requestCancel(jobId: string, now: Millis): Promise<Job | undefined> {
		const job = this.#db.jobs.get(jobId);
		if (job === undefined || isTerminal(job.status)) {
			return job;
		}
		return this.#put({ ...job, cancel_requested: true, run_at: now, updated_at: Math.max(job.updated_at, now) });
	}

	async overdue(before: Millis, limit: number): Promise<readonly Job[]> {
		return [...this.#db.jobs.values()]
			.filter((job) => !isTerminal(job.status) && job.run_at < before && (job.lease_holder === null || job.lease_until < before))
			.sort((a, b) => a.run_at - b.run_at)
			.slice(0, limit);
	}

	async eraseSealedResult(jobId: string): Promise<void> {
		const job = this.#db.jobs.get(jobId);
		if (job !== undefined && isTerminal(job.status)) {
			this.#put({ ...job, sealed_result: null });
		}
	}

	async countByStatus(): Promise<Readonly<Record<JobStatus, number>>> {
		const counts: Record<JobStatus, number> = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
		for (const job of this.#db.jobs.values()) {
			counts[job.status] += 1;
		}
		return counts;
	}

	#put(job: Job): Job {
		this.#db.jobs.set(job.job_id, job);
		return job;
	}
}
