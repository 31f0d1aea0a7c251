import { setImmediate } from 'node:timers/promises';
import type { Timers } from '../../../../core/jobs/timers.ts';
import type { Clock, Random } from '../../../../core/ports.ts';

interface Event {
	readonly at: number;
	readonly order: number;
	readonly run: () => void;
}

/** Time that jumps from one event to the next. Everything that is due at once runs in the order it was set. */
export class VirtualTime implements Clock, Timers {
	#now: number;
	#order = 0;
	/** Sorted, the next event last. */
	readonly #events: Event[] = [];

	constructor(start: number) {
		this.#now = start;
	}

	now(): number {
		return this.#now;
	}

	after(ms: number, run: () => void): () => void {
		const event: Event = { at: this.#now + Math.max(0, ms), order: this.#order++, run };
		let low = 0;
		let high = this.#events.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			const other = this.#events[middle];
			if (other !== undefined && other.at > event.at) {
				low = middle + 1;
			} else {
				high = middle;
			}
		}
		this.#events.splice(low, 0, event);
		return () => {
			const index = this.#events.indexOf(event);
			if (index >= 0) {
				this.#events.splice(index, 1);
			}
		};
	}

	sleep(ms: number): Promise<void> {
		return new Promise((resolve) => {
			this.after(ms, resolve);
		});
	}

	/** Runs until `isOver` or until nothing is left to happen before `end`. */
	async run(end: number, isOver: () => boolean): Promise<void> {
		for (;;) {
			// Lets every promise that can go on do so before time moves.
			await setImmediate();
			const next = this.#events.at(-1);
			if (isOver() || next === undefined || next.at > end) {
				return;
			}
			this.#events.pop();
			this.#now = next.at;
			next.run();
		}
	}
}

/** Mulberry32: small, seeded, good enough to choose faults by. */
export class Dice implements Random {
	#state: number;

	constructor(seed: number) {
		this.#state = seed | 0;
	}

	fraction(): number {
		this.#state = (this.#state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
	}

	hex(n: number): string {
		return Array.from({ length: n }, () => this.below(16).toString(16)).join('');
	}

	/** 0 … n − 1 */
	below(n: number): number {
		return Math.floor(this.fraction() * n);
	}

	chance(probability: number): boolean {
		return this.fraction() < probability;
	}

	between(low: number, high: number): number {
		return low + this.fraction() * (high - low);
	}

	pick<T>(items: readonly T[]): T {
		const item = items[this.below(items.length)];
		if (item === undefined) {
			throw new Error('Nothing to pick from.');
		}
		return item;
	}
}
