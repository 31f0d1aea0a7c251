/**
 * The product's error classes. A failure is classified once, where it happens:
 * permanent (the same request would fail again; the caller has to do something) or transient (try again).
 * Anything that is neither is a bug or an unknown fault, and is treated as transient.
 */

/** A stable code and a sentence that tells the caller what to do. Shown to callers as it is, so never a secret in it. */
export interface ErrorInfo {
	readonly code: string;
	readonly message: string;
}

/** Base of every error class here: keeps `cause`, sets `name`. */
export class ProductError extends Error {
	readonly code: string;

	constructor(code: string, message: string, options?: { cause?: unknown }) {
		super(message, options);
		this.name = new.target.name;
		this.code = code;
	}

	info(): ErrorInfo {
		return { code: this.code, message: this.message };
	}
}

/** The job cannot succeed as it was asked for. Undo, then `failed` with this code. */
export class PermanentError extends ProductError {}

/** Worth another attempt, after `retryAfterSeconds` if the other side named a time. */
export class TransientError extends ProductError {
	readonly retryAfterSeconds: number | undefined;

	constructor(code: string, message: string, options?: { cause?: unknown; retryAfterSeconds?: number }) {
		super(code, message, options);
		this.retryAfterSeconds = options?.retryAfterSeconds;
	}
}

/** The worker no longer holds the job's lease: it must stop and change nothing more. */
export class LeaseLostError extends ProductError {
	constructor(jobId: string, options?: { cause?: unknown }) {
		super('lease_lost', `Another worker holds the lease of ${jobId}.`, options);
	}
}

/** A sealed value could not be opened: wrong key, wrong context, or altered. Never fall back to anything. */
export class SealError extends ProductError {
	constructor(message: string, options?: { cause?: unknown }) {
		super('seal_broken', message, options);
	}
}
