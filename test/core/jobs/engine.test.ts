import { describe, expect, it } from 'vitest';
import { LeaseLostError, PermanentError } from '../../../core/errors.ts';
import { done, type StepContext, wait } from '../../../core/jobs/step.ts';
import { definition, ID, makeBench, noting, START, step } from './engine-bench.ts';

const SECOND = 1000;

describe('a job that goes well', () => {
	it('runs its steps in order, keeps their outputs and ends with its result', async () => {
		const bench = makeBench();
		const log: string[] = [];
		const reads = step('reads', async (context) => {
			log.push(`reads ${JSON.stringify([context.output('one'), await context.secrets()])}`);
			return done();
		});
		await bench.accept();
		const engine = bench.engine(definition([noting(log, 'one'), reads]));
		expect(await bench.run(engine)).toBe('finished');
		expect(log).toEqual(['one', 'reads [{"from":"one"},{"username":"admin","password":"open sesame"}]']);
		const job = bench.job();
		expect(job).toMatchObject({
			status: 'completed',
			progress: 100,
			status_message: 'Ready.',
			result: { made: true },
			error: null,
			sealed_input: null,
			lease_holder: null,
			estimated_completion: null,
			completed_at: bench.time.now(),
		});
		expect(await bench.secrets.open(job.sealed_result ?? '', { job_id: ID, owner: 'owner-a' })).toBe('{"password":"for the owner"}');
		expect(bench.metrics).toEqual(expect.arrayContaining(['jobs_completed', 'step_seconds', 'job_seconds']));
	});

	it('costs one read, one lease and one write a step, and sends nothing', async () => {
		const bench = makeBench();
		await bench.accept();
		await bench.run(bench.engine(definition(['one', 'two', 'three'].map((name) => noting([], name)))));
		expect(bench.calls).toEqual(['get', 'lease', 'save', 'save', 'save', 'save', 'save']);
		expect(bench.sent).toEqual([]);
	});

	it('erases the caller’s secrets in the same write that ends it', async () => {
		const bench = makeBench();
		await bench.accept();
		await bench.run(bench.engine(definition([noting([], 'one')])));
		const ends = bench.patches.filter((patch) => patch.status === 'completed');
		expect(ends).toMatchObject([{ sealed_input: null, progress: 100 }]);
	});

	it('shows progress by the weights of the steps, and an estimate', async () => {
		const bench = makeBench();
		await bench.accept();
		const seen: (number | null)[][] = [];
		const note = (): void => {
			const { progress, estimated_completion } = bench.job();
			seen.push([progress, estimated_completion === null ? null : (estimated_completion - START) / SECOND]);
		};
		const slow = step(
			'slow',
			async (context) => {
				note();
				await bench.time.sleep(10 * SECOND);
				await context.report(1 / 3, 'Half of it');
				note();
				expect(bench.job().status_message).toBe('Half of it');
				return done();
			},
			{ weight: 3 },
		);
		await bench.run(bench.engine(definition([noting([], 'quick'), slow])));
		expect(seen).toEqual([
			[25, 0],
			[50, 20],
		]);
	});

	it('answers finished for a job that has ended, and unknown for one that never was', async () => {
		const bench = makeBench();
		await bench.accept({ status: 'failed' });
		const engine = bench.engine(definition([noting([], 'one')]));
		expect(await bench.run(engine)).toBe('finished');
		expect(await bench.settle(engine.run('clone-000000000000', { remainingMs: () => 1e9, signal: new AbortController().signal }))).toBe(
			'unknown',
		);
		expect(bench.calls).toEqual(['get', 'get']);
	});
});

describe('waiting', () => {
	it('is one write that gives up the lease, and one send', async () => {
		const bench = makeBench();
		await bench.accept();
		let runs = 0;
		const engine = bench.engine(definition([step('polls', async () => (++runs < 3 ? wait(7, 'Not yet', 0.5) : done()))]));
		expect(await bench.run(engine)).toBe('waiting');
		expect(bench.calls).toEqual(['get', 'lease', 'save', 'save']);
		expect(bench.sent).toEqual([[ID, 7]]);
		expect(bench.job()).toMatchObject({
			status: 'running',
			run_at: START + 7 * SECOND,
			lease_holder: null,
			status_message: 'Not yet',
			progress: 50,
			attempt: 0,
		});
		await bench.settle(bench.time.sleep(7 * SECOND));
		expect(await bench.runToEnd(engine)).toEqual(['waiting', 'finished']);
		expect(runs).toBe(3);
	});

	it('drops a message that comes while the job waits: no write, no send', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(definition([step('polls', async () => wait(60))]));
		await bench.run(engine);
		bench.calls.length = 0;
		for (let duplicate = 0; duplicate < 3; duplicate++) {
			expect(await bench.run(engine)).toBe('waiting');
		}
		expect(bench.calls).toEqual(['get', 'get', 'get']);
		expect(bench.sent).toHaveLength(1);
	});

	it.each([
		[5000, 900],
		[Number.NaN, 0],
		[-3, 0],
		[2.2, 3],
	])('takes wait(%d) as %d seconds', async (asked, given) => {
		const bench = makeBench();
		await bench.accept();
		await bench.run(bench.engine(definition([step('polls', async () => wait(asked), { deadlineSeconds: 9000 })])));
		expect(bench.sent).toEqual([[ID, given]]);
	});

	it('answers retry when the send fails: the row says when it is due', async () => {
		const bench = makeBench();
		await bench.accept();
		bench.queueFault = new Error('the queue is down');
		expect(await bench.run(bench.engine(definition([step('polls', async () => wait(60))])))).toBe('retry');
		expect(bench.job()).toMatchObject({ run_at: START + 60 * SECOND, lease_holder: null });
	});
});

describe('the lease', () => {
	it('is kept while a step runs for long, so a second worker is turned away', async () => {
		const bench = makeBench();
		await bench.accept();
		let inner: unknown;
		const engine = bench.engine(
			definition([
				step('long', async () => {
					await bench.time.sleep(290 * SECOND);
					inner = await engine.run(ID, { remainingMs: () => 1e9, signal: new AbortController().signal });
					return done();
				}),
			]),
		);
		expect(await bench.run(engine)).toBe('finished');
		expect(inner).toBe('busy');
		expect(bench.job().fence).toBe(1);
	});

	it('never reaches beyond the deadline of the job', async () => {
		const bench = makeBench();
		await bench.accept({ deadline: START + 30 * SECOND });
		let until = 0;
		const look = step('looks', async () => {
			until = bench.job().lease_until;
			return done();
		});
		await bench.run(bench.engine(definition([look])));
		expect(until).toBe(START + 30 * SECOND);
	});

	it('once lost, stops the step and changes nothing', async () => {
		const bench = makeBench();
		await bench.accept();
		let aborted = false;
		let reported: unknown;
		const engine = bench.engine(
			definition([
				step('loses', async (context) => {
					const stolen = await bench.jobs.lease(ID, { holder: 'thief', now: START + 3600 * SECOND, until: START + 7200 * SECOND });
					expect(stolen?.fence).toBe(2);
					reported = await context.report(0.9, 'still here').catch((error: unknown) => error);
					aborted = context.signal.aborted;
					return done('too late');
				}),
			]),
		);
		expect(await bench.run(engine)).toBe('busy');
		expect(reported).toBeInstanceOf(LeaseLostError);
		expect(aborted).toBe(true);
		expect(bench.job()).toMatchObject({ lease_holder: 'thief', fence: 2, progress: 0 });
		expect(bench.job().outputs).not.toHaveProperty('loses');
		expect(bench.sent).toEqual([]);
	});

	it('lost without a word is noticed at the next renewal', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(
			definition([
				step('loses', async (context) => {
					await bench.jobs.lease(ID, { holder: 'thief', now: START + 3600 * SECOND, until: START + 7200 * SECOND });
					await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
					throw new Error('aborted');
				}),
			]),
		);
		expect(await bench.run(engine)).toBe('busy');
		expect(bench.time.now()).toBeLessThanOrEqual(START + 21 * SECOND);
		// It is no failure of the step, and nothing is undone.
		expect(bench.lines.map((line) => line.message)).toEqual(['lease lost']);
	});

	it('that cannot be renewed stops the step before somebody else may start it', async () => {
		const bench = makeBench();
		await bench.accept();
		let stoppedAt = 0;
		const engine = bench.engine(
			definition([
				step('long', async (context) => {
					bench.storeFault = new Error('the store is down');
					await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
					stoppedAt = bench.time.now();
					throw new Error('aborted');
				}),
			]),
		);
		expect(await bench.run(engine)).toBe('retry');
		expect((stoppedAt - START) / SECOND).toBeGreaterThanOrEqual(60);
		expect((stoppedAt - START) / SECOND).toBeLessThanOrEqual(62);
	});

	it('of a dead worker is taken over when it ends, and the job goes on where it was', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(definition([noting(log, 'one'), noting(log, 'two', { run: async () => wait(5) })]));
		expect(await bench.run(engine)).toBe('waiting');
		await bench.settle(bench.time.sleep(5 * SECOND));
		const now = bench.time.now();
		await bench.jobs.lease(ID, { holder: 'dead', now, until: now + 60 * SECOND });
		expect(await bench.run(engine)).toBe('busy');
		await bench.settle(bench.time.sleep(60 * SECOND));
		const next = bench.engine(definition([noting(log, 'one'), noting(log, 'two')]));
		expect(await bench.run(next)).toBe('finished');
		expect(log).toEqual(['one', 'two']);
		expect(bench.metrics).toContain('workers_crashed');
	});

	it('lost five times in one step by dying workers fails the job', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(definition([noting(log, 'one', { run: async () => wait(1) })]));
		await bench.run(engine);
		await bench.settle(bench.time.sleep(1 * SECOND));
		for (let crash = 1; crash <= 4; crash++) {
			await bench.jobs.lease(ID, { holder: 'dead', now: bench.time.now(), until: bench.time.now() + 60 * SECOND });
			await bench.settle(bench.time.sleep(60 * SECOND));
			// A worker that takes over and dies before the step says anything.
			const job = await bench.jobs.lease(ID, { holder: 'noter', now: bench.time.now(), until: bench.time.now() + 1 });
			await bench.jobs.save(
				ID,
				job?.fence ?? 0,
				{ outputs: { ...job?.outputs, $crashes: crash } },
				{ now: bench.time.now(), release: true },
			);
		}
		await bench.jobs.lease(ID, { holder: 'dead', now: bench.time.now(), until: bench.time.now() + 60 * SECOND });
		await bench.settle(bench.time.sleep(60 * SECOND));
		expect(await bench.run(engine)).toBe('finished');
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'worker_crashed' } });
		expect(log).toEqual(['undo one']);
	});
});

describe('the worker’s own time', () => {
	it('runs out between steps: the job is put aside without starting the next one', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(definition([noting(log, 'one'), noting(log, 'two')]));
		expect(await bench.run(engine, 9_000)).toBe('waiting');
		expect(log).toEqual(['one']);
		expect(bench.sent).toEqual([[ID, 0]]);
		expect(bench.job().outputs).not.toHaveProperty('$started:two');
		expect(bench.job().lease_holder).toBeNull();
		expect(await bench.run(engine)).toBe('finished');
		expect(log).toEqual(['one', 'two']);
	});

	it('runs out in a step: the step is stopped, costs no attempt and is run again', async () => {
		const bench = makeBench();
		await bench.accept();
		const stops: StepContext[] = [];
		const engine = bench.engine(
			definition([
				step('long', async (context) => {
					stops.push(context);
					if (stops.length === 1) {
						await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
						throw new Error('aborted');
					}
					return done();
				}),
			]),
		);
		expect(await bench.run(engine, 20_000)).toBe('waiting');
		expect(bench.time.now()).toBe(START + 12 * SECOND);
		expect(bench.job()).toMatchObject({ attempt: 0, lease_holder: null, run_at: bench.time.now() });
		expect(await bench.run(engine)).toBe('finished');
		expect(stops).toHaveLength(2);
	});

	it('ends at a shutdown; a step that does not heed it is left behind, and can no longer write', async () => {
		const bench = makeBench();
		await bench.accept();
		const shutdown = new AbortController();
		const late: unknown[] = [];
		const engine = bench.engine(
			definition([
				step('deaf', async (context) => {
					shutdown.abort();
					await bench.time.sleep(100 * SECOND);
					late.push(await context.report(0.5, 'late').catch((error: unknown) => error));
					late.push(await context.secrets().catch((error: unknown) => error));
					return done();
				}),
			]),
		);
		expect(await bench.run(engine, Number.POSITIVE_INFINITY, shutdown.signal)).toBe('waiting');
		expect(bench.time.now()).toBe(START + 5 * SECOND);
		const row = bench.job();
		await bench.settle(bench.time.sleep(200 * SECOND));
		expect(bench.job()).toEqual(row);
		expect(late).toEqual([expect.any(LeaseLostError), expect.any(PermanentError)]);
		expect(late).toMatchObject([{ code: 'lease_lost' }, { code: 'secrets_erased' }]);
	});
});

describe('faults around the engine', () => {
	it('answers retry when the store fails, and gives the lease back when it can', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(
			definition([
				step('one', async () => {
					bench.storeFault = new Error('the store is down');
					return done();
				}),
			]),
		);
		expect(await bench.run(engine)).toBe('retry');
		expect(await bench.run(engine)).toBe('retry');
		bench.storeFault = undefined;
		expect(await bench.run(engine)).toBe('busy');
		await bench.settle(bench.time.sleep(60 * SECOND));
		expect(await bench.run(engine)).toBe('retry');
		expect(bench.lines.map((line) => line.message)).toContain('job not carried on');
	});

	it('leaves a job of a type it does not know to others until its deadline, then fails it', async () => {
		const bench = makeBench();
		await bench.accept({ type: 'restore' });
		const engine = bench.engine(definition([noting([], 'one')]));
		expect(await bench.run(engine)).toBe('retry');
		expect(bench.job()).toMatchObject({ status: 'pending', lease_holder: null });
		await bench.settle(bench.time.sleep(1800 * SECOND));
		expect(await bench.run(engine)).toBe('finished');
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' }, sealed_input: null });
	});

	it.each([
		['a step’s name twice', [noting([], 'one'), noting([], 'one')]],
		['a reserved name', [noting([], '$one')]],
		['an empty name', [noting([], '')]],
	])('refuses a definition with %s', (_, steps) => {
		expect(() => makeBench().engine(definition(steps))).toThrow(/name/);
	});
});
