import type { Job, Millis } from '../job.ts';
import type { Step } from '../step.ts';
import { type Outputs, startedAt, stepOutput } from './checkpoint.ts';

const clamp = (value: number): number => (Number.isFinite(value) ? Math.min(1, Math.max(0, value)) : 0);

/**
 * Progress of the whole job in per cent from the steps' weights; 100 is kept for `completed`.
 * @param running the step being run and how far it is (0–1).
 */
export function progressOf(steps: readonly Step[], outputs: Outputs, running?: { step: string; fraction: number }): number {
	let total = 0;
	let reached = 0;
	for (const step of steps) {
		total += step.weight;
		if (stepOutput(outputs, step.name) !== undefined) {
			reached += step.weight;
		} else if (running?.step === step.name) {
			reached += step.weight * clamp(running.fraction);
		}
	}
	return total > 0 ? Math.min(99, Math.floor((100 * reached) / total)) : 0;
}

/** Below this share of the work an extrapolation says nothing. */
const EXTRAPOLATE_FROM = 10;

/**
 * When the job will be done if it goes on as fast as until now; the earlier estimate while there is too little to go by.
 * Never in the past, never after the deadline.
 */
export function estimateCompletion(job: Job, steps: readonly Step[], outputs: Outputs, progress: number, now: Millis): Millis | null {
	const first = steps[0];
	const started = first === undefined ? undefined : startedAt(outputs, first.name);
	let estimate = job.estimated_completion;
	if (started !== undefined && progress >= EXTRAPOLATE_FROM) {
		estimate = now + Math.round((Math.max(0, now - started) * (100 - progress)) / progress);
	}
	return estimate === null ? null : Math.min(job.deadline, Math.max(now, estimate));
}
