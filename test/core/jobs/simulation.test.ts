import { describe, expect, it } from 'vitest';
import { type Fault, NO_FAULT } from './simulation/process.ts';
import { PLAIN_STEP, randomScenario, type Scenario } from './simulation/scenario.ts';
import { type Outcome, type Simulation, simulate } from './simulation/simulate.ts';
import { Dice } from './simulation/time.ts';

const SECOND = 1000;

interface Family {
	readonly name: string;
	readonly runs: number;
	readonly trouble: number;
	readonly poison?: boolean;
	readonly crash?: number;
	readonly error?: number;
	readonly pause?: number;
	readonly lose?: number;
	readonly repeat?: number;
	readonly delaySeconds?: number;
	readonly skewSeconds?: number;
	/** Share of the deadline after which faults end. */
	readonly calm: readonly [number, number];
	readonly deadlines: readonly number[];
	readonly slackSeconds: number;
}

/**
 * After the deadline: a minute to the next sweep; at most 20 s for the lease of a worker that died meanwhile; the undo,
 * which has 45 s for its retries and then 15 s and a little for each step.
 */
const UNDO = 45 + 6 * 20;
const AFTER_FAULTS = 60 + 20 + UNDO;

const FAMILIES: readonly Family[] = [
	{ name: 'steps in trouble, nothing else', runs: 400, trouble: 0.4, calm: [0, 0], deadlines: [120, 600, 1800], slackSeconds: UNDO },
	{
		name: 'steps that behave, everything else in trouble',
		runs: 500,
		trouble: 0,
		crash: 0.03,
		error: 0.03,
		pause: 0.02,
		lose: 0.1,
		repeat: 0.2,
		delaySeconds: 20,
		calm: [0.3, 1.2],
		deadlines: [600, 1800],
		slackSeconds: AFTER_FAULTS,
	},
	{
		name: 'a queue that loses, repeats and delays',
		runs: 400,
		trouble: 0.2,
		lose: 0.3,
		repeat: 0.4,
		delaySeconds: 120,
		calm: [0.5, 1.2],
		deadlines: [600, 1800],
		slackSeconds: AFTER_FAULTS,
	},
	{ name: 'workers that die', runs: 500, trouble: 0.2, crash: 0.08, calm: [0.5, 1.2], deadlines: [600, 1800], slackSeconds: AFTER_FAULTS },
	{
		name: 'workers that stall beyond their lease',
		runs: 500,
		trouble: 0.2,
		pause: 0.08,
		repeat: 0.3,
		calm: [0.5, 1.2],
		deadlines: [600, 1800],
		slackSeconds: AFTER_FAULTS,
	},
	{
		name: 'a store and queue that fail before and after their effect',
		runs: 400,
		trouble: 0.2,
		error: 0.15,
		calm: [0.5, 1.2],
		deadlines: [600, 1800],
		slackSeconds: AFTER_FAULTS,
	},
	{
		name: 'clocks that are off by five minutes',
		runs: 300,
		trouble: 0.2,
		crash: 0.02,
		skewSeconds: 300,
		calm: [0.3, 1],
		deadlines: [1800],
		slackSeconds: AFTER_FAULTS + 300,
	},
	{
		name: 'jobs that kill their workers',
		runs: 300,
		trouble: 0.3,
		poison: true,
		calm: [0, 0.5],
		deadlines: [600, 1800],
		slackSeconds: 5 * (60 + 20 + 20) * 6,
	},
	{
		name: 'everything at once',
		runs: 700,
		trouble: 0.4,
		crash: 0.03,
		error: 0.05,
		pause: 0.03,
		lose: 0.15,
		repeat: 0.3,
		delaySeconds: 60,
		calm: [0.3, 1.2],
		deadlines: [120, 600, 1800],
		slackSeconds: AFTER_FAULTS,
	},
];

function randomSimulation(seed: number, family: Family): Simulation {
	const dice = new Dice(seed * 7919);
	const deadlineSeconds = dice.pick(family.deadlines);
	const { crash = 0, error = 0, pause = 0 } = family;
	return {
		seed,
		scenario: randomScenario(dice, { trouble: family.trouble, poison: family.poison ?? false }),
		jobs: 1 + dice.below(3),
		workers: 1 + dice.below(3),
		deadlineSeconds,
		calmAfter: deadlineSeconds * dice.between(...family.calm),
		fault(inner) {
			const roll = inner.fraction();
			const when = inner.pick(['before', 'after'] as const);
			if (roll < crash) {
				return { kind: 'crash', when };
			}
			if (roll < crash + error) {
				return { kind: 'error', when };
			}
			return roll < crash + error + pause ? { kind: 'pause', when, ms: inner.between(1, 200) * SECOND } : NO_FAULT;
		},
		queue: { lose: family.lose ?? 0, repeat: family.repeat ?? 0, delaySeconds: family.delaySeconds ?? 0 },
		skewSeconds: family.skewSeconds ?? 0,
		cancel: 0.15,
		slackSeconds: family.slackSeconds,
	};
}

function expectNoViolation(what: string, outcome: Outcome): void {
	expect(outcome.violations, what).toEqual([]);
}

const totals = new Map<string, number>();
function note(outcome: Outcome): void {
	const add = (key: string, count: number): void => {
		totals.set(key, (totals.get(key) ?? 0) + count);
	};
	for (const [key, count] of outcome.counts) {
		add(key, count);
	}
	for (const job of outcome.jobs) {
		add(job.error?.code ?? job.status, 1);
	}
	add('stale effects refused', outcome.rejected);
}

describe('thousands of seeded runs', () => {
	it.each(FAMILIES)('$name ($runs runs)', async (family) => {
		for (let seed = 1; seed <= family.runs; seed++) {
			const outcome = await simulate(randomSimulation(seed, family));
			note(outcome);
			expectNoViolation(`seed ${seed} of "${family.name}"`, outcome);
		}
	});

	it('went everywhere', () => {
		const ends = ['completed', 'cancelled', 'deadline_exceeded', 'step_timed_out', 'worker_crashed', 'internal', 'no_answer', 'refused'];
		const happened = [
			'lease lost',
			'job not carried on',
			'undo abandoned',
			'job sent again',
			'the last worker did not give the lease back',
			'poison message',
			'step stopped',
			'stale effects refused',
			'metric sweep_expired',
		];
		for (const what of [...ends, ...happened]) {
			expect(totals.get(what), what).toBeGreaterThan(10);
		}
	});
});

/** Three steps that wait, report and read secrets. */
function fixedScenario(last: Partial<typeof PLAIN_STEP>): Scenario {
	return {
		steps: [
			{ ...PLAIN_STEP, name: 'step-1' },
			{ ...PLAIN_STEP, name: 'step-2', parts: 3, waits: 1 },
			{ ...PLAIN_STEP, name: 'step-3', undo: 'waits', ...last },
		],
		finish: 'quick',
		afterUndo: 'quick',
	};
}

function fixedSimulation(scenario: Scenario, cancel: number, strike: (call: number) => Fault): Simulation {
	return {
		seed: 4711,
		scenario,
		jobs: 1,
		workers: 2,
		deadlineSeconds: 1800,
		calmAfter: 1800,
		fault: (_dice, call) => strike(call),
		queue: { lose: 0, repeat: 0, delaySeconds: 0 },
		skewSeconds: 0,
		cancel,
		slackSeconds: 0,
	};
}

describe('one fault at every call that any process makes', () => {
	const CASES = [
		{ ends: 'completed', scenario: fixedScenario({}), cancel: 0 },
		{ ends: 'failed', scenario: fixedScenario({ permanent: true }), cancel: 0 },
		{ ends: 'failed', scenario: fixedScenario({ endless: 'deaf', deadlineSeconds: 60 }), cancel: 0 },
		{ ends: 'cancelled', scenario: fixedScenario({ endless: 'waits' }), cancel: 1 },
	] as const;
	const FAULTS: readonly Fault[] = [
		{ kind: 'crash', when: 'before' },
		{ kind: 'crash', when: 'after' },
		{ kind: 'error', when: 'before' },
		{ kind: 'error', when: 'after' },
		{ kind: 'pause', when: 'before', ms: 150 * SECOND },
		{ kind: 'pause', when: 'after', ms: 150 * SECOND },
	];

	it.each(CASES)('a job that is $ends (case %#) ends so, long before its deadline', async ({ ends, scenario, cancel }) => {
		const undisturbed = await simulate(fixedSimulation(scenario, cancel, () => NO_FAULT));
		expectNoViolation('undisturbed', undisturbed);
		expect(undisturbed.jobs.map((job) => job.status)).toEqual([ends]);
		// The sweep's own calls go on for long after the job; the calls that matter are the first ones.
		const calls = Math.min(undisturbed.calls, 120);
		expect(calls).toBeGreaterThan(40);
		for (const fault of FAULTS) {
			for (let struck = 1; struck <= calls; struck++) {
				const outcome = await simulate(fixedSimulation(scenario, cancel, (call) => (call === struck ? fault : NO_FAULT)));
				const what = `${JSON.stringify(fault)} at call ${struck}`;
				expectNoViolation(what, outcome);
				expect(
					outcome.jobs.map((job) => job.status),
					what,
				).toEqual([ends]);
			}
		}
	});
});
