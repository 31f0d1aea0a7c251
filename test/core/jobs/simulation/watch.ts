/** Sees every row, line and message the moment it comes to be, and remembers what must never be. */
import { isTerminal, type Job } from '../../../../core/jobs/job.ts';
import type { Telemetry } from '../../../../core/ports.ts';

export class Violations {
	readonly found: string[] = [];

	add(text: string): void {
		if (this.found.length < 20) {
			this.found.push(text);
		}
	}

	/** No secret may be seen in `where`. All secrets of a simulation carry one of these marks. */
	noSecret(where: string, text: string): void {
		if (/INPUT-SECRET|RESULT-SECRET/.test(text)) {
			this.add(`a secret in ${where}: ${text.slice(0, 300)}`);
		}
	}
}

/** The table of jobs; each write is held against the row before it. */
export class WatchedJobs extends Map<string, Job> {
	readonly #violations: Violations;
	readonly #stepNames: (job: Job) => readonly string[];

	constructor(violations: Violations, stepNames: (job: Job) => readonly string[]) {
		super();
		this.#violations = violations;
		this.#stepNames = stepNames;
	}

	override set(id: string, job: Job): this {
		const before = this.get(id);
		if (before !== undefined) {
			this.#compare(before, job);
		}
		this.#check(job);
		return super.set(id, job);
	}

	#compare(before: Job, job: Job): void {
		const bad = (text: string): void => this.#violations.add(`${job.job_id}: ${text}`);
		if (isTerminal(before.status)) {
			bad(`changed after it was ${before.status}`);
		}
		if (before.status === 'running' && job.status === 'pending') {
			bad('went back to pending');
		}
		if (job.progress < before.progress) {
			bad(`progress went from ${before.progress} to ${job.progress}`);
		}
		if (job.fence < before.fence || job.updated_at < before.updated_at) {
			bad('fence or updated_at went back');
		}
		if (before.undoing !== null && JSON.stringify(job.undoing) !== JSON.stringify(before.undoing)) {
			bad('the reason of the undo changed');
		}
		for (const [key, value] of Object.entries(before.outputs)) {
			if (key !== '$crashes' && JSON.stringify(job.outputs[key]) !== JSON.stringify(value)) {
				bad(`the checkpoint ${key} changed`);
			}
		}
	}

	#check(job: Job): void {
		const bad = (text: string): void => this.#violations.add(`${job.job_id}: ${text}`);
		this.#violations.noSecret('a row', JSON.stringify(job));
		if (job.progress < 0 || job.progress > 100 || (job.progress === 100) !== (job.status === 'completed')) {
			bad(`progress ${job.progress} while ${job.status}`);
		}
		if (!isTerminal(job.status)) {
			return;
		}
		if (job.sealed_input !== null || job.completed_at === null || job.lease_holder !== null) {
			bad('ended without erasing its secrets, noting the time or giving up the lease');
		}
		if ((job.status === 'failed') !== (job.error !== null)) {
			bad(`${job.status} with error ${JSON.stringify(job.error)}`);
		}
		if (job.status === 'completed' && !this.#stepNames(job).every((name) => Object.hasOwn(job.outputs, name))) {
			bad('completed without all of its steps');
		}
		if (job.status === 'cancelled' && !job.cancel_requested) {
			bad('cancelled, but nobody asked for it');
		}
	}
}

/** Checks each line for secrets and counts what happened. */
export class WatchedTelemetry implements Telemetry {
	readonly counts = new Map<string, number>();
	/** `{job_id}/{step}` of every undo that was given up. */
	readonly abandoned = new Set<string>();
	readonly #violations: Violations;

	constructor(violations: Violations) {
		this.#violations = violations;
	}

	log(_level: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
		this.#violations.noSecret('a log line', `${message} ${JSON.stringify(fields)}`);
		this.#count(message);
		if (message === 'undo abandoned') {
			this.abandoned.add(`${String(fields.job_id)}/${String(fields.step)}`);
		}
	}

	metric(name: string, _value: number, _unit: string, dimensions: Readonly<Record<string, string>> = {}): void {
		this.#violations.noSecret('a metric', JSON.stringify(dimensions));
		this.#count(`metric ${name}`);
	}

	#count(what: string): void {
		this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
	}
}
