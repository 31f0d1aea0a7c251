import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import * as z from 'zod';
import { openNetwork } from '../../../adapters/embedded/playground/php/network-policy.ts';
import { runPhp } from '../../../adapters/embedded/playground/php/run.ts';
import { createPhp, type PhpVersion } from '../../../adapters/embedded/playground/php/runtime.ts';

/** A PHP that runs import steps: the smallest host that the transport's messages allow, without any guard. */

const message = z.discriminatedUnion('op', [
	z.object({
		op: z.literal('fetch_start'),
		id: z.string(),
		url: z.string(),
		method: z.literal('POST'),
		headers: z.record(z.string(), z.string()),
		body: z.string(),
		out_file: z.string(),
		max_bytes: z.number(),
		timeout_ms: z.number(),
	}),
	z.object({ op: z.literal('fetch_wait'), timeout_ms: z.number() }),
	z.object({ op: z.literal('fetch_cancel') }),
]);
type Start = Extract<z.infer<typeof message>, { op: 'fetch_start' }>;

export interface FetchLog {
	verb: string;
	body: string; at?: any; took?: any; id?: any;
}

export class FetchSeam {
	readonly log: FetchLog[] = [];
	#answers: unknown[] = [];
	#wake: (() => void) | undefined;
	#abort = new AbortController();
	/** Most requests in flight at once. */
	peak = 0;
	#flying = 0;

	async answer(text: string): Promise<string> {
		const request = message.parse(JSON.parse(text));
		if (request.op === 'fetch_start') {
			this.log.push({ verb: request.headers['X-Migrator-Verb'] ?? '', body: request.body, at: Date.now() % 100000, id: request.id });
			this.#flying += 1;
			this.peak = Math.max(this.peak, this.#flying);
			void this.#fetch(request, this.#abort.signal);
			return '{"ok":true}';
		}
		if (request.op === 'fetch_cancel') {
			this.#abort.abort();
			this.#abort = new AbortController();
			this.#answers = [];
			return '{"ok":true}';
		}
		if (this.#answers.length === 0) {
			await new Promise<void>((resolve) => {
				const timer = setTimeout(resolve, request.timeout_ms);
				this.#wake = () => {
					clearTimeout(timer);
					resolve();
				};
			});
		}
		return JSON.stringify(this.#answers.shift() ?? { none: true });
	}

	async #fetch(request: Start, signal: AbortSignal): Promise<void> {
		let answer: unknown;
		try {
			const response = await fetch(request.url, {
				method: 'POST',
				headers: request.headers,
				body: request.body,
				redirect: 'manual',
				signal: AbortSignal.any([signal, AbortSignal.timeout(request.timeout_ms)]),
			});
			const file = createWriteStream(request.out_file);
			if (response.body) await pipeline(Readable.fromWeb(response.body), file);
			answer = { id: request.id, status: response.status, headers: Object.fromEntries(response.headers), file: request.out_file };
		} catch (cause) {
			const timedOut = cause instanceof Error && cause.name === 'TimeoutError';
			answer = { id: request.id, error: timedOut ? 'source_timeout' : 'source_unreachable', message: String(cause) };
		}
		this.#flying -= 1; for (const l of this.log) if (l.id === request.id) l.took = Date.now() % 100000 - l.at;
		if (signal.aborted) return;
		this.#answers.push(answer);
		this.#wake?.();
	}
}

export interface StepLine {
	readonly state: 'idle' | 'running' | 'done' | 'failed';
	readonly progress: number;
	readonly wait_ms: number;
}

export class StepHost {
	readonly php: PHP;
	readonly seam: FetchSeam;
	/** What PHP logged. */
	errors = '';
	readonly #slotDir: string;

	private constructor(php: PHP, seam: FetchSeam, slotDir: string) {
		this.php = php;
		this.seam = seam;
		this.#slotDir = slotDir;
	}

	static async start(slotDir: string, version: PhpVersion): Promise<StepHost> {
		const seam = new FetchSeam();
		const php = await createPhp({
			version,
			mounts: [slotDir],
			tmpDir: join(slotDir, 'tmp'),
			ini: { memory_limit: '512M' },
			network: openNetwork,
			locks: new FileLockManagerInMemory(),
			symlinks: false,
			onMessage: (text) => seam.answer(text),
		});
		return new StepHost(php, seam, slotDir);
	}

	/** Runs one step. @param before PHP to run first, without opening tag */
	async step(budget: number, before = ''): Promise<StepLine> {
		const out = await this.run(`$GLOBALS['custom_migrator_step'] = array( '${this.#slotDir}', ${budget} ); ${before}
			require '${this.#slotDir}/system/custom-migrator/import-step.php';`);
		const line: StepLine = JSON.parse(out.trim().split('\n').at(-1) ?? '');
		return line;
	}

	async run(code: string): Promise<string> {
		const { stdout, stderr, exitCode } = await runPhp(this.php, { code: `<?php ${code}` });
		if (stderr !== '') this.errors += stderr;
		if (exitCode !== 0) throw new Error(`PHP ended with ${exitCode}: ${stderr} ${stdout}`);
		return stdout;
	}

	/** Steps until the import has ended. @throws Error after `limit` steps */
	async toEnd(budget = 20, limit = 60): Promise<StepLine> {
		for (let i = 0; i < limit; i++) {
			const line = await this.step(budget);
			if (line.state === 'done' || line.state === 'failed') return line;
			await new Promise((resolve) => setTimeout(resolve, line.wait_ms));
		}
		throw new Error(`not over after ${limit} steps`);
	}

	stop(): void {
		this.php.exit();
	}
}
