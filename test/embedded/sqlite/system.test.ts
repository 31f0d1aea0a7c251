import { describe, expect, it } from 'vitest';
import { createConsoleTelemetry, systemClock, systemRandom, systemTimers } from '../../../adapters/embedded/system.ts';
import { PermanentError } from '../../../core/errors.ts';
import { T0 } from '../../contracts/support.ts';
import { fakeClock } from '../../support/memory/clock.ts';

describe('the machine’s own ports', () => {
	it('tell the time and throw dice', () => {
		expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(60_000);
		for (const length of [0, 1, 7, 12, 64]) {
			expect(systemRandom.hex(length)).toMatch(new RegExp(`^[0-9a-f]{${length}}$`));
		}
		expect(new Set(Array.from({ length: 100 }, () => systemRandom.hex(16))).size).toBe(100);
		const fractions = Array.from({ length: 1000 }, () => systemRandom.fraction());
		expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
		expect(Math.max(...fractions) - Math.min(...fractions)).toBeGreaterThan(0.5);
	});

	it('set timers, also for longer than the platform can, and cancel them', async () => {
		const fired: string[] = [];
		const cancelLong = systemTimers.after(2 ** 40, () => fired.push('long'));
		const cancelled = systemTimers.after(0, () => fired.push('cancelled'));
		cancelled();
		await new Promise<void>((resolve) => {
			systemTimers.after(-5, () => {
				fired.push('past');
				systemTimers.after(5, resolve);
			});
		});
		cancelLong();
		expect(fired).toEqual(['past']);
	});

	it('write log lines and metrics as JSON, errors with their causes', () => {
		const lines: string[] = [];
		const telemetry = createConsoleTelemetry({ write: (line) => lines.push(line), clock: fakeClock(T0), metrics: true });
		const cause = new Error('the cause');
		telemetry.log('debug', 'left out');
		telemetry.log('error', 'broken', { job_id: 'clone-1', error: new PermanentError('refused', 'Refused.', { cause }), big: 12n });
		telemetry.metric('jobs_failed', 1, 'count', { code: 'refused' });
		expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
			{
				time: '2030-01-01T00:00:00.000Z',
				level: 'error',
				message: 'broken',
				job_id: 'clone-1',
				big: '12',
				error: expect.objectContaining({
					name: 'PermanentError',
					code: 'refused',
					cause: expect.objectContaining({ message: 'the cause' }),
				}),
			},
			{ time: '2030-01-01T00:00:00.000Z', level: 'metric', metric: 'jobs_failed', value: 1, unit: 'count', code: 'refused' },
		]);
	});

	it('keep the log going when a field cannot be written', () => {
		const lines: string[] = [];
		const telemetry = createConsoleTelemetry({ write: (line) => lines.push(line), clock: fakeClock(T0) });
		const loop: Record<string, unknown> = {};
		loop.self = loop;
		telemetry.log('info', 'a loop', { loop });
		expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([expect.objectContaining({ message: 'a loop', level: 'info' })]);
	});
});
