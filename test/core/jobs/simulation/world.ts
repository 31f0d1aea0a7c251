import type { Violations, WatchedTelemetry } from './watch.ts';

/** A worker that lost its job tried to change the world. */
export class StaleFence extends Error {}

interface Effect {
	/** Something of the step may be there: to be undone. */
	dirty: boolean;
	applied: boolean;
}

interface Account {
	fence: number;
	undone: boolean;
	readonly effects: Map<string, Effect>;
}

/**
 * What the steps act on: a system that knows fencing tokens, as our database, agents and hosts do. It refuses a token
 * lower than one it has seen, and checks that what it is asked for comes in order.
 */
export class World {
	readonly #accounts = new Map<string, Account>();
	readonly #violations: Violations;
	readonly #telemetry: WatchedTelemetry;
	readonly #steps: readonly string[];
	rejected = 0;

	constructor(options: { violations: Violations; telemetry: WatchedTelemetry; steps: readonly string[] }) {
		this.#violations = options.violations;
		this.#telemetry = options.telemetry;
		this.#steps = options.steps;
	}

	/** A part of a step's work; the last part completes it. @throws StaleFence */
	apply(jobId: string, step: string, fence: number, last: boolean): void {
		const account = this.#admit(jobId, fence);
		const index = this.#steps.indexOf(step);
		for (const earlier of this.#steps.slice(0, index)) {
			if (account.effects.get(earlier)?.applied !== true) {
				this.#violations.add(`${jobId}: ${step} ran before ${earlier} was done`);
			}
		}
		if (account.undone) {
			this.#violations.add(`${jobId}: ${step} ran after the undo had begun`);
		}
		const effect = account.effects.get(step);
		account.effects.set(step, { dirty: true, applied: last || effect?.applied === true });
	}

	/** @throws StaleFence */
	undo(jobId: string, step: string, fence: number, last: boolean): void {
		const account = this.#admit(jobId, fence);
		account.undone = true;
		const index = this.#steps.indexOf(step);
		for (const later of this.#steps.slice(index + 1)) {
			if (this.#isLeft(jobId, later)) {
				this.#violations.add(`${jobId}: ${step} was undone before ${later}`);
			}
		}
		const effect = account.effects.get(step);
		if (effect !== undefined && last) {
			account.effects.set(step, { dirty: false, applied: false });
		}
	}

	/** Whether the step's effect is there, all of it. */
	isApplied(jobId: string, step: string): boolean {
		return this.#accounts.get(jobId)?.effects.get(step)?.applied === true;
	}

	/** Steps of the job that left something behind which no undo was given up for. */
	left(jobId: string, undoable: readonly string[]): string[] {
		return undoable.filter((step) => this.#isLeft(jobId, step));
	}

	#isLeft(jobId: string, step: string): boolean {
		const dirty = this.#accounts.get(jobId)?.effects.get(step)?.dirty === true;
		return dirty && !this.#noUndo.has(step) && !this.#telemetry.abandoned.has(`${jobId}/${step}`);
	}

	/** Steps that leave nothing to be undone. */
	readonly #noUndo = new Set<string>();

	withoutUndo(step: string): void {
		this.#noUndo.add(step);
	}

	#admit(jobId: string, fence: number): Account {
		const account = this.#accounts.get(jobId) ?? { fence: 0, undone: false, effects: new Map<string, Effect>() };
		this.#accounts.set(jobId, account);
		if (fence < account.fence) {
			this.rejected += 1;
			throw new StaleFence(`The fencing token ${fence} is older than ${account.fence}.`);
		}
		account.fence = fence;
		return account;
	}
}
