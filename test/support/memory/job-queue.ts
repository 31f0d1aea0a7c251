import type { Timers } from '../../../core/jobs/timers.ts';
import type { Clock, JobQueue, JobQueueConsumer, QueueMessage } from '../../../core/ports.ts';

interface Stored {
	readonly id: number;
	readonly job_id: string;
	visible_at: number;
	receipt: string | null;
	receive_count: number;
}

/** With `timers`, `receive` waits until a message is visible; without, it answers at once. */
export class MemoryJobQueue implements JobQueue, JobQueueConsumer {
	readonly messages = new Map<number, Stored>();
	readonly #clock: Clock;
	readonly #timers: Timers | undefined;
	readonly #waiting = new Set<() => void>();
	#next = 1;

	constructor(clock: Clock, timers?: Timers) {
		this.#clock = clock;
		this.#timers = timers;
	}

	async send(jobId: string, delaySeconds = 0): Promise<void> {
		const id = this.#next++;
		this.messages.set(id, {
			id,
			job_id: jobId,
			visible_at: this.#clock.now() + 1000 * delaySeconds,
			receipt: null,
			receive_count: 0,
		});
		this.#wake();
	}

	async receive(max: number, visibilitySeconds: number): Promise<readonly QueueMessage[]> {
		for (;;) {
			const taken = this.#take(max, visibilitySeconds);
			if (taken.length > 0 || this.#timers === undefined) {
				return taken;
			}
			await this.#change(this.#timers);
		}
	}

	async acknowledge(message: QueueMessage): Promise<void> {
		const stored = this.#find(message);
		if (stored !== undefined) {
			this.messages.delete(stored.id);
		}
	}

	async release(message: QueueMessage, delaySeconds: number): Promise<void> {
		const stored = this.#find(message);
		if (stored !== undefined) {
			stored.visible_at = this.#clock.now() + 1000 * delaySeconds;
			stored.receipt = null;
			this.#wake();
		}
	}

	async depth(): Promise<number> {
		const now = this.#clock.now();
		return [...this.messages.values()].filter((message) => message.receipt === null || message.visible_at <= now).length;
	}

	#find(message: QueueMessage): Stored | undefined {
		return [...this.messages.values()].find(({ receipt }) => receipt === message.receipt);
	}

	#take(max: number, visibilitySeconds: number): QueueMessage[] {
		const now = this.#clock.now();
		const taken: QueueMessage[] = [];
		for (const message of this.messages.values()) {
			if (taken.length < max && message.visible_at <= now) {
				message.visible_at = now + 1000 * visibilitySeconds;
				message.receive_count += 1;
				message.receipt = `${message.id}.${message.receive_count}`;
				taken.push({ job_id: message.job_id, receipt: message.receipt, receive_count: message.receive_count });
			}
		}
		return taken;
	}

	/** Resolves when a message may have become visible. */
	#change(timers: Timers): Promise<void> {
		return new Promise((resolve) => {
			const look = (): void => {
				cancel();
				this.#waiting.delete(look);
				resolve();
			};
			const next = Math.min(...[...this.messages.values()].map((message) => message.visible_at));
			const cancel = Number.isFinite(next) ? timers.after(next - this.#clock.now(), look) : () => undefined;
			this.#waiting.add(look);
		});
	}

	#wake(): void {
		for (const look of [...this.#waiting]) {
			look();
		}
	}
}
