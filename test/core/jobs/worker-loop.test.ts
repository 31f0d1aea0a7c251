import { describe, expect, it } from 'vitest';
import type { Budget, Engine, RunAnswer } from '../../../core/jobs/engine.ts';
import { createWorkerLoop, type WorkerLoop, type WorkerLoopOptions } from '../../../core/jobs/worker-loop.ts';
import { MemoryJobQueue } from '../../support/memory/job-queue.ts';
import { type Bench, makeBench, START } from './engine-bench.ts';

const SECOND = 1000;

interface Setup {
	readonly bench: Bench;
	readonly queue: MemoryJobQueue;
	readonly loop: WorkerLoop;
	pass(seconds: number): Promise<void>;
}

function setUp(engine: Partial<Engine>, options: Partial<WorkerLoopOptions> = {}): Setup {
	const bench = makeBench();
	const queue = new MemoryJobQueue(bench.time, bench.time);
	const loop = createWorkerLoop({
		consumer: queue,
		queue,
		engine: { run: async () => 'finished', giveUp: async () => 'finished', ...engine },
		clock: bench.time,
		timers: bench.time,
		random: bench.dice,
		telemetry: bench.telemetry,
		concurrency: 2,
		visibilitySeconds: 60,
		...options,
	});
	return { bench, queue, loop, pass: (seconds) => bench.settle(bench.time.sleep(seconds * SECOND)) };
}

describe('the worker loop', () => {
	it('runs so many jobs at once, and no more', async () => {
		let running = 0;
		let most = 0;
		const ran: string[] = [];
		const { bench, queue, loop, pass } = setUp({
			async run(jobId) {
				running += 1;
				most = Math.max(most, running);
				await bench.time.sleep(10 * SECOND);
				running -= 1;
				ran.push(jobId);
				return 'finished';
			},
		});
		for (let index = 0; index < 7; index++) {
			await queue.send(`clone-${index}`);
		}
		loop.start();
		await pass(15);
		expect(running).toBe(2);
		await pass(100);
		expect(most).toBe(2);
		expect(ran).toHaveLength(7);
		expect(queue.messages.size).toBe(0);
	});

	it.each<RunAnswer>(['finished', 'waiting', 'busy', 'unknown'])('acknowledges what the engine answered %s to', async (answer) => {
		const { queue, loop, pass } = setUp({ run: async () => answer });
		await queue.send('clone-1');
		loop.start();
		await pass(1);
		expect(queue.messages.size).toBe(0);
	});

	it('sends a new message for retry, whose count starts again', async () => {
		const at: number[] = [];
		const { bench, queue, loop, pass } = setUp({
			async run() {
				at.push((bench.time.now() - START) / SECOND);
				return at.length < 9 ? 'retry' : 'finished';
			},
			giveUp: () => Promise.reject(new Error('must not be given up')),
		});
		await queue.send('clone-1');
		loop.start();
		await pass(300);
		expect(at).toHaveLength(9);
		for (const [index, time] of at.slice(1).entries()) {
			expect(time - (at[index] ?? 0)).toBeGreaterThanOrEqual(10);
			expect(time - (at[index] ?? 0)).toBeLessThanOrEqual(20);
		}
		expect(queue.messages.size).toBe(0);
		expect(bench.lines).toEqual([]);
	});

	it('never acknowledges an unknown error away; after five deliveries the job is given up', async () => {
		const deliveries: number[] = [];
		const given: string[] = [];
		const { bench, queue, loop, pass } = setUp({
			async run() {
				deliveries.push((bench.time.now() - START) / SECOND);
				throw new Error('a bug');
			},
			async giveUp(jobId) {
				given.push(jobId);
				return given.length === 1 ? 'busy' : 'waiting';
			},
		});
		await queue.send('clone-1');
		loop.start();
		await pass(3600);
		expect(deliveries).toHaveLength(5);
		const gaps = deliveries.slice(1).map((time, index) => time - (deliveries[index] ?? 0));
		for (const [index, least] of [5, 15, 45, 135].entries()) {
			expect(gaps[index]).toBeGreaterThanOrEqual(least);
			expect(gaps[index]).toBeLessThanOrEqual(least * 2);
		}
		expect(given).toEqual(['clone-1', 'clone-1']);
		expect(queue.messages.size).toBe(0);
		expect(bench.lines.map((line) => line.message)).toContain('message not handled');
		expect(bench.lines.map((line) => line.message)).toContain('poison message');
	});

	it('tells the engine how long it may go on: less than the message is invisible', async () => {
		const budgets: number[] = [];
		let budget: Budget | undefined;
		const { bench, queue, loop, pass } = setUp({
			async run(_, given) {
				budget = given;
				budgets.push(given.remainingMs());
				await bench.time.sleep(20 * SECOND);
				budgets.push(given.remainingMs());
				return 'finished';
			},
		});
		await queue.send('clone-1');
		loop.start();
		await pass(30);
		expect(budgets).toEqual([60 * SECOND, 40 * SECOND]);
		expect(budget?.signal.aborted).toBe(false);
	});

	it('stops: tells what runs, waits for it, and takes nothing more', async () => {
		const ran: string[] = [];
		const { bench, queue, loop, pass } = setUp({
			async run(jobId, budget) {
				await new Promise((resolve) => budget.signal.addEventListener('abort', resolve, { once: true }));
				await bench.time.sleep(3 * SECOND);
				ran.push(jobId);
				return 'waiting';
			},
		});
		await queue.send('clone-1');
		await queue.send('clone-2');
		await queue.send('clone-3');
		loop.start();
		await pass(1);
		const begun = bench.time.now();
		await bench.settle(loop.stop());
		expect(bench.time.now() - begun).toBe(3 * SECOND);
		expect(ran).toEqual(['clone-1', 'clone-2']);
		await pass(300);
		expect([...queue.messages.values()].map((message) => message.job_id)).toEqual(['clone-3']);
	});

	it('gives up waiting after its grace, and says so', async () => {
		const { bench, queue, loop, pass } = setUp({ run: () => new Promise(() => undefined) }, { graceMs: 7 * SECOND });
		await queue.send('clone-1');
		loop.start();
		await pass(1);
		const begun = bench.time.now();
		await bench.settle(loop.stop());
		expect(bench.time.now() - begun).toBe(7 * SECOND);
		expect(bench.lines).toContainEqual(expect.objectContaining({ message: 'worker stopped with jobs still running', fields: { jobs: 1 } }));
	});

	it('gives back what arrives while it stops', async () => {
		const ran: string[] = [];
		const { bench, queue, loop, pass } = setUp({
			async run(jobId) {
				ran.push(jobId);
				return 'finished';
			},
		});
		loop.start();
		await pass(1);
		const stopping = loop.stop();
		await queue.send('clone-1');
		await bench.settle(stopping);
		expect(ran).toEqual([]);
		expect([...queue.messages.values()]).toMatchObject([{ job_id: 'clone-1', receipt: null }]);
	});

	it('outlasts a queue that cannot be read, asking less and less often', async () => {
		const { bench, queue, loop, pass } = setUp({});
		let down = true as boolean;
		const asked: number[] = [];
		const flaky = createWorkerLoop({
			consumer: {
				receive(max, visibility) {
					asked.push((bench.time.now() - START) / SECOND);
					return down ? Promise.reject(new Error('down')) : queue.receive(max, visibility);
				},
				acknowledge: (message) => queue.acknowledge(message),
				release: (message, delay) => queue.release(message, delay),
				depth: () => queue.depth(),
			},
			queue,
			engine: { run: async () => 'finished', giveUp: async () => 'finished' },
			clock: bench.time,
			timers: bench.time,
			random: bench.dice,
			telemetry: bench.telemetry,
			concurrency: 1,
			visibilitySeconds: 60,
		});
		await queue.send('clone-1');
		flaky.start();
		await pass(100);
		expect(asked).toEqual([0, 2, 6, 14, 30, 60, 90]);
		down = false;
		await pass(30);
		expect(queue.messages.size).toBe(0);
		await bench.settle(loop.stop());
	});

	it('does not spin on a consumer that answers at once that there is nothing', async () => {
		let asked = 0;
		const { loop, pass } = setUp(
			{},
			{
				consumer: {
					async receive() {
						asked += 1;
						return [];
					},
					acknowledge: async () => undefined,
					release: async () => undefined,
					depth: async () => 0,
				},
			},
		);
		loop.start();
		await pass(10.5);
		expect(asked).toBe(11);
	});
});
