/** What can be set about the engine. Every time is in the unit its name ends in. */
export interface EngineSettings {
	/** How long a lease lasts; renewed every third of it while a step runs. Never beyond the job's deadline. */
	readonly leaseSeconds: number;
	/** The lease once the deadline has passed: short, so that a crash during the undo is found by the next sweep. */
	readonly leaseAfterDeadlineSeconds: number;
	/** Attempts of one step, the first included. */
	readonly attempts: number;
	/** Upper bound of the first back-off; each following bound is four times as long. */
	readonly backoffBaseSeconds: number;
	readonly backoffCapSeconds: number;
	/** The longest `retryAfterSeconds` that is honoured; a queue delays at most 900 s. */
	readonly retryAfterCapSeconds: number;
	/** Attempts of one step's undo, the first included. */
	readonly undoAttempts: number;
	/** How long undoing may take in all; after it every remaining undo gets one attempt more, then the job ends. */
	readonly undoSeconds: number;
	/** The same bound counted from the job's deadline, whichever comes first. */
	readonly undoAfterDeadlineSeconds: number;
	/** One attempt of one undo. */
	readonly undoAttemptSeconds: number;
	/** One attempt of one undo once the bounds above have passed. */
	readonly lastUndoAttemptSeconds: number;
	/** How often a worker may die in the same step before the job is undone with `worker_crashed`. */
	readonly crashLimit: number;
	/** A further step is started only when the worker has more time than this. */
	readonly reserveMs: number;
	/** A running step is told to stop when the worker has only this long left. */
	readonly yieldMs: number;
	/** How long a step may take to stop once told to; after it the engine goes on without it. */
	readonly abandonMs: number;
	/** A message that comes earlier than `run_at` by more than this is a stray duplicate. */
	readonly earlyMs: number;
}

export const DEFAULT_ENGINE_SETTINGS: EngineSettings = {
	leaseSeconds: 60,
	leaseAfterDeadlineSeconds: 20,
	attempts: 4,
	backoffBaseSeconds: 4,
	backoffCapSeconds: 300,
	retryAfterCapSeconds: 900,
	undoAttempts: 8,
	undoSeconds: 900,
	undoAfterDeadlineSeconds: 45,
	undoAttemptSeconds: 60,
	lastUndoAttemptSeconds: 15,
	crashLimit: 5,
	reserveMs: 10_000,
	yieldMs: 8_000,
	abandonMs: 5_000,
	earlyMs: 2_000,
};
