import { type ErrorInfo, LeaseLostError, PermanentError, ProductError, SealError, TransientError } from '../../errors.ts';

export const INTERNAL: ErrorInfo = {
	code: 'internal',
	message: 'Something went wrong on our side. Try again; if it fails again, report the job id.',
};

export const CANCELLED: ErrorInfo = { code: 'cancelled', message: 'The job was cancelled.' };

export const DEADLINE_EXCEEDED: ErrorInfo = {
	code: 'deadline_exceeded',
	message: 'The job did not finish within the time it is given. Try again; a smaller site or a faster source needs less.',
};

export const WORKER_CRASHED: ErrorInfo = {
	code: 'worker_crashed',
	message: 'The job ended the worker that ran it several times and was given up. Report the job id.',
};

export function stepTimedOut(step: string, seconds: number): ErrorInfo {
	return { code: 'step_timed_out', message: `The step "${step}" did not finish within ${seconds} seconds. Try again later.` };
}

/** A failure of this kind is the same next time: no further attempt. A broken seal cannot heal either. */
export function isPermanent(error: unknown): error is ProductError {
	return error instanceof PermanentError || error instanceof SealError;
}

/** What a caller may see of an error: its own code and sentence, or for anything we did not classify a neutral one. */
export function infoOf(error: unknown): ErrorInfo {
	return error instanceof ProductError && !(error instanceof LeaseLostError) ? error.info() : INTERNAL;
}

export function retryAfter(error: unknown): number {
	const seconds = error instanceof TransientError ? error.retryAfterSeconds : undefined;
	return seconds !== undefined && Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

/** The error and its causes in one text, for the log only. */
export function describe(error: unknown): string {
	const parts: string[] = [];
	let current: unknown = error;
	for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth++) {
		if (!(current instanceof Error)) {
			parts.push(typeof current === 'string' ? current : `a thrown ${typeof current}`);
			break;
		}
		const code = current instanceof ProductError ? ` (${current.code})` : '';
		parts.push(depth === 0 && code === '' ? (current.stack ?? String(current)) : `${current.name}${code}: ${current.message}`);
		current = current.cause;
	}
	return parts.join('\ncaused by ');
}
