import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImportDriver, type ImportDriverOptions, type Stepper } from '../../../adapters/embedded/playground/import/import-driver.ts';
import type { StepReport } from '../../../adapters/embedded/playground/import/import-worker.ts';

let slotDir: string;
let log: string[];
let done: number;
beforeEach(async () => {
	slotDir = await mkdtemp(join(tmpdir(), 'wp-clone-import-'));
	for (const name of ['import', 'tmp', 'system/custom-migrator']) mkdirSync(join(slotDir, name), { recursive: true });
	log = [];
	done = 0;
});
afterEach(() => rm(slotDir, { recursive: true, force: true }));

const write = (name: string, value: unknown): void => writeFileSync(join(slotDir, 'import', name), JSON.stringify(value));
const state = (): Record<string, unknown> =>
	JSON.parse(readFileSync(join(slotDir, 'import', 'state.json'), 'utf8')) as Record<string, unknown>;
const line = (value: string): StepReport => ({ line: JSON.stringify({ state: value, progress: 10, wait_ms: 1 }), log: '' });

function driver(options: Partial<ImportDriverOptions> = {}): ImportDriver {
	return new ImportDriver({
		slotDir,
		php: '8.4',
		allowPrivate: true,
		onDone: () => (done += 1),
		log: (text) => log.push(text),
		...options,
	});
}

/** Steps that do what the list says, one after another; the last again and again. */
function scripted(steps: readonly (() => StepReport)[]): { openStepper: () => Stepper; calls: () => number; opened: () => number } {
	let calls = 0;
	let opened = 0;
	return {
		calls: () => calls,
		opened: () => opened,
		openStepper: () => {
			opened += 1;
			return {
				step: async () => {
					const step = steps[Math.min(calls, steps.length - 1)];
					calls += 1;
					if (step === undefined) throw new Error('no step');
					return step();
				},
				close: async () => {},
			};
		},
	};
}

describe('the import driver', () => {
	it('has a thread ready for the import to come, and one only', async () => {
		const script = scripted([
			() => {
				write('state.json', { job_id: 'clone-1', state: 'done' });
				return line('done');
			},
		]);
		const one = driver(script);
		one.prepare();
		one.prepare();
		expect(script.opened()).toBe(1);
		write('request.json', { job_id: 'clone-1' });
		one.check();
		await one.idle();
		expect({ opened: script.opened(), calls: script.calls(), done }).toEqual({ opened: 1, calls: 1, done: 1 });
		// The import is over: nothing waits for another one.
		one.prepare();
		expect(script.opened()).toBe(1);
	});

	it('does nothing unless an import was asked for and is not over', async () => {
		const script = scripted([() => line('running')]);
		const idle = driver(script);
		idle.check();
		write('request.json', { job_id: 'clone-1' });
		write('state.json', { job_id: 'clone-1', state: 'done' });
		idle.check();
		write('state.json', { job_id: 'clone-1', state: 'failed' });
		idle.check();
		await idle.idle();
		expect([script.calls(), done]).toEqual([0, 0]);
	});

	it('steps until the import is done, then says so once', async () => {
		write('request.json', { job_id: 'clone-1' });
		write('state.json', { job_id: 'clone-0', state: 'done' });
		const script = scripted([
			() => line('running'),
			() => line('running'),
			() => {
				write('state.json', { job_id: 'clone-1', state: 'done' });
				return line('done');
			},
		]);
		const running = driver(script);
		running.check();
		running.check();
		await running.idle();
		expect([script.calls(), script.opened(), done]).toEqual([3, 1, 1]);
	});

	it('tries again after a crash, in a new PHP, and gives up after five in a row', async () => {
		write('request.json', { job_id: 'clone-1' });
		write('state.json', { job_id: 'clone-1', state: 'running', progress: 40 });
		const crash = (): StepReport => ({ failure: 'PHP ended with 255' });
		const script = scripted([crash, () => line('running'), crash, () => ({ line: 'Warning: nonsense', log: '' }), crash]);
		const running = driver(script);
		running.check();
		await running.idle();
		// One crash, one good step that starts the count again, then five.
		expect([script.calls(), script.opened(), done]).toEqual([7, 6, 1]);
		expect(state()).toMatchObject({
			job_id: 'clone-1',
			state: 'failed',
			progress: 40,
			error: { code: 'import_crashed', permanent: false },
		});
		expect(log.join('\n')).toContain('nonsense');
	});

	it('does not go on after it was stopped', async () => {
		write('request.json', { job_id: 'clone-1' });
		const script = scripted([
			() => {
				running.stop();
				return line('running');
			},
		]);
		const running = driver(script);
		running.check();
		await running.idle();
		expect(script.calls()).toBe(1);
	});

	it.each(['7.4', '8.4'] as const)('runs the real step in a PHP %s of its own, with its arguments and the fetch seam', async (php) => {
		writeFileSync(
			join(slotDir, 'system', 'custom-migrator', 'import-step.php'),
			`<?php
			list( $dir, $budget ) = $GLOBALS['custom_migrator_step'];
			$n = (int) @file_get_contents( "$dir/import/count" ) + 1;
			file_put_contents( "$dir/import/count", $n );
			if ( 1 === $n ) { no_such_function(); }
			$answer = json_decode( post_message_to_js( json_encode( array( 'op' => 'fetch_wait', 'timeout_ms' => 10 ) ) ), true );
			$state = $n < 3 ? 'running' : 'done';
			file_put_contents( "$dir/import/state.json", json_encode( array( 'job_id' => 'clone-1', 'state' => $state, 'seam' => $answer, 'budget' => $budget, 'wordpress' => defined( 'ABSPATH' ), 'version' => PHP_VERSION ) ) );
			error_log( "step $n" );
			echo json_encode( array( 'state' => $state, 'progress' => 50, 'wait_ms' => 1 ) ), "\\n";`,
		);
		write('request.json', { job_id: 'clone-1' });
		const running = driver({ php });
		running.check();
		await running.idle();
		expect(state()).toMatchObject({
			state: 'done',
			seam: { none: true },
			budget: 5,
			wordpress: false,
			version: expect.stringMatching(new RegExp(`^${php}`)),
		});
		expect(readFileSync(join(slotDir, 'import', 'count'), 'utf8')).toBe('3');
		expect(log.join('\n')).toMatch(/no_such_function[\s\S]*step 2[\s\S]*step 3/);
		expect(done).toBe(1);
	});
});
