import { TransientError } from '../../../../core/errors.ts';
import type { Timers } from '../../../../core/jobs/timers.ts';
import type { Clock } from '../../../../core/ports.ts';
import type { Dice, VirtualTime } from './time.ts';

/** What happens at one call of a port. `before` and `after` its effect. */
export type Fault =
	| { readonly kind: 'none' }
	| { readonly kind: 'crash'; readonly when: 'before' | 'after' }
	| { readonly kind: 'error'; readonly when: 'before' | 'after' }
	| { readonly kind: 'pause'; readonly when: 'before' | 'after'; readonly ms: number };

export const NO_FAULT: Fault = { kind: 'none' };

export type FaultPlan = (call: string) => Fault;

/**
 * One process. Every call it makes to the outside takes time and may be hit by a fault. A dead process simply stops: what
 * it waited for never comes, its timers never fire. A paused one stops too, and goes on later as if nothing had been.
 */
export class Process {
	readonly clock: Clock;
	readonly timers: Timers;
	readonly #time: VirtualTime;
	readonly #dice: Dice;
	readonly #plan: FaultPlan;
	readonly #onDeath: () => void;
	#alive = true as boolean;
	#pausedUntil = 0;

	constructor(options: { time: VirtualTime; dice: Dice; plan: FaultPlan; skewMs: number; onDeath: () => void }) {
		this.#time = options.time;
		this.#dice = options.dice;
		this.#plan = options.plan;
		this.#onDeath = options.onDeath;
		this.clock = { now: () => this.#time.now() + options.skewMs };
		this.timers = { after: (ms, run) => this.#after(ms, run) };
	}

	get alive(): boolean {
		return this.#alive;
	}

	kill(): void {
		if (this.#alive) {
			this.#alive = false;
			this.#onDeath();
		}
	}

	/** `port` as this process sees it. */
	wrap<T extends object>(name: string, port: T): T {
		return new Proxy(port, {
			get: (target, key) => {
				const method: unknown = Reflect.get(target, key);
				if (typeof method !== 'function') {
					return method;
				}
				return (...args: unknown[]) => this.call(`${name}.${String(key)}`, async () => Reflect.apply(method, target, args) as unknown);
			},
		});
	}

	/** One call to the outside. */
	async call<T>(name: string, effect: () => Promise<T>): Promise<T> {
		const fault = this.#plan(name);
		await this.sleep(this.#dice.between(1, 40));
		await this.#strike(name, fault, 'before');
		const value = await effect();
		await this.#strike(name, fault, 'after');
		await this.sleep(this.#dice.between(1, 40));
		return value;
	}

	/** Never resolves in a dead process, and late in a paused one. */
	sleep(ms: number): Promise<void> {
		return new Promise((resolve) => {
			this.#after(ms, resolve);
		});
	}

	async #strike(name: string, fault: Fault, when: 'before' | 'after'): Promise<void> {
		if (!this.#alive) {
			await new Promise(() => undefined);
		}
		if (fault.kind === 'none' || fault.when !== when) {
			return;
		}
		if (fault.kind === 'error') {
			throw new TransientError('simulated', `${name} failed ${when} its effect.`);
		}
		if (fault.kind === 'pause') {
			this.#pausedUntil = this.#time.now() + fault.ms;
			await this.sleep(0);
			return;
		}
		this.kill();
		await new Promise(() => undefined);
	}

	#after(ms: number, run: () => void): () => void {
		let cancel = this.#time.after(ms, () => {
			if (!this.#alive) {
				return;
			}
			const rest = this.#pausedUntil - this.#time.now();
			if (rest > 0) {
				cancel = this.#after(rest, run);
			} else {
				run();
			}
		});
		return () => cancel();
	}
}
