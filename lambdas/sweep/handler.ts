/**
 * The sweep, each minute: jobs whose message was lost, clones past their time, what no clone owns, the warm pool. One part
 * that fails does not keep the others from their turn; the function fails in the end, so that its alarm sees it.
 */
import middy, { type MiddlewareObj, type MiddyfiedHandler } from '@middy/core';
import type { Context, ScheduledEvent } from 'aws-lambda';
import { type CloneSweepDeps, sweepClones } from '../../core/clones/clone-sweep.ts';
import { maintainWarmPool, type WarmPoolSettings } from '../../core/clones/warm-pool.ts';
import type { Engine } from '../../core/jobs/engine.ts';
import { sweepJobs } from '../../core/jobs/sweep.ts';

export interface SweepOptions {
	readonly deps: CloneSweepDeps;
	readonly engine: Engine;
	readonly pool: WarmPoolSettings;
	/** Seconds after `expires_at` that a clone may still be there before it counts as past its time. */
	readonly graceSeconds: number;
	readonly pause: (milliseconds: number) => Promise<void>;
	readonly middlewares?: readonly MiddlewareObj<ScheduledEvent, void, Error>[];
}

export type SweepHandler = MiddyfiedHandler<ScheduledEvent, void>;

/** Nothing new is begun with less time left, ms. */
const RESERVE_MS = 10_000;
/** The pool is looked at again after this while slots of it are booting, ms: a sweep a minute alone would leave it empty for as long. */
const POOL_PAUSE_MS = 3000;

export function createSweepHandler(options: SweepOptions): SweepHandler {
	const handler = middy<ScheduledEvent, void>(async (_event: ScheduledEvent, context: Context) => sweep(options, context));
	for (const middleware of options.middlewares ?? []) handler.use(middleware);
	return handler;
}

async function sweep(options: SweepOptions, context: Context): Promise<void> {
	const { deps, engine } = options;
	const { telemetry } = deps;
	const left = (): number => context.getRemainingTimeInMillis() - RESERVE_MS;
	const budget = { remainingMs: left, signal: new AbortController().signal };
	const faults: unknown[] = [];
	const part = async (name: string, work: () => Promise<unknown>): Promise<void> => {
		try {
			await work();
		} catch (error) {
			telemetry.log('error', `the sweep of ${name} failed`, { error });
			faults.push(error);
		}
	};
	await part('jobs', () => sweepJobs({ ...deps, engine }, budget));
	await part('clones', () => sweepClones(deps));
	await part('figures', () => measure(options));
	await part('the warm pool', () => fillPool(options, left));
	if (faults.length > 0) throw new AggregateError(faults, 'The sweep did not come to its end.');
}

/** How many clones there are, and how many of them should not be any more. */
async function measure({ deps, graceSeconds }: SweepOptions): Promise<void> {
	const now = deps.clock.now();
	let live = 0;
	let late = 0;
	let cursor: string | null = null;
	do {
		const page: Awaited<ReturnType<typeof deps.clones.allLive>> = await deps.clones.allLive(cursor, 100);
		live += page.items.filter((clone) => clone.state === 'live').length;
		late += page.items.filter((clone) => clone.expires_at !== null && clone.expires_at + 1000 * graceSeconds < now).length;
		cursor = page.next_cursor;
	} while (cursor !== null);
	deps.telemetry.metric('clones_live', live, 'count');
	deps.telemetry.metric('clones_past_time', late, 'count');
}

async function fillPool({ deps, pool, pause }: SweepOptions, left: () => number): Promise<void> {
	for (;;) {
		const counts = await maintainWarmPool(deps, pool);
		if (counts.booting === 0 || left() < POOL_PAUSE_MS) {
			deps.telemetry.metric('pool_warm', counts.warm, 'count');
			deps.telemetry.metric('pool_booting', counts.booting, 'count');
			return;
		}
		await pause(POOL_PAUSE_MS);
	}
}
