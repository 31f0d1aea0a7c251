import { describe, expect, it } from 'vitest';
import { PermanentError, SealError, TransientError } from '../../../core/errors.ts';
import { done, type Step, wait } from '../../../core/jobs/step.ts';
import { definition, ID, makeBench, noting, START, step } from './engine-bench.ts';

const SECOND = 1000;

function failing(name: string, error: () => unknown, more: Partial<Step> = {}): Step {
	return step(
		name,
		async () => {
			throw error();
		},
		more,
	);
}

describe('a step that fails', () => {
	it('for good is undone with all before it, last first, the interrupted one too', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const refused = failing('two', () => new PermanentError('login_refused', 'The site refused the login: check the password.'), {
			undo: async (context) => {
				log.push(`undo two, with ${JSON.stringify([context.outputOrUndefined('one'), context.outputOrUndefined('two')])}`);
				return done();
			},
		});
		const engine = bench.engine(
			definition([noting(log, 'one'), refused, noting(log, 'three')], {
				afterUndo: async (_, reason) => {
					log.push(`after ${reason.code}`);
				},
			}),
		);
		expect(await bench.runToEnd(engine)).toEqual(['finished']);
		expect(log).toEqual(['one', 'undo two, with [{"from":"one"},null]', 'undo one', 'after login_refused']);
		expect(bench.job()).toMatchObject({
			status: 'failed',
			error: { code: 'login_refused', message: 'The site refused the login: check the password.' },
			status_message: 'The site refused the login: check the password.',
			sealed_input: null,
			sealed_result: null,
			result: null,
		});
	});

	it('in passing is tried four times, later each time, then it counts as for good with its own code', async () => {
		const bench = makeBench();
		await bench.accept();
		const at: number[] = [];
		const flaky = failing('flaky', () => {
			at.push(bench.time.now());
			return new TransientError('no_answer', 'The site does not answer: is it up?');
		});
		const engine = bench.engine(definition([flaky]));
		expect(await bench.runToEnd(engine)).toEqual(['waiting', 'waiting', 'waiting', 'finished']);
		expect(at).toHaveLength(4);
		const delays = bench.sent.map(([, delay]) => delay);
		for (const [index, bound] of [4, 16, 64].entries()) {
			expect(delays[index]).toBeGreaterThanOrEqual(1);
			expect(delays[index]).toBeLessThanOrEqual(bound);
		}
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'no_answer', message: 'The site does not answer: is it up?' } });
	});

	it('waits as long as the other side asks, up to a bound', async () => {
		const bench = makeBench();
		await bench.accept({ deadline: START + 9000 * SECOND });
		const answers = [200, 100_000, undefined];
		const engine = bench.engine(
			definition([
				failing('limited', () => new TransientError('slow_down', 'Too many.', { retryAfterSeconds: answers.shift() }), {
					deadlineSeconds: 9000,
				}),
			]),
		);
		await bench.runToEnd(engine);
		expect(bench.sent.map(([, delay]) => delay).slice(0, 2)).toEqual([200, 900]);
	});

	it('starts counting anew once it has said that it waits', async () => {
		const bench = makeBench();
		await bench.accept();
		let runs = 0;
		const engine = bench.engine(
			definition([
				step('polls', async () => {
					runs += 1;
					if (runs === 12) {
						return done();
					}
					if (runs % 3 === 0) {
						return wait(1);
					}
					throw new TransientError('no_answer', 'No answer.');
				}),
			]),
		);
		expect((await bench.runToEnd(engine)).at(-1)).toBe('finished');
		expect(bench.job().status).toBe('completed');
	});

	it('in an unknown way shows nothing of it to the caller, and all of it to the log but for secrets', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(
			definition([
				step('odd', async (context) => {
					await context.secrets();
					throw new TypeError('cannot read open sesame', { cause: new Error('inner open%20sesame cause') });
				}),
			]),
		);
		await bench.runToEnd(engine);
		const job = bench.job();
		expect(job.error).toEqual({ code: 'internal', message: expect.stringContaining('job id') });
		expect(JSON.stringify(job)).not.toContain('cannot read');
		const logged = JSON.stringify(bench.lines);
		expect(logged).toContain('cannot read [redacted]');
		expect(logged).toContain('inner [redacted] cause');
		expect(logged).not.toMatch(/open.{1,3}sesame/);
	});

	it.each([
		['a secret in the message of an error', (text: string) => new PermanentError('refused', `Refused: ${text}`)],
		['a secret in the message of a last attempt', (text: string) => new TransientError('flaky', `Flaky: ${text}`)],
	])('hides %s', async (_, makeError) => {
		const bench = makeBench();
		await bench.accept();
		const leaks = step('leaks', async (context) => {
			await context.secrets();
			await context.report(0.1, 'trying open sesame');
			throw makeError('open sesame');
		});
		await bench.runToEnd(bench.engine(definition([leaks])));
		expect(bench.job().error?.message).toContain('[redacted]');
		expect(JSON.stringify([bench.job(), bench.patches, bench.lines])).not.toContain('open sesame');
	});

	it('because its secrets cannot be opened fails at once', async () => {
		const bench = makeBench();
		await bench.accept({ sealed_input: 'altered' });
		let seen: unknown;
		const reads = step('reads', async (context) => {
			seen = await context.secrets().catch((error: unknown) => error);
			throw seen;
		});
		expect(await bench.runToEnd(bench.engine(definition([reads])))).toEqual(['finished']);
		expect(seen).toBeInstanceOf(SealError);
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'seal_broken' } });
	});

	it('by reading an output that is not there is a bug, not the caller’s business', async () => {
		const bench = makeBench();
		await bench.accept();
		await bench.runToEnd(bench.engine(definition([step('early', async (context) => done(context.output('later')))])));
		expect(bench.job().error?.code).toBe('internal');
	});
});

describe('deadlines', () => {
	it('of a step count from its first run, waits included', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(definition([noting(log, 'polls', { run: async () => wait(50), deadlineSeconds: 120 })]));
		await bench.runToEnd(engine);
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'step_timed_out' }, completed_at: START + 120 * SECOND });
		expect(log).toEqual(['undo polls']);
	});

	it('of a step stop it in its run', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const hangs = noting(log, 'hangs', {
			deadlineSeconds: 90,
			run: async (context) => {
				await new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true }));
				throw new Error('aborted');
			},
		});
		await bench.runToEnd(bench.engine(definition([hangs])));
		expect(bench.job()).toMatchObject({ error: { code: 'step_timed_out' }, completed_at: START + 90 * SECOND });
		expect(log).toEqual(['undo hangs']);
	});

	it('of a step that does not stop leave it behind and undo it under a higher fencing token', async () => {
		const bench = makeBench();
		await bench.accept();
		const fences: number[] = [];
		const deaf = step(
			'deaf',
			async (context) => {
				fences.push(context.job.fence);
				await new Promise(() => undefined);
				return done();
			},
			{
				deadlineSeconds: 90,
				undo: async (context) => {
					fences.push(context.job.fence);
					return done();
				},
			},
		);
		expect(await bench.runToEnd(bench.engine(definition([deaf])))).toEqual(['waiting', 'finished']);
		expect(fences).toEqual([1, 2]);
		expect(bench.job()).toMatchObject({ error: { code: 'step_timed_out' }, completed_at: START + 95 * SECOND });
	});

	it('of the job undo what was done', async () => {
		const bench = makeBench();
		await bench.accept({ deadline: START + 300 * SECOND });
		const log: string[] = [];
		const engine = bench.engine(
			definition([noting(log, 'one'), noting(log, 'polls', { run: async () => wait(200), deadlineSeconds: 9000 })]),
		);
		await bench.runToEnd(engine);
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'deadline_exceeded' }, completed_at: START + 300 * SECOND });
		expect(log).toEqual(['one', 'undo polls', 'undo one']);
	});

	it('do not undo a job for the time that making its result takes', async () => {
		const bench = makeBench();
		await bench.accept();
		let tries = 0;
		const engine = bench.engine(
			definition([noting([], 'one', { deadlineSeconds: 5 })], {
				finish: async () => {
					tries += 1;
					if (tries < 4) {
						throw new TransientError('busy', 'Busy.', { retryAfterSeconds: 200 });
					}
					return { result: null, secret_result: null, status_message: 'Ready.' };
				},
			}),
		);
		await bench.runToEnd(engine);
		expect(bench.job()).toMatchObject({ status: 'completed', sealed_result: null });
	});
});

describe('cancelling', () => {
	it('is honoured between steps, undoing what was done', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(
			definition([
				noting(log, 'one', {
					run: async () => {
						await bench.jobs.requestCancel(ID, bench.time.now());
						log.push('one');
						return done();
					},
				}),
				noting(log, 'two'),
			]),
		);
		expect(await bench.run(engine)).toBe('finished');
		// The second was noted as started in the write that ended the first; its undo finds nothing to do.
		expect(log).toEqual(['one', 'undo two', 'undo one']);
		expect(bench.job()).toMatchObject({ status: 'cancelled', error: null, status_message: 'The job was cancelled.', sealed_input: null });
	});

	it('is honoured at a wait, at once', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const engine = bench.engine(definition([noting(log, 'polls', { run: async () => wait(500) })]));
		await bench.run(engine);
		await bench.jobs.requestCancel(ID, bench.time.now());
		expect(await bench.run(engine)).toBe('finished');
		expect(bench.job()).toMatchObject({ status: 'cancelled', completed_at: START });
		expect(log).toEqual(['undo polls']);
	});

	it('that comes while a step decides to wait is not slept over', async () => {
		const bench = makeBench();
		await bench.accept();
		const engine = bench.engine(
			definition([
				step('polls', async () => {
					await bench.jobs.requestCancel(ID, bench.time.now());
					return wait(500);
				}),
			]),
		);
		expect(await bench.run(engine)).toBe('waiting');
		expect(bench.sent).toEqual([[ID, 0]]);
		expect(await bench.run(engine)).toBe('finished');
		expect(bench.job().status).toBe('cancelled');
	});

	it('of a job that has not begun starts nothing', async () => {
		const bench = makeBench();
		await bench.accept();
		await bench.jobs.requestCancel(ID, START);
		const log: string[] = [];
		expect(await bench.run(bench.engine(definition([noting(log, 'one')])))).toBe('finished');
		expect(log).toEqual([]);
		expect(bench.job()).toMatchObject({ status: 'cancelled', progress: 0 });
	});

	it('does not change why a job is being undone', async () => {
		const bench = makeBench();
		await bench.accept();
		const undo = async () => {
			await bench.jobs.requestCancel(ID, bench.time.now());
			return done();
		};
		await bench.runToEnd(bench.engine(definition([failing('one', () => new PermanentError('refused', 'Refused.'), { undo })])));
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'refused' } });
	});
});

describe('an undo', () => {
	const refuse = (): PermanentError => new PermanentError('refused', 'Refused.');

	it('is tried again when it fails in passing, and may wait', async () => {
		const bench = makeBench();
		await bench.accept();
		let tries = 0;
		const undo = async () => {
			tries += 1;
			if (tries < 3) {
				throw new Error('not now');
			}
			return tries < 5 ? wait(3) : done();
		};
		const engine = bench.engine(definition([failing('one', refuse, { undo })]));
		expect(await bench.runToEnd(engine)).toEqual(['waiting', 'waiting', 'waiting', 'waiting', 'finished']);
		expect(tries).toBe(5);
		expect(bench.metrics).not.toContain('undo_abandoned');
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'refused' } });
	});

	it('that keeps failing is given up after eight attempts; the others still run, and the job ends', async () => {
		const bench = makeBench();
		await bench.accept({ deadline: START + 9000 * SECOND });
		const log: string[] = [];
		let tries = 0;
		const undo = async () => {
			tries += 1;
			throw new Error('never');
		};
		await bench.runToEnd(bench.engine(definition([noting(log, 'one'), failing('two', refuse, { undo })])));
		expect(tries).toBeGreaterThan(3);
		expect(tries).toBeLessThanOrEqual(8);
		expect(log).toEqual(['one', 'undo one']);
		expect(bench.metrics.filter((name) => name === 'undo_abandoned')).toHaveLength(1);
		expect(bench.lines).toContainEqual(expect.objectContaining({ level: 'error', message: 'undo abandoned' }));
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'refused' } });
	});

	it('that is refused for good is not tried again', async () => {
		const bench = makeBench();
		await bench.accept();
		let tries = 0;
		const undo = async () => {
			tries += 1;
			throw refuse();
		};
		await bench.runToEnd(bench.engine(definition([failing('one', refuse, { undo })])));
		expect(tries).toBe(1);
		expect(bench.metrics).toContain('undo_abandoned');
	});

	it('ends soon after the deadline of the job, whatever it says', async () => {
		for (const undo of [async () => wait(30), async () => Promise.reject(new Error('never')), () => new Promise<never>(() => undefined)]) {
			const bench = makeBench();
			await bench.accept({ deadline: START + 100 * SECOND });
			await bench.runToEnd(bench.engine(definition([noting([], 'one', { run: async () => wait(60), undo })])));
			const job = bench.job();
			expect(job.error?.code).toBe('deadline_exceeded');
			expect(((job.completed_at ?? 0) - job.deadline) / SECOND).toBeLessThanOrEqual(70);
		}
	});

	it('of afterUndo that fails does not keep the job from ending', async () => {
		const bench = makeBench();
		await bench.accept();
		const afterUndo = () => Promise.reject(new Error('never'));
		await bench.runToEnd(bench.engine(definition([failing('one', refuse)], { afterUndo })));
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'refused' } });
		expect(bench.metrics).toContain('undo_abandoned');
	});

	it('of a message that kills workers begins with giveUp, and is given up by it in turn', async () => {
		const bench = makeBench();
		await bench.accept();
		const log: string[] = [];
		const polls = noting(log, 'polls', {
			run: async () => wait(5),
			undo: async () => {
				log.push('undo polls');
				return wait(5);
			},
		});
		const engine = bench.engine(definition([polls]));
		await bench.run(engine);
		expect(await bench.settle(engine.giveUp(ID))).toBe('waiting');
		expect(bench.job()).toMatchObject({ undoing: { code: 'worker_crashed' }, lease_holder: null });
		expect(await bench.run(engine)).toBe('waiting');
		expect(await bench.settle(engine.giveUp(ID))).toBe('waiting');
		expect(bench.lines).toContainEqual(expect.objectContaining({ message: 'undo abandoned' }));
		expect(await bench.run(engine)).toBe('finished');
		expect(bench.job()).toMatchObject({ status: 'failed', error: { code: 'worker_crashed' } });
		expect(log).toEqual(['undo polls']);
		expect(await bench.settle(engine.giveUp(ID))).toBe('finished');
		expect(await bench.settle(engine.giveUp('clone-000000000000'))).toBe('unknown');
	});
});
