/**
 * A whole service in virtual time: an API that accepts jobs, workers that die and come back, a queue that loses, repeats
 * and delays, a sweep each minute. Everything follows from the seed.
 */
import { createEngine } from '../../../../core/jobs/engine.ts';
import { isTerminal, type Job } from '../../../../core/jobs/job.ts';
import { newJob } from '../../../../core/jobs/new-job.ts';
import { sweepJobs } from '../../../../core/jobs/sweep.ts';
import { createWorkerLoop } from '../../../../core/jobs/worker-loop.ts';
import type { JobQueue } from '../../../../core/ports.ts';
import { MemoryDatabase } from '../../../support/memory/database.ts';
import { MemoryJobQueue } from '../../../support/memory/job-queue.ts';
import { MemoryJobStore } from '../../../support/memory/job-store.ts';
import { MemorySecretBox } from '../../../support/memory/secret-box.ts';
import { type Fault, NO_FAULT, Process } from './process.ts';
import { makeDefinition, type Polls, type Scenario, secretsOf } from './scenario.ts';
import { Dice, VirtualTime } from './time.ts';
import { Violations, WatchedJobs, WatchedTelemetry } from './watch.ts';
import { World } from './world.ts';

const START = Date.UTC(2030, 0, 1);
const SECOND = 1000;

export interface Simulation {
	readonly seed: number;
	readonly scenario: Scenario;
	readonly jobs: number;
	readonly workers: number;
	readonly deadlineSeconds: number;
	/** Faults of the processes end here, and the queue's, in seconds from the start. */
	readonly calmAfter: number;
	/** Called for every call a process makes, numbered over all of them. */
	readonly fault: (dice: Dice, call: number, name: string) => Fault;
	readonly queue: { readonly lose: number; readonly repeat: number; readonly delaySeconds: number };
	/** Clocks of processes are off by up to this much. */
	readonly skewSeconds: number;
	/** Probability that a job is cancelled at some time. */
	readonly cancel: number;
	/** How long after deadline and calm every job has ended. */
	readonly slackSeconds: number;
}

export interface Outcome {
	readonly violations: readonly string[];
	readonly jobs: readonly Job[];
	/** Calls that processes made. */
	readonly calls: number;
	readonly rejected: number;
	readonly counts: ReadonlyMap<string, number>;
}

export async function simulate(simulation: Simulation): Promise<Outcome> {
	const { seed, scenario } = simulation;
	const dice = new Dice(seed);
	const time = new VirtualTime(START);
	const calmAt = START + simulation.calmAfter * SECOND;
	const names = scenario.steps.map((step) => step.name);
	const violations = new Violations();
	const telemetry = new WatchedTelemetry(violations);
	const world = new World({ violations, telemetry, steps: names });
	for (const step of scenario.steps.filter((spec) => spec.undo === 'none')) {
		world.withoutUndo(step.name);
	}
	const db = new MemoryDatabase(new WatchedJobs(violations, () => names));
	const jobs = new MemoryJobStore(db);
	const secrets = new MemorySecretBox();
	const messages = new MemoryJobQueue(time, time);
	const polls: Polls = new Map();
	let calls = 0;

	const queue: JobQueue = {
		async send(jobId, delaySeconds = 0) {
			violations.noSecret('a message', jobId);
			const calm = time.now() >= calmAt;
			if (!calm && dice.chance(simulation.queue.lose)) {
				return;
			}
			const copies = !calm && dice.chance(simulation.queue.repeat) ? 2 + dice.below(9) : 1;
			for (let copy = 0; copy < copies; copy++) {
				await messages.send(jobId, delaySeconds + (calm ? 0 : dice.between(0, simulation.queue.delaySeconds)));
			}
		},
	};

	function startProcess(onDeath: () => void): Process {
		const plan = (name: string): Fault => {
			calls += 1;
			const fault = simulation.fault(dice, calls, name);
			return time.now() >= calmAt ? NO_FAULT : fault;
		};
		const skewMs = simulation.skewSeconds === 0 ? 0 : dice.between(-1, 1) * simulation.skewSeconds * SECOND;
		return new Process({ time, dice, plan, skewMs, onDeath });
	}

	function makeEngine(process: Process) {
		const ports = { jobs: process.wrap('jobs', jobs), queue: process.wrap('queue', queue), secrets: process.wrap('secrets', secrets) };
		const { clock, timers } = process;
		const definitions = [makeDefinition(scenario, { process, world, dice, polls })];
		return { ...ports, clock, timers, engine: createEngine({ ...ports, clock, timers, random: dice, telemetry, definitions }) };
	}

	function startWorker(): void {
		const process = startProcess(() => time.after(dice.between(1, 20) * SECOND, startWorker));
		const { engine, queue: sender, clock, timers } = makeEngine(process);
		const consumer = process.wrap('consumer', messages);
		const loop = createWorkerLoop({
			consumer,
			queue: sender,
			engine,
			clock,
			timers,
			random: dice,
			telemetry,
			concurrency: 1 + dice.below(3),
			visibilitySeconds: dice.pick([90, 300]),
		});
		loop.start();
		if (dice.chance(0.3)) {
			// A deploy: the worker is told to stop, and goes a little later.
			timers.after(dice.between(5, 600) * SECOND, () => {
				void loop.stop().then(() => process.kill());
			});
		}
	}

	function startSweep(): void {
		const process = startProcess(() => undefined);
		const { jobs: store, queue: sender, engine, clock } = makeEngine(process);
		const end = clock.now() + 55 * SECOND;
		const budget = { remainingMs: () => end - clock.now(), signal: new AbortController().signal };
		sweepJobs({ jobs: store, queue: sender, engine, clock, random: dice, telemetry }, budget).catch(() =>
			telemetry.log('error', 'sweep failed'),
		);
		time.after(60 * SECOND, startSweep);
	}

	function accept(index: number): void {
		const jobId = `clone-${String(index).padStart(12, '0')}`;
		const owner = `owner-${index}`;
		const hash = { key_hash: `key-${index}`, body_hash: 'body' };
		let cancelling = simulation.cancel;
		const request = (): void => {
			// The client sends the same request again until it is answered.
			const api = startProcess(() => time.after(5 * SECOND, request));
			const store = api.wrap('jobs', jobs);
			const sender = api.wrap('queue', queue);
			const again = (): void => {
				api.timers.after(5 * SECOND, request);
			};
			void (async () => {
				const sealed_input = await secrets.seal(secretsOf(jobId), { job_id: jobId, owner });
				const fields = { job_id: jobId, type: 'clone' as const, owner, input: {}, sealed_input, clone_id: null, expectedSeconds: 60 };
				const job = newJob({ ...fields, now: time.now(), deadlineSeconds: simulation.deadlineSeconds });
				const { outcome } = await store.accept({ job, idempotency: hash, clone: null });
				if (outcome === 'accepted') {
					await sender.send(jobId);
				} else if (outcome !== 'duplicate') {
					violations.add(`${jobId}: accepting it again answered ${outcome}`);
				}
				if (dice.chance(cancelling)) {
					await api.sleep(dice.between(0, 200) * SECOND);
					await store.requestCancel(jobId, time.now());
					cancelling = 0;
					await sender.send(jobId);
				}
			})().catch(again);
		};
		time.after(index * 500, request);
	}

	for (let worker = 0; worker < simulation.workers; worker++) {
		startWorker();
	}
	time.after(dice.between(1, 60) * SECOND, startSweep);
	for (let index = 1; index <= simulation.jobs; index++) {
		accept(index);
	}

	const horizon = START + (simulation.deadlineSeconds + simulation.calmAfter + simulation.slackSeconds + 3600) * SECOND;
	const settled = (): boolean => db.jobs.size === simulation.jobs && [...db.jobs.values()].every((job) => isTerminal(job.status));
	await time.run(horizon, settled);
	// What is still on its way must not change anything any more.
	await time.run(time.now() + 900 * SECOND, () => false);

	if (db.jobs.size !== simulation.jobs) {
		violations.add(`${db.jobs.size} of ${simulation.jobs} jobs were accepted`);
	}
	for (const job of db.jobs.values()) {
		checkEnd(job, simulation, { violations, world, calmAt });
	}
	return { violations: violations.found, jobs: [...db.jobs.values()], calls, rejected: world.rejected, counts: telemetry.counts };
}

function checkEnd(job: Job, simulation: Simulation, watch: { violations: Violations; world: World; calmAt: number }): void {
	const { violations, world, calmAt } = watch;
	const bad = (text: string): void => violations.add(`${job.job_id}: ${text}`);
	if (!isTerminal(job.status) || job.completed_at === null) {
		bad(`never ended: ${JSON.stringify(job)}`);
		return;
	}
	const late = (job.completed_at - Math.max(job.deadline, calmAt)) / SECOND;
	if (late > simulation.slackSeconds + simulation.skewSeconds) {
		bad(`ended ${late} s after its deadline`);
	}
	const names = simulation.scenario.steps.map((step) => step.name);
	if (job.status === 'completed') {
		for (const name of names) {
			if (!world.isApplied(job.job_id, name)) {
				bad(`completed, but the effect of ${name} is not there`);
			}
		}
	} else {
		for (const step of world.left(job.job_id, names)) {
			bad(`${job.status}, but ${step} was not undone`);
		}
	}
}
