/** Timers, injected so that the engine runs under a simulated clock. */
export interface Timers {
	/** Calls `run` once, `ms` milliseconds from now (0 when negative). @returns a function that cancels it. */
	after(ms: number, run: () => void): () => void;
}
