/**
 * The worker as a pod that reads the queue itself (`worker: "eks"`).
 *
 * Life cycle: long polls, up to `concurrency` jobs at once, each message kept invisible while its job is worked on. Told to go
 * (SIGTERM), it begins no other poll and hands back what the one under way brings, lets running steps come to their end, puts
 * their jobs aside and sends them again, all within the pod's grace period. Killed, its messages come back when their visibility ends, later than its leases do: the
 * next worker finds the jobs free.
 */
import { type ExtendingConsumer, keepInvisible } from '../../adapters/aws/sqs/keep-invisible.ts';
import type { TraceContext } from '../../adapters/aws/telemetry/trace-context.ts';
import { systemClock, systemRandom, systemTimers } from '../../adapters/embedded/system.ts';
import type { Engine } from '../../core/jobs/engine.ts';
import { createWorkerLoop } from '../../core/jobs/worker-loop.ts';
import type { JobQueue, Telemetry } from '../../core/ports.ts';

/** A turn with a job lasts at most that, and a dead worker's messages come back after it; twice the engine's lease. */
const VISIBILITY_SECONDS = 120;
/** Of the grace period, for what comes after the jobs: closing connections, the end of the process. */
const LAST_SECONDS = 3;

export interface ConsumerOptions {
	readonly consumer: ExtendingConsumer & { traceHeader(jobId: string): string | undefined };
	readonly queue: JobQueue;
	readonly engine: Engine;
	readonly telemetry: Telemetry;
	/** What is sent while a job is worked on belongs to the trace that its message came with. */
	readonly traces: TraceContext;
	readonly concurrency: number;
	/** From SIGTERM to the kill, seconds. */
	readonly drainSeconds: number;
	/** @default 120 */
	readonly visibilitySeconds?: number;
}

export interface RunningConsumer {
	/** Resolves when all jobs are put aside, or when there is no more time. */
	stop(): Promise<void>;
}

export function runConsumer(options: ConsumerOptions): RunningConsumer {
	const { consumer, queue, engine, telemetry, traces, concurrency, drainSeconds } = options;
	const loop = createWorkerLoop({
		consumer: keepInvisible(consumer, telemetry),
		queue,
		engine: {
			run: (jobId, budget) => traces.run(consumer.traceHeader(jobId), () => engine.run(jobId, budget)),
			giveUp: (jobId) => traces.run(consumer.traceHeader(jobId), () => engine.giveUp(jobId)),
		},
		clock: systemClock,
		timers: systemTimers,
		random: systemRandom,
		telemetry,
		concurrency,
		visibilitySeconds: options.visibilitySeconds ?? VISIBILITY_SECONDS,
		graceMs: 1000 * Math.max(1, drainSeconds - LAST_SECONDS),
		// A long poll waits at the queue; between two empty ones there is nothing to wait for.
		idleMs: 0,
	});
	loop.start();
	return {
		stop: () => loop.stop(),
	};
}
