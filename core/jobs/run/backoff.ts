import type { Random } from '../../ports.ts';

export interface BackoffBounds {
	readonly baseSeconds: number;
	readonly capSeconds: number;
}

/**
 * Exponential back-off with full jitter: evenly spread over 1 s … min(cap, base · 4^(failures − 1)), so that many jobs
 * failing at once do not come back at once.
 * @param failures attempts that have failed so far, 1 or more.
 * @returns whole seconds, at least 1.
 */
export function backoffSeconds(failures: number, random: Random, bounds: BackoffBounds): number {
	const ceiling = Math.min(bounds.capSeconds, bounds.baseSeconds * 4 ** Math.max(0, failures - 1));
	return Math.max(1, Math.ceil(random.fraction() * ceiling));
}
