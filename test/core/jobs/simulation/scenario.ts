/** Random job definitions: steps that wait, fail, hang, leak and kill, and undos that do. */
import { PermanentError, TransientError } from '../../../../core/errors.ts';
import type { Json } from '../../../../core/jobs/job.ts';
import { done, type JobDefinition, type Step, type StepContext, type StepResult, wait } from '../../../../core/jobs/step.ts';
import type { Process } from './process.ts';
import type { Dice } from './time.ts';
import type { World } from './world.ts';

export type UndoKind = 'none' | 'quick' | 'flaky' | 'waits' | 'broken' | 'refused' | 'deaf' | 'poison';

export interface StepSpec {
	readonly name: string;
	readonly deadlineSeconds: number;
	/** World calls one run makes. */
	readonly parts: number;
	readonly waits: number;
	readonly workMs: number;
	/** Probability that a run throws, once it has done a part of its work. */
	readonly transient: number;
	readonly unknown: number;
	readonly permanent: boolean;
	/** Never ends: waits on and on, hangs until told to stop, or hangs whatever it is told. */
	readonly endless: 'no' | 'waits' | 'heeds' | 'deaf';
	/** Kills its worker, always. */
	readonly poison: boolean;
	readonly usesSecret: boolean;
	readonly undo: UndoKind;
}

export interface Scenario {
	readonly steps: readonly StepSpec[];
	readonly finish: 'quick' | 'flaky' | 'broken';
	readonly afterUndo: 'none' | 'quick' | 'flaky' | 'broken';
}

export const PLAIN_STEP: Omit<StepSpec, 'name'> = {
	deadlineSeconds: 1500,
	parts: 1,
	waits: 0,
	workMs: 100,
	transient: 0,
	unknown: 0,
	permanent: false,
	endless: 'no',
	poison: false,
	usesSecret: true,
	undo: 'quick',
};

export function randomScenario(dice: Dice, wild: { readonly trouble: number; readonly poison: boolean }): Scenario {
	const count = 1 + dice.below(5);
	const steps = Array.from({ length: count }, (_, index): StepSpec => {
		const trouble = (): boolean => dice.chance(wild.trouble);
		return {
			name: `step-${index + 1}`,
			deadlineSeconds: dice.pick([60, 900, 900, 1800]),
			parts: 1 + dice.below(3),
			waits: dice.below(4),
			workMs: dice.pick([0, 500, 5000, 40_000]),
			transient: trouble() ? dice.pick([0.2, 0.6]) : 0,
			unknown: trouble() ? dice.pick([0.2, 0.2, 1]) : 0,
			permanent: dice.chance(wild.trouble / 4),
			endless: dice.chance(wild.trouble / 4) ? dice.pick(['waits', 'heeds', 'deaf'] as const) : 'no',
			poison: wild.poison && dice.chance(0.4),
			usesSecret: dice.chance(0.7),
			undo: trouble()
				? dice.pick<UndoKind>(wild.poison ? ['broken', 'poison', 'waits'] : ['none', 'flaky', 'waits', 'broken', 'refused', 'deaf'])
				: 'quick',
		};
	});
	return {
		steps,
		finish: dice.chance(wild.trouble / 2) ? dice.pick(['flaky', 'broken'] as const) : 'quick',
		afterUndo: dice.pick(['none', 'quick', 'quick', 'flaky', 'broken'] as const),
	};
}

/** Seconds; the long one is rare, as it often ends a step. */
const WAITS = [0, 1, 1, 2, 5, 5, 10, 30, 30, 60, 900];

/** What the simulated outside remembers between the runs of a step. */
export type Polls = Map<string, number>;

/** The scenario as the definition that `process` runs. */
export function makeDefinition(scenario: Scenario, options: { process: Process; world: World; dice: Dice; polls: Polls }): JobDefinition {
	const { process, world, dice, polls } = options;

	async function work(context: StepContext, spec: StepSpec): Promise<StepResult> {
		const { job_id: id, fence } = context.job;
		const secret = spec.usesSecret ? passwordIn(await context.secrets()) : 'nothing';
		for (let part = 1; part < spec.parts; part++) {
			await process.call(`world.${spec.name}`, async () => world.apply(id, spec.name, fence, false));
			await context.report(part / spec.parts, `Part ${part}, not to be shown: ${secret}`);
		}
		await idle(context, spec.workMs);
		if (spec.poison) {
			process.kill();
			await process.sleep(1);
		}
		if (spec.permanent) {
			throw new PermanentError('refused', `The source refused ${secret}: give it another.`);
		}
		if (dice.chance(spec.transient)) {
			throw new TransientError('no_answer', `No answer to ${secret}.`, { retryAfterSeconds: dice.pick([undefined, 3, 5000]) });
		}
		if (dice.chance(spec.unknown)) {
			throw new TypeError(`cannot read ${secret}`, { cause: new Error(`inner ${secret}`) });
		}
		if (spec.endless === 'heeds') {
			await idle(context, Number.MAX_SAFE_INTEGER);
		} else if (spec.endless === 'deaf') {
			await process.sleep(context.now % 2 === 0 ? 3_000_000 : 200_000);
		}
		const key = `${id}/${spec.name}`;
		const polled = polls.get(key) ?? 0;
		if (spec.endless === 'waits' || polled < spec.waits) {
			polls.set(key, polled + 1);
			return wait(dice.pick(WAITS), `Waiting for ${secret}`, polled / (spec.waits + 1));
		}
		await process.call(`world.${spec.name}`, async () => world.apply(id, spec.name, fence, true));
		return done({ by: fence });
	}

	async function undo(context: StepContext, spec: StepSpec): Promise<StepResult> {
		const { job_id: id, fence } = context.job;
		const secret = passwordIn(await context.secrets());
		await process.call(`world.undo ${spec.name}`, async () => world.undo(id, spec.name, fence, false));
		if (spec.undo === 'poison') {
			process.kill();
			await process.sleep(1);
		}
		if (spec.undo === 'broken' || (spec.undo === 'flaky' && dice.chance(0.5))) {
			throw new Error(`cannot undo with ${secret}`);
		}
		if (spec.undo === 'refused') {
			throw new PermanentError('refused', `The undo was refused with ${secret}.`);
		}
		if (spec.undo === 'deaf') {
			await process.sleep(1_000_000);
		}
		const key = `${id}/${spec.name}/undo`;
		const polled = polls.get(key) ?? 0;
		if (spec.undo === 'waits' && polled < 2) {
			polls.set(key, polled + 1);
			return wait(2);
		}
		await process.call(`world.undo ${spec.name}`, async () => world.undo(id, spec.name, fence, true));
		return done();
	}

	/** Works for a while; stops when told to. */
	async function idle(context: StepContext, ms: number): Promise<void> {
		const told = new Promise<void>((resolve) => {
			context.signal.addEventListener('abort', () => resolve(), { once: true });
		});
		await Promise.race([process.sleep(ms), told]);
		context.signal.throwIfAborted();
	}

	const steps = scenario.steps.map((spec): Step => {
		const step: Step = {
			name: spec.name,
			message: `Doing ${spec.name}`,
			weight: 1 + spec.parts,
			deadlineSeconds: spec.deadlineSeconds,
			run: (context) => work(context, spec),
		};
		return spec.undo === 'none' ? step : { ...step, undo: (context) => undo(context, spec) };
	});
	const definition: JobDefinition = {
		type: 'clone',
		steps,
		async finish(context) {
			const fail = scenario.finish === 'broken' || (scenario.finish === 'flaky' && dice.chance(0.5));
			if (fail) {
				throw new Error('cannot finish');
			}
			const made = scenario.steps.map((spec) => context.output(spec.name));
			return { result: { made }, secret_result: { password: `RESULT-SECRET-${context.job.job_id}` }, status_message: 'Done.' };
		},
	};
	if (scenario.afterUndo === 'none') {
		return definition;
	}
	return {
		...definition,
		async afterUndo() {
			if (scenario.afterUndo === 'broken' || (scenario.afterUndo === 'flaky' && dice.chance(0.5))) {
				throw new Error('cannot tidy up');
			}
		},
	};
}

export function secretsOf(jobId: string): string {
	return JSON.stringify({ username: 'admin', password: `INPUT-SECRET-${jobId}` });
}

function passwordIn(secrets: Json): string {
	if (secrets === null || typeof secrets !== 'object' || !('password' in secrets) || typeof secrets.password !== 'string') {
		throw new Error('The secrets are not the ones that were sealed.');
	}
	return secrets.password;
}
