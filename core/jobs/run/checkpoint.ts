/**
 * The engine's own notes, kept among the step outputs under names no step may have (they start with `$`):
 *   $started:{step}  when the step first ran, written before it runs, so that an interrupted step is undone too
 *   $undone:{step}   `done`, or `abandoned` when its undo was given up
 *   $undo_started    when undoing began
 *   $crashes         workers that died in the current step, since it last gave a sign of life
 */
import type { Job, Json, Millis } from '../job.ts';
import type { Step } from '../step.ts';

export type Outputs = Job['outputs'];

/** The pseudo-steps: making the result, and the definition's `afterUndo`. */
export const FINISH = '$finish';
export const AFTER_UNDO = '$after_undo';

const STARTED = '$started:';
const UNDONE = '$undone:';
const UNDO_STARTED = '$undo_started';
const CRASHES = '$crashes';

function own(outputs: Outputs, key: string): Json | undefined {
	return Object.hasOwn(outputs, key) ? outputs[key] : undefined;
}

function numberAt(outputs: Outputs, key: string): number | undefined {
	const value = own(outputs, key);
	return typeof value === 'number' ? value : undefined;
}

export function stepOutput(outputs: Outputs, step: string): Json | undefined {
	return own(outputs, step);
}

export function startedAt(outputs: Outputs, step: string): Millis | undefined {
	return numberAt(outputs, STARTED + step);
}

export function undoStartedAt(outputs: Outputs): Millis | undefined {
	return numberAt(outputs, UNDO_STARTED);
}

export function crashes(outputs: Outputs): number {
	return numberAt(outputs, CRASHES) ?? 0;
}

/** Notes the first start of a step; a later one changes nothing. */
export function withStarted(outputs: Outputs, step: string, now: Millis): Outputs {
	return startedAt(outputs, step) === undefined ? { ...outputs, [STARTED + step]: now } : outputs;
}

export function withOutput(outputs: Outputs, step: string, output: Json): Outputs {
	return { ...outputs, [step]: output };
}

export function withUndone(outputs: Outputs, step: string, how: 'done' | 'abandoned'): Outputs {
	return { ...outputs, [UNDONE + step]: how };
}

export function withUndoStarted(outputs: Outputs, now: Millis): Outputs {
	return { ...outputs, [UNDO_STARTED]: now };
}

export function withCrashes(outputs: Outputs, count: number): Outputs {
	return { ...outputs, [CRASHES]: count };
}

/** The step gave a sign of life: its crash count starts again. */
export function withoutCrashes(outputs: Outputs): Outputs {
	if (own(outputs, CRASHES) === undefined) {
		return outputs;
	}
	return Object.fromEntries(Object.entries(outputs).filter(([key]) => key !== CRASHES));
}

export function isUndone(outputs: Outputs, step: string): boolean {
	return own(outputs, UNDONE + step) !== undefined;
}

/** The first step without an output: where a job goes on. Goes by the outputs, so a definition may gain steps in a deploy. */
export function nextStep(steps: readonly Step[], outputs: Outputs): Step | undefined {
	return steps.find((step) => own(outputs, step.name) === undefined);
}

/** The last step that was started, has an undo and is not undone yet: what is to be undone next. */
export function nextUndo(steps: readonly Step[], outputs: Outputs): Step | undefined {
	return steps.findLast((step) => step.undo !== undefined && startedAt(outputs, step.name) !== undefined && !isUndone(outputs, step.name));
}
