/**
 * Runs a slot's import to its end (docs/migrator-protocol.md): calls the step function again and again while
 * import/request.json is there and import/state.json is neither done nor failed. Asked at boot (an import that a crash cut
 * off goes on) and after every `import_start`.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as z from 'zod';
import { readIfThere, writeAtomically } from '../server/state.ts';
import type { ImportWorkerData, StepCommand, StepReport } from './import-worker.ts';

const BUDGET_SECONDS = 5;
/** Failures of PHP itself in a row before the import is given up; the step counts its own faults. */
const MAX_FAILURES = 5;
const FIRST_PAUSE_MS = 250;
/** A step that has not reported by then is stuck: its thread is ended, which counts as a failure. */
const STEP_LIMIT_MS = 180_000;

const lineSchema = z.object({ state: z.enum(['idle', 'running', 'done', 'failed']), wait_ms: z.number().min(0).max(60_000) });

export interface ImportDriverOptions extends ImportWorkerData {
	/** Called when an import is over: what PHP instances cached is no longer true. */
	readonly onDone: () => void;
	readonly log: (line: string) => void;
	/** @default the thread of import-worker.ts; a test gives its own */
	readonly openStepper?: () => Stepper;
}

export interface Stepper {
	step(command: StepCommand): Promise<StepReport>;
	close(): Promise<void>;
}

export class ImportDriver {
	readonly #options: ImportDriverOptions;
	#running: Promise<void> | undefined;
	/** Raised by `check`: a run that started before its last value looks once more. */
	#asked = 0;
	readonly #stop = new AbortController();
	/** Takes the next import's first steps. */
	#prepared: Stepper | undefined;

	constructor(options: ImportDriverOptions) {
		this.#options = options;
	}

	/** Starts the thread of an import that is still to come, so that the import does not wait for it. */
	prepare(): void {
		if (this.#running === undefined && this.#read('request.json') === undefined) this.#prepared ??= this.#open();
	}

	/** Runs what there is to run, in the background. Calling it while an import runs has it look once more at the end. */
	check(): void {
		this.#asked += 1;
		if (this.#running !== undefined || !this.isPending()) return;
		const asked = this.#asked;
		this.#running = this.#run()
			.catch((cause: unknown) => this.#options.log(`the import's driver failed: ${String(cause)}`))
			.finally(() => {
				this.#running = undefined;
				if (this.#asked > asked) this.check();
			});
	}

	/** Whether an import was asked for and is not over. */
	isPending(): boolean {
		const request = this.#read('request.json');
		if (this.#stop.signal.aborted || request === undefined) return false;
		const state = this.#read('state.json') ?? {};
		// Another job's state: import_start was cut off between its two files, and the step begins afresh.
		return state.job_id !== request.job_id || (state.state !== 'done' && state.state !== 'failed');
	}

	/** Resolves when no import runs. */
	async idle(): Promise<void> {
		while (this.#running !== undefined) await this.#running;
	}

	stop(): void {
		this.#stop.abort();
		void this.#prepared?.close();
	}

	async #run(): Promise<void> {
		let stepper = this.#prepared;
		this.#prepared = undefined;
		let failures = 0;
		try {
			while (this.isPending()) {
				stepper ??= this.#open();
				const answer = await this.#step(stepper);
				if ('failure' in answer) {
					failures += 1;
					this.#options.log(`import step failed (${failures}): ${answer.failure}`);
					await stepper.close();
					stepper = undefined;
					if (failures >= MAX_FAILURES) return this.#giveUp();
					await pause(FIRST_PAUSE_MS * 2 ** (failures - 1));
					continue;
				}
				failures = 0;
				if (answer.state === 'idle') return;
				if (answer.state === 'running') await pause(answer.waitMs);
			}
		} finally {
			await stepper?.close();
			this.#options.onDone();
		}
	}

	#open(): Stepper {
		return this.#options.openStepper?.() ?? new WorkerStepper(this.#options);
	}

	async #step(stepper: Stepper): Promise<{ state: string; waitMs: number } | { failure: string }> {
		const report = await stepper.step({ budget: BUDGET_SECONDS });
		if ('failure' in report) return report;
		if (report.log !== '') this.#options.log(report.log);
		try {
			const line = lineSchema.parse(JSON.parse(report.line));
			return { state: line.state, waitMs: line.wait_ms };
		} catch {
			return { failure: `The import step printed something else than its line: ${report.line.slice(0, 200)}` };
		}
	}

	#giveUp(): void {
		const error = {
			code: 'import_crashed',
			message: 'The import in the clone crashed again and again. Try again; if it stays so, the site may be too large for this host.',
			permanent: false,
		};
		writeAtomically(
			this.#path('state.json'),
			JSON.stringify({
				...this.#read('state.json'),
				job_id: this.#read('request.json')?.job_id,
				state: 'failed',
				message: error.message,
				error,
			}),
		);
	}

	/** Undefined when there is no such file; empty when it is damaged, which the step reports with its own code. */
	#read(name: string): Readonly<Record<string, unknown>> | undefined {
		const text = readIfThere(this.#path(name));
		if (text === undefined) return undefined;
		try {
			return z.record(z.string(), z.unknown()).parse(JSON.parse(text));
		} catch {
			return {};
		}
	}

	#path(name: string): string {
		return join(this.#options.slotDir, 'import', name);
	}
}

class WorkerStepper implements Stepper {
	readonly #worker: Worker;
	/** Set once the thread has ended, perhaps between two steps. */
	#fault: StepReport | undefined;
	/** Takes the report that is being waited for. */
	#report: (report: StepReport) => void = () => {};

	constructor(options: ImportDriverOptions) {
		const workerData: ImportWorkerData = { slotDir: options.slotDir, php: options.php, allowPrivate: options.allowPrivate };
		this.#worker = new Worker(new URL('./import-worker.ts', import.meta.url), { workerData });
		this.#worker.on('message', (report: StepReport) => this.#report(report));
		this.#worker.on('error', (cause: unknown) => this.#end({ failure: `The import's thread failed: ${String(cause)}` }));
		this.#worker.on('exit', () => this.#end({ failure: "The import's thread ended." }));
	}

	async step(command: StepCommand): Promise<StepReport> {
		if (this.#fault !== undefined) return this.#fault;
		let timer: NodeJS.Timeout | undefined;
		try {
			return await new Promise<StepReport>((resolve) => {
				this.#report = resolve;
				timer = setTimeout(() => resolve({ failure: `The import step did not end within ${STEP_LIMIT_MS / 1000} s.` }), STEP_LIMIT_MS);
				this.#worker.postMessage(command);
			});
		} finally {
			clearTimeout(timer);
			this.#report = () => {};
		}
	}

	async close(): Promise<void> {
		await this.#worker.terminate();
	}

	#end(fault: StepReport): void {
		this.#fault ??= fault;
		this.#report(fault);
	}
}
