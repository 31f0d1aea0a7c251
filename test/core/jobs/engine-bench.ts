/** One engine on in-memory ports in virtual time, for tests of what it does to the row, the queue and the log. */
import { createEngine, type Engine, type EngineSettings, type RunAnswer } from '../../../core/jobs/engine.ts';
import type { Job } from '../../../core/jobs/job.ts';
import { newJob } from '../../../core/jobs/new-job.ts';
import { done, type JobDefinition, type Step } from '../../../core/jobs/step.ts';
import type { JobPatch, JobQueue, JobStore } from '../../../core/ports.ts';
import { MemoryDatabase } from '../../support/memory/database.ts';
import { MemoryJobStore } from '../../support/memory/job-store.ts';
import { MemorySecretBox } from '../../support/memory/secret-box.ts';
import { Dice, VirtualTime } from './simulation/time.ts';

export const START = Date.UTC(2030, 0, 1);
export const ID = 'clone-0123456789ab';

export interface LogLine {
	readonly level: string;
	readonly message: string;
	readonly fields: Readonly<Record<string, unknown>>;
}

export interface Bench {
	readonly time: VirtualTime;
	readonly db: MemoryDatabase;
	/** The plain store. */
	readonly jobs: MemoryJobStore;
	/** The engine's store: the same, but it writes down what the engine does, and fails while `storeFault` is set. */
	readonly calls: string[];
	storeFault: Error | undefined;
	queueFault: Error | undefined;
	readonly patches: JobPatch[];
	/** `[job id, delay in seconds]` */
	readonly sent: [string, number][];
	readonly lines: LogLine[];
	readonly metrics: string[];
	readonly secrets: MemorySecretBox;
	readonly queue: JobQueue;
	readonly store: JobStore;
	readonly dice: Dice;
	readonly telemetry: {
		log(level: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
		metric(name: string): void;
	};
	engine(definition: JobDefinition, settings?: Partial<EngineSettings>): Engine;
	accept(fields?: Partial<Job>): Promise<Job>;
	job(id?: string): Job;
	/** Waits for `work`, letting virtual time pass. */
	settle<T>(work: Promise<T>): Promise<T>;
	/** Runs the job, also again after each wait or retry, until it ends. @returns every answer. */
	runToEnd(engine: Engine, id?: string): Promise<RunAnswer[]>;
	run(engine: Engine, remainingMs?: number, signal?: AbortSignal): Promise<RunAnswer>;
}

export function makeBench(): Bench {
	const time = new VirtualTime(START);
	const dice = new Dice(1);
	const db = new MemoryDatabase();
	const jobs = new MemoryJobStore(db);
	const secrets = new MemorySecretBox();
	const note = (call: string): void => {
		bench.calls.push(call);
		if (bench.storeFault !== undefined) {
			throw bench.storeFault;
		}
	};
	const store: JobStore = new Proxy(jobs, {
		get(target, key) {
			const method: unknown = Reflect.get(target, key);
			if (typeof method !== 'function') {
				return method;
			}
			return async (...args: unknown[]) => {
				note(String(key));
				if (key === 'save') {
					bench.patches.push(args[2] as JobPatch);
				}
				return Reflect.apply(method, target, args) as unknown;
			};
		},
	});
	const queue: JobQueue = {
		async send(jobId, delaySeconds = 0) {
			if (bench.queueFault !== undefined) {
				throw bench.queueFault;
			}
			bench.sent.push([jobId, delaySeconds]);
		},
	};
	const bench: Bench = {
		time,
		dice,
		db,
		jobs,
		store,
		queue,
		secrets,
		calls: [],
		patches: [],
		sent: [],
		lines: [],
		metrics: [],
		storeFault: undefined,
		queueFault: undefined,
		telemetry: {
			log: (level, message, fields = {}) => bench.lines.push({ level, message, fields }),
			metric: (name) => bench.metrics.push(name),
		},
		engine(definition, settings) {
			return createEngine({
				jobs: store,
				queue,
				secrets,
				clock: time,
				timers: time,
				random: dice,
				telemetry: bench.telemetry,
				definitions: [definition],
				settings,
			});
		},
		async accept(fields = {}) {
			const job: Job = {
				...newJob({
					job_id: ID,
					type: 'clone',
					owner: 'owner-a',
					input: { source_url: 'https://example.com' },
					sealed_input: await secrets.seal(JSON.stringify({ username: 'admin', password: 'open sesame' }), {
						job_id: ID,
						owner: 'owner-a',
					}),
					clone_id: 'shop',
					now: START,
					deadlineSeconds: 1800,
					expectedSeconds: 60,
				}),
				...fields,
			};
			await jobs.accept({ job, idempotency: null, clone: null });
			return job;
		},
		job(id = ID) {
			const job = db.jobs.get(id);
			if (job === undefined) {
				throw new Error(`There is no job ${id}.`);
			}
			return job;
		},
		async settle(work) {
			let settled = false;
			const watched = work.finally(() => {
				settled = true;
			});
			watched.catch(() => undefined);
			await time.run(START + 1e10, () => settled);
			if (!settled) {
				throw new Error('Nothing is left to happen, and it has not ended.');
			}
			return watched;
		},
		run: (engine, remainingMs = Number.POSITIVE_INFINITY, signal = new AbortController().signal) =>
			bench.settle(engine.run(ID, { remainingMs: () => remainingMs, signal })),
		async runToEnd(engine, id = ID) {
			const answers: RunAnswer[] = [];
			for (let turn = 0; turn < 100; turn++) {
				const budget = { remainingMs: () => Number.POSITIVE_INFINITY, signal: new AbortController().signal };
				const answer = await bench.settle(engine.run(id, budget));
				answers.push(answer);
				if (answer !== 'waiting') {
					return answers;
				}
				await bench.settle(time.sleep(1000 * (bench.sent.at(-1)?.[1] ?? 0)));
			}
			throw new Error(`The job does not end: ${JSON.stringify(bench.job(id))}`);
		},
	};
	return bench;
}

export function step(name: string, run: Step['run'], more: Partial<Step> = {}): Step {
	return { name, message: `Doing ${name}`, weight: 1, deadlineSeconds: 600, run, ...more };
}

export function definition(steps: readonly Step[], more: Partial<JobDefinition> = {}): JobDefinition {
	return {
		type: 'clone',
		steps,
		finish: async () => ({ result: { made: true }, secret_result: { password: 'for the owner' }, status_message: 'Ready.' }),
		...more,
	};
}

/** A step that does nothing but note its name. */
export function noting(log: string[], name: string, more: Partial<Step> = {}): Step {
	return step(
		name,
		async () => {
			log.push(name);
			return done({ from: name });
		},
		{
			undo: async () => {
				log.push(`undo ${name}`);
				return done();
			},
			...more,
		},
	);
}
