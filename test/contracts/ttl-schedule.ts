import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TtlSchedule } from '../../core/ports.ts';
import { unique } from './support.ts';

export interface TtlScheduleHarness {
	readonly schedule: TtlSchedule;
	now(): number;
	/** Lets time pass for the schedule: moves its clock and fires what is due, or really waits. */
	advance(seconds: number): Promise<void>;
	/** The job ids that have arrived in the queue since the last call. */
	fired(): Promise<readonly string[]>;
	close(): Promise<void>;
}

/** What every TtlSchedule must do. `make` gives one whose queue is empty. */
export function ttlScheduleContract(name: string, make: () => Promise<TtlScheduleHarness>): void {
	describe(`TtlSchedule contract: ${name}`, () => {
		let harness: TtlScheduleHarness;
		let schedule: TtlSchedule;
		beforeEach(async () => {
			harness = await make();
			({ schedule } = harness);
		});
		afterEach(() => harness.close());

		/** A schedule has a minute's grain on AWS; the contract leaves it that much. */
		const MINUTE = 60;
		const inMinutes = (minutes: number): number => harness.now() + minutes * MINUTE * 1000;

		it('fires at its time, once', async () => {
			const job = unique('delete');
			await schedule.set(unique('clone'), inMinutes(2), job);
			await harness.advance(MINUTE);
			expect(await harness.fired()).toEqual([]);
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toEqual([job]);
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toEqual([]);
		});

		it('replaces a schedule of the same name', async () => {
			const name = unique('clone');
			const job = unique('delete');
			await schedule.set(name, inMinutes(1), unique('delete'));
			await schedule.set(name, inMinutes(3), job);
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toEqual([]);
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toEqual([job]);
		});

		it('fires at once when the time has passed already', async () => {
			const job = unique('delete');
			await schedule.set(unique('clone'), inMinutes(-5), job);
			await harness.advance(MINUTE);
			expect(await harness.fired()).toEqual([job]);
		});

		it('does not fire what was cancelled; cancelling nothing is no error', async () => {
			const name = unique('clone');
			const other = unique('delete');
			await schedule.set(name, inMinutes(1), unique('delete'));
			await schedule.set(unique('clone'), inMinutes(1), other);
			await schedule.cancel(name);
			await schedule.cancel(name);
			await schedule.cancel(unique('clone'));
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toEqual([other]);
		});

		it('can be set again after it has fired', async () => {
			const name = unique('clone');
			const job = unique('delete');
			await schedule.set(name, inMinutes(1), unique('delete'));
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toHaveLength(1);
			await schedule.set(name, inMinutes(1), job);
			await harness.advance(2 * MINUTE);
			expect(await harness.fired()).toEqual([job]);
		});
	});
}
