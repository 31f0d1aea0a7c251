import type { JobQueue, TtlSchedule } from '../../../core/ports.ts';

export class MemoryTtlSchedule implements TtlSchedule {
	readonly schedules = new Map<string, { readonly at: number; readonly job_id: string }>();
	readonly #queue: JobQueue;

	constructor(queue: JobQueue) {
		this.#queue = queue;
	}

	async set(name: string, at: number, jobId: string): Promise<void> {
		this.schedules.set(name, { at, job_id: jobId });
	}

	async cancel(name: string): Promise<void> {
		this.schedules.delete(name);
	}

	async fireDue(now: number): Promise<void> {
		for (const [name, { at, job_id }] of this.schedules) {
			if (at <= now) {
				this.schedules.delete(name);
				await this.#queue.send(job_id);
			}
		}
	}
}
