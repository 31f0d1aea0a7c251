import { join } from 'node:path';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import { HostFetch } from '../../../../adapters/embedded/playground/import/host-fetch.ts';
import { openNetwork } from '../../../../adapters/embedded/playground/php/network-policy.ts';
import { runPhp } from '../../../../adapters/embedded/playground/php/run.ts';
import { createPhp, type PhpVersion } from '../../../../adapters/embedded/playground/php/runtime.ts';
import { createGuardedFetch } from '../../../../adapters/wordpress/guarded-fetch.ts';

export interface StepLine {
	readonly state: 'idle' | 'running' | 'done' | 'failed';
	readonly progress: number;
	readonly wait_ms: number;
}

/** A PHP that runs import steps in this process, fetching as a Playground slot does, and keeping what was asked for. */
export class StepHost {
	/** Verbs asked for, in order. */
	readonly asked: string[] = [];
	/** What PHP logged. */
	log = '';
	readonly #php: PHP;
	readonly #slotDir: string;

	private constructor(php: PHP, slotDir: string) {
		this.#php = php;
		this.#slotDir = slotDir;
	}

	static async start(slotDir: string, version: PhpVersion): Promise<StepHost> {
		const fetches = new HostFetch(createGuardedFetch({ allowPrivate: true }), join(slotDir, 'import'));
		const asked = (message: string): void => {
			const { op, headers }: { op: string; headers?: Record<string, string> } = JSON.parse(message);
			if (op === 'fetch_start') host.asked.push(headers?.['X-Migrator-Verb'] ?? '');
		};
		const php = await createPhp({
			version,
			mounts: [slotDir],
			tmpDir: join(slotDir, 'tmp'),
			ini: { memory_limit: '512M' },
			network: openNetwork,
			locks: new FileLockManagerInMemory(),
			symlinks: false,
			onMessage: (message) => {
				asked(message);
				return fetches.handle(message);
			},
		});
		const host = new StepHost(php, slotDir);
		return host;
	}

	/** Runs one step. @param before PHP to run first, without opening tag */
	async step(budget: number, before = ''): Promise<StepLine> {
		const out = await this.run(`$GLOBALS['custom_migrator_step'] = array( '${this.#slotDir}', ${budget} ); ${before}
			require '${this.#slotDir}/system/custom-migrator/import-step.php';`);
		const line: StepLine = JSON.parse(out.trim().split('\n').at(-1) ?? '');
		return line;
	}

	/** Runs PHP, without opening tag and without WordPress. @returns what it printed @throws Error when it failed */
	async run(code: string): Promise<string> {
		const { stdout, stderr, exitCode } = await runPhp(this.#php, { code: `<?php ${code}` });
		this.log += stderr;
		if (exitCode !== 0) throw new Error(`PHP ended with ${exitCode}: ${stderr} ${stdout}`);
		return stdout;
	}

	/** Runs PHP with the importer's classes loaded. */
	async withImporter(code: string): Promise<string> {
		return this.run(`require '${this.#slotDir}/system/custom-migrator/includes/import/load.php'; ${code}`);
	}

	/** Steps until the import has ended. @throws Error after `limit` steps */
	async toEnd(budget = 20, limit = 100): Promise<StepLine> {
		for (let i = 0; i < limit; i++) {
			const line = await this.step(budget);
			if (line.state === 'done' || line.state === 'failed') return line;
			await new Promise((resolve) => setTimeout(resolve, line.wait_ms));
		}
		throw new Error(`not over after ${limit} steps: ${this.log}`);
	}

	stop(): void {
		this.#php.exit();
	}
}
