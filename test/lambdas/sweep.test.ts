/** The sweep's handler over the stores in memory: what it counts, sends and keeps ready. */
import { describe, expect, it } from 'vitest';
import type { SlotStatus } from '../../core/ports.ts';
import { createSweepHandler } from '../../lambdas/sweep/handler.ts';
import { makeClone, makeJob, T0 } from '../contracts/support.ts';
import { fakeClock } from '../support/memory/clock.ts';
import { MemoryCloneStore } from '../support/memory/clone-store.ts';
import { MemoryDatabase } from '../support/memory/database.ts';
import { MemoryJobQueue } from '../support/memory/job-queue.ts';
import { MemoryJobStore } from '../support/memory/job-store.ts';
import { lambdaContext } from './support.ts';

const MINUTE = 60_000;

function sweeping(options: { warm?: number; ready?: () => boolean } = {}) {
	const clock = fakeClock(T0);
	const db = new MemoryDatabase();
	const jobs = new MemoryJobStore(db);
	const clones = new MemoryCloneStore(db);
	const queue = new MemoryJobQueue(clock);
	const metrics = new Map<string, number>();
	const pauses: number[] = [];
	const started: string[] = [];
	let digits = 0;
	const hex = (n: number): string => {
		digits++;
		return digits.toString(16).padStart(n, '0');
	};
	const isReady = options.ready ?? (() => true);
	const host = {
		start: async ({ slot_id }: { slot_id: string }) => void started.push(slot_id),
		status: async (slotId: string): Promise<SlotStatus> => {
			if (!started.includes(slotId)) return { state: 'gone', reason: 'never was' };
			const endpoint = { url: `http://${slotId}`, ref: slotId };
			return isReady() ? { state: 'ready', endpoint, php_version: '8.4', wp_version: '7.1.1' } : { state: 'starting' };
		},
		extend: async () => true,
		remove: async () => undefined,
		route: async () => undefined,
		list: async () => started.map((slot_id) => ({ slot_id, ready: isReady() })),
	};
	const handler = createSweepHandler({
		deps: {
			jobs,
			clones,
			queue,
			host,
			ttl: { set: async () => undefined, cancel: async () => undefined },
			secrets: { seal: async (plain) => plain, open: async (sealed) => sealed },
			clock,
			random: { hex, fraction: () => 0 },
			telemetry: { log: () => undefined, metric: (name, value) => void metrics.set(name, value) },
		},
		engine: { run: async () => 'finished', giveUp: async () => 'finished' },
		pool: { size: options.warm ?? 0, php: '8.4', deadlineSeconds: 3600, bootSeconds: 300 },
		graceSeconds: 30,
		async pause(milliseconds) {
			pauses.push(milliseconds);
		},
	});
	return { handler, db, clones, queue, clock, metrics, pauses, started };
}

describe('the sweep', () => {
	it('counts live clones, and those past their time and its grace', async () => {
		const { handler, db, metrics } = sweeping();
		for (const [name, expires_at] of [
			['fresh', T0 + MINUTE],
			['just over', T0 - 10_000],
			['past', T0 - MINUTE],
		] as const) {
			const job = makeJob({ clone_id: name });
			db.jobs.set(job.job_id, job);
			db.clones.set(name, makeClone(job, { state: 'live', expires_at }));
		}
		await handler({} as never, lambdaContext());
		expect(metrics.get('clones_live')).toBe(3);
		expect(metrics.get('clones_past_time')).toBe(1);
		expect(metrics.get('sweep_resent')).toBe(0);
	});

	it('sends again a job whose message was lost', async () => {
		const { handler, db, queue, clock } = sweeping();
		const job = makeJob();
		db.jobs.set(job.job_id, job);
		clock.move(31);
		await handler({} as never, lambdaContext());
		expect((await queue.receive(10, 60)).map((message) => message.job_id)).toEqual([job.job_id]);
	});

	it('looks at the warm pool until nothing of it boots any more', async () => {
		let looks = 0;
		const { handler, metrics, pauses, started } = sweeping({ warm: 2, ready: () => ++looks > 4 });
		await handler({} as never, lambdaContext());
		expect(started).toHaveLength(2);
		expect(pauses.length).toBeGreaterThan(1);
		expect(metrics.get('pool_warm')).toBe(2);
		expect(metrics.get('pool_booting')).toBe(0);
	});

	it('leaves the rest to the next sweep when its time is nearly up', async () => {
		const { handler, metrics, pauses } = sweeping({ warm: 1, ready: () => false });
		await handler({} as never, lambdaContext(12_000));
		expect(pauses).toEqual([]);
		expect(metrics.get('pool_booting')).toBe(1);
	});
});
