/** The machine's own clock, timers and randomness, and telemetry as lines of JSON. */
import { randomBytes, randomInt } from 'node:crypto';
import type { Timers } from '../../core/jobs/timers.ts';
import type { Clock, Random, Telemetry } from '../../core/ports.ts';

export const systemClock: Clock = { now: () => Date.now() };

export const systemRandom: Random = {
	hex(n) {
		return randomBytes(Math.ceil(n / 2))
			.toString('hex')
			.slice(0, n);
	},
	fraction() {
		return randomInt(2 ** 40) / 2 ** 40;
	},
};

/** setTimeout fires at once when asked for more than this (24.8 days). */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const systemTimers: Timers = {
	after(ms, run) {
		const timer = setTimeout(run, Math.min(LONGEST_TIMER_MS, Math.max(0, ms)));
		return () => clearTimeout(timer);
	},
};

const LEVELS = { debug: 10, info: 20, warn: 30, error: 40 } as const;

export interface ConsoleTelemetryOptions {
	/** Takes one line, without its end. */
	readonly write: (line: string) => void;
	readonly clock: Clock;
	/** Lines below it are left out; `info` unless given. */
	readonly level?: keyof typeof LEVELS;
	/** Whether metrics are written too; no unless given. */
	readonly metrics?: boolean;
}

/** Each line of the log is one JSON object: `time`, `level`, `message` and the fields. */
export function createConsoleTelemetry(options: ConsoleTelemetryOptions): Telemetry {
	const { write, clock, level = 'info', metrics = false } = options;
	const line = (entry: Record<string, unknown>): void => {
		const time = new Date(clock.now()).toISOString();
		try {
			write(JSON.stringify({ time, ...entry }, plain));
		} catch {
			// A field that refers to itself: the line without its fields is better than none.
			write(JSON.stringify({ time, level: entry.level, message: entry.message, fields: 'not writable' }));
		}
	};
	return {
		log(at, message, fields) {
			if (LEVELS[at] >= LEVELS[level]) {
				line({ ...fields, level: at, message });
			}
		},
		metric(name, value, unit, dimensions) {
			if (metrics) {
				line({ level: 'metric', metric: name, value, unit, ...dimensions });
			}
		},
	};
}

/** What JSON would drop or refuse. An error is written with its causes. */
function plain(_key: string, value: unknown): unknown {
	if (value instanceof Error) {
		const code = 'code' in value ? { code: value.code } : {};
		return { name: value.name, ...code, message: value.message, stack: value.stack, cause: value.cause };
	}
	return typeof value === 'bigint' ? value.toString() : value;
}
