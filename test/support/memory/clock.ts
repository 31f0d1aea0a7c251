import type { Clock } from '../../../core/ports.ts';

/** A clock that stands still until it is moved. */
export function fakeClock(start: number): Clock & { move(seconds: number): void } {
	let now = start;
	return {
		now: () => now,
		move(seconds) {
			now += 1000 * seconds;
		},
	};
}
