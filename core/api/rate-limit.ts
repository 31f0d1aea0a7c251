import type { Clock } from '../ports.ts';
import type { RateLimiter } from './deps.ts';

/** Owners remembered at the most; full buckets are forgotten first, as a new one would be full too. */
const MAX_OWNERS = 10_000;

/**
 * A token bucket an owner, in memory: for one process. `perMinute` requests in a row, then as many a minute, evenly.
 * @param perMinute Infinity: no limit
 */
export function tokenBuckets(clock: Clock, perMinute: number): RateLimiter {
	const buckets = new Map<string, { tokens: number; at: number }>();
	const perMillisecond = perMinute / 60_000;

	const forgetFull = (now: number): void => {
		for (const [owner, bucket] of buckets) {
			if (bucket.tokens + (now - bucket.at) * perMillisecond >= perMinute) buckets.delete(owner);
		}
	};

	return {
		async take(owner) {
			if (perMinute === Number.POSITIVE_INFINITY) return null;
			const now = clock.now();
			if (buckets.size >= MAX_OWNERS && !buckets.has(owner)) forgetFull(now);
			const bucket = buckets.get(owner) ?? { tokens: perMinute, at: now };
			// A clock that jumped back adds nothing, and takes nothing away.
			const tokens = Math.min(perMinute, bucket.tokens + Math.max(0, now - bucket.at) * perMillisecond);
			const allowed = tokens >= 1;
			buckets.set(owner, { tokens: allowed ? tokens - 1 : tokens, at: now });
			return allowed ? null : Math.max(1, Math.ceil((1 - tokens) / perMillisecond / 1000));
		},
	};
}
