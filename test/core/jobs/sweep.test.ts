import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../core/jobs/engine.ts';
import type { Job } from '../../../core/jobs/job.ts';
import { done, wait } from '../../../core/jobs/step.ts';
import { type SweepReport, type SweepSettings, sweepJobs } from '../../../core/jobs/sweep.ts';
import { type Bench, definition, ID, makeBench, noting, START } from './engine-bench.ts';

const SECOND = 1000;

function sweep(bench: Bench, engine: Engine, settings?: Partial<SweepSettings>, remainingMs = 60_000): Promise<SweepReport> {
	const { store: jobs, queue, time: clock, dice: random, telemetry } = bench;
	const budget = { remainingMs: () => remainingMs, signal: new AbortController().signal };
	return bench.settle(sweepJobs({ jobs, queue, engine, clock, random, telemetry, settings }, budget));
}

async function acceptMany(bench: Bench, count: number, fields: Partial<Job> = {}): Promise<string[]> {
	const ids = Array.from({ length: count }, (_, index) => `clone-${String(index).padStart(12, '0')}`);
	for (const job_id of ids) {
		await bench.accept({ job_id, sealed_input: null, ...fields });
	}
	return ids;
}

describe('the sweep', () => {
	it('sends a job again whose message was lost, and not again while the new one is on its way', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(definition([noting([], 'one')]));
		await bench.settle(bench.time.sleep(30 * SECOND));
		expect(await sweep(bench, engine)).toEqual({ resent: 0, expired: 0, errors: 0 });
		await bench.settle(bench.time.sleep(1 * SECOND));
		expect(await sweep(bench, engine)).toEqual({ resent: 1, expired: 0, errors: 0 });
		expect(bench.sent).toEqual([[ID, 0]]);
		expect(bench.job()).toMatchObject({ status: 'pending', run_at: bench.time.now(), lease_holder: null });
		await bench.settle(bench.time.sleep(20 * SECOND));
		expect(await sweep(bench, engine)).toEqual({ resent: 0, expired: 0, errors: 0 });
		expect(await bench.run(engine)).toBe('finished');
		await bench.settle(bench.time.sleep(600 * SECOND));
		expect(await sweep(bench, engine)).toEqual({ resent: 0, expired: 0, errors: 0 });
	});

	it('leaves a job that waits for its time, and one that a worker holds', async () => {
		const bench = makeBench();
		await bench.accept();
		await bench.accept({ job_id: 'clone-000000000001', run_at: START + 900 * SECOND });
		await bench.settle(bench.time.sleep(300 * SECOND));
		await bench.jobs.lease(ID, { holder: 'worker', now: bench.time.now(), until: bench.time.now() + 60 * SECOND });
		expect(await sweep(bench, bench.engine(definition([noting([], 'one')])))).toEqual({ resent: 0, expired: 0, errors: 0 });
		expect(bench.sent).toEqual([]);
	});

	it('undoes and fails a job past its deadline itself, without the queue', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(
			definition([noting(log, 'one'), noting(log, 'polls', { run: async () => wait(900), deadlineSeconds: 9000 })]),
		);
		await bench.run(engine);
		bench.queueFault = new Error('the queue is down');
		await bench.settle(bench.time.sleep(1801 * SECOND));
		expect(await sweep(bench, engine)).toEqual({ resent: 0, expired: 1, errors: 0 });
		expect(log).toEqual(['one', 'undo polls', 'undo one']);
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' }, sealed_input: null });
	});

	it('sends jobs past their deadline on when it has no time for them', async () => {
		const bench = makeBench();
		const ids = await acceptMany(bench, 3);
		await bench.settle(bench.time.sleep(1801 * SECOND));
		const engine = bench.engine(definition([noting([], 'one')]));
		let left = 1;
		const budget = { remainingMs: () => left--, signal: new AbortController().signal };
		const { store: jobs, queue, time: clock, dice: random, telemetry } = bench;
		await bench.settle(sweepJobs({ jobs, queue, engine, clock, random, telemetry }, budget));
		expect(bench.sent.map(([id]) => id).sort((a, b) => (a < b ? -1 : 1))).toEqual(ids);
	});

	it('pages through many, up to its limit, and takes the rest the next time', async () => {
		const bench = makeBench();
		const ids = await acceptMany(bench, 45);
		await bench.settle(bench.time.sleep(60 * SECOND));
		const engine = bench.engine(definition([noting([], 'one')]));
		const settings = { limit: 30, pageSize: 10, graceSeconds: 30, concurrency: 2 };
		expect((await sweep(bench, engine, settings)).resent).toBe(30);
		expect((await sweep(bench, engine, settings)).resent).toBe(15);
		expect(new Set(bench.sent.map(([id]) => id))).toEqual(new Set(ids));
		expect((await sweep(bench, engine, settings)).resent).toBe(0);
	});

	it('finds what is late behind more than a page of what is only a little late', async () => {
		const bench = makeBench();
		await acceptMany(bench, 25, { run_at: START + 50 * SECOND });
		await bench.accept({ run_at: START + 55 * SECOND, deadline: START + 58 * SECOND });
		await bench.settle(bench.time.sleep(60 * SECOND));
		const engine = bench.engine(definition([noting([], 'one')]));
		expect(await sweep(bench, engine, { pageSize: 10 })).toEqual({ resent: 0, expired: 1, errors: 0 });
		expect(bench.job().status).toBe('failed');
	});

	it('run twice at once sends each job once', async () => {
		const bench = makeBench();
		await acceptMany(bench, 20);
		await bench.settle(bench.time.sleep(60 * SECOND));
		const engine = bench.engine(definition([noting([], 'one')]));
		const reports = await Promise.all([sweep(bench, engine), sweep(bench, engine)]);
		expect(reports.map((report) => report.resent).reduce((sum, count) => sum + count)).toBe(20);
		expect(bench.sent).toHaveLength(20);
	});

	it('goes on when it cannot handle one job, and says so', async () => {
		const bench = makeBench();
		await acceptMany(bench, 3);
		await bench.settle(bench.time.sleep(60 * SECOND));
		let sends = 0;
		const queue = {
			async send() {
				sends += 1;
				if (sends === 1) {
					throw new Error('not this one');
				}
			},
		};
		const { store: jobs, time: clock, dice: random, telemetry } = bench;
		const engine = bench.engine(definition([noting([], 'one')]));
		const budget = { remainingMs: () => 1e6, signal: new AbortController().signal };
		expect(await bench.settle(sweepJobs({ jobs, queue, engine, clock, random, telemetry }, budget))).toEqual({
			resent: 2,
			expired: 0,
			errors: 1,
		});
		expect(bench.lines).toContainEqual(expect.objectContaining({ level: 'error', message: 'sweep could not handle a job' }));
	});

	it('does not hide from the engine that a worker died', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(definition([noting([], 'one', { run: async () => wait(1) })]));
		await bench.run(engine);
		for (let crash = 0; crash < 5; crash++) {
			await bench.settle(bench.time.sleep(40 * SECOND));
			await bench.jobs.lease(ID, { holder: 'dies', now: bench.time.now(), until: bench.time.now() + 60 * SECOND });
			await bench.settle(bench.time.sleep(100 * SECOND));
			expect((await sweep(bench, engine)).resent).toBe(1);
		}
		expect(await bench.run(engine)).toBe('finished');
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'worker_crashed' } });
	});

	it('fails when the store cannot be read', async () => {
		const bench = makeBench();
		bench.storeFault = new Error('the store is down');
		await expect(sweep(bench, bench.engine(definition([noting([], 'one', { run: async () => done() })])))).rejects.toThrow(
			'the store is down',
		);
	});
});
