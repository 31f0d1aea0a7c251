/**
 * The worker as a long-running process: takes messages from a queue and gives them to the engine, `concurrency` at once.
 *
 * Shutdown: `stop` takes no more messages, tells the running steps to stop (they are put aside and sent again) and waits
 * for them. What does not stop in time is delivered again after the visibility timeout.
 * Poison: a message that was delivered `maxReceives` times without being acknowledged has killed its workers; the job is
 * given up instead of being run once more.
 */
import type { Clock, JobQueue, JobQueueConsumer, QueueMessage, Random, Telemetry } from '../ports.ts';
import type { Engine, RunAnswer } from './engine.ts';
import { describe } from './run/failure.ts';
import type { Timers } from './timers.ts';

export interface WorkerLoopOptions {
	readonly consumer: JobQueueConsumer;
	/** The same queue, for sending. */
	readonly queue: JobQueue;
	readonly engine: Engine;
	readonly clock: Clock;
	readonly timers: Timers;
	readonly random: Random;
	readonly telemetry: Telemetry;
	/** Jobs carried on at once. */
	readonly concurrency: number;
	/** How long a message is invisible to others; a turn with a job ends before it. Longer than the engine's lease. */
	readonly visibilitySeconds: number;
	/** How long `stop` waits, 15 s unless given. */
	readonly graceMs?: number;
	/** 5 unless given. */
	readonly maxReceives?: number;
	/** The least time between two empty receives, for a consumer that does not long-poll; 1 s unless given. */
	readonly idleMs?: number;
}

export interface WorkerLoop {
	start(): void;
	/**
	 * Resolves when everything has stopped, or after the grace. It waits for the receive that is under way, too, and hands back
	 * what that brings.
	 */
	stop(): Promise<void>;
}

/** Longest time between two tries of a message that could not be handled; a queue delays at most 900 s. */
const LONGEST_RELEASE = 900;
/** When the store or the queue failed under a job, it is tried again after this, up to twice as much. */
const AGAIN_SECONDS = 10;
/** A message given up while a dead worker's lease still runs comes back after this. */
const GIVE_UP_AGAIN_SECONDS = 60;

export function createWorkerLoop(options: WorkerLoopOptions): WorkerLoop {
	const { consumer, queue, engine, clock, timers, random, telemetry, concurrency, visibilitySeconds } = options;
	const maxReceives = options.maxReceives ?? 5;
	const idleMs = options.idleMs ?? 1000;
	const shutdown = new AbortController();
	const running = new Set<Promise<void>>();
	let polling: Promise<void> | undefined;

	/** Resolves after `ms`, or at shutdown. */
	function pause(ms: number): Promise<void> {
		return new Promise((resolve) => {
			if (shutdown.signal.aborted) {
				resolve();
				return;
			}
			const end = (): void => {
				cancel();
				shutdown.signal.removeEventListener('abort', end);
				resolve();
			};
			const cancel = timers.after(ms, end);
			shutdown.signal.addEventListener('abort', end, { once: true });
		});
	}

	async function poll(): Promise<void> {
		let failures = 0;
		while (!shutdown.signal.aborted) {
			if (running.size >= concurrency) {
				await Promise.race(running);
				continue;
			}
			const asked = clock.now();
			try {
				const messages = await consumer.receive(concurrency - running.size, visibilitySeconds);
				failures = 0;
				for (const message of messages) {
					const work = handle(message).finally(() => running.delete(work));
					running.add(work);
				}
				if (messages.length === 0) {
					await pause(Math.max(0, idleMs - Math.max(0, clock.now() - asked)));
				}
			} catch (error) {
				failures += 1;
				telemetry.log('error', 'queue not readable', { error: describe(error) });
				await pause(1000 * Math.min(30, 2 ** failures));
			}
		}
	}

	async function handle(message: QueueMessage): Promise<void> {
		const fields = { job_id: message.job_id, receive_count: message.receive_count };
		try {
			if (shutdown.signal.aborted) {
				await consumer.release(message, 0);
				return;
			}
			const poison = message.receive_count > maxReceives;
			const answer = await (poison ? engine.giveUp(message.job_id) : carryOn(message));
			if (poison) {
				telemetry.log('error', 'poison message', { ...fields, answer });
			}
			if (answer === 'busy' && poison) {
				await consumer.release(message, GIVE_UP_AGAIN_SECONDS);
				return;
			}
			if (answer === 'retry') {
				// A new message, so that the receive count counts crashes only.
				await queue.send(message.job_id, AGAIN_SECONDS + Math.floor(random.fraction() * AGAIN_SECONDS));
			}
			await consumer.acknowledge(message);
		} catch (error) {
			// Never acknowledged away: if this release fails too, the message comes back when its visibility ends.
			telemetry.log('error', 'message not handled', { ...fields, error: describe(error) });
			await consumer.release(message, releaseSeconds(message)).catch((reason: unknown) => {
				telemetry.log('error', 'message not released', { ...fields, error: describe(reason) });
			});
		}
	}

	function carryOn(message: QueueMessage): Promise<RunAnswer> {
		const end = clock.now() + 1000 * visibilitySeconds;
		return engine.run(message.job_id, { remainingMs: () => end - clock.now(), signal: shutdown.signal });
	}

	/** 5, 15, 45 … seconds and some jitter. */
	function releaseSeconds(message: QueueMessage): number {
		const full = 5 * 3 ** Math.max(0, message.receive_count - 1);
		return Math.min(LONGEST_RELEASE, Math.ceil(full * (1 + random.fraction() / 2)));
	}

	return {
		start() {
			polling ??= poll();
		},
		async stop() {
			shutdown.abort();
			const drained = (async () => {
				await polling;
				await Promise.all(running);
			})();
			let cancel: () => void = () => undefined;
			const late = new Promise<void>((resolve) => {
				cancel = timers.after(options.graceMs ?? 15_000, () => {
					if (running.size > 0) {
						telemetry.log('warn', 'worker stopped with jobs still running', { jobs: running.size });
					}
					resolve();
				});
			});
			await Promise.race([drained, late]);
			cancel();
		},
	};
}
