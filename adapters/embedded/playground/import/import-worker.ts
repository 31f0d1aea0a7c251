/**
 * Runs import steps on a thread of its own, so that the clone answers while it imports. One PHP, no WordPress in it.
 * In: `{budget}`. Out: `{line, log}` (the last line the step printed) or `{failure}`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import { createGuardedFetch } from '../../../wordpress/guarded-fetch.ts';
import type { NetworkPolicy } from '../php/network-policy.ts';
import { runPhp } from '../php/run.ts';
import { createPhp, type PhpVersion } from '../php/runtime.ts';
import { HostFetch } from './host-fetch.ts';

export interface ImportWorkerData {
	readonly slotDir: string;
	readonly php: PhpVersion;
	/** Whether the source may have a private address. */
	readonly allowPrivate: boolean;
}
export interface StepCommand {
	/** Seconds. */
	readonly budget: number;
}
export type StepReport = { readonly line: string; readonly log: string } | { readonly failure: string };

/** The step fetches through HostFetch only; its PHP needs no socket of its own. */
const noNetwork: NetworkPolicy = {
	allowsHost: () => false,
	connect(host, port) {
		throw new Error(`The import connects to nothing by itself (${host}:${port}).`);
	},
};

async function boot(data: ImportWorkerData): Promise<PHP> {
	const hostFetch = new HostFetch(createGuardedFetch({ allowPrivate: data.allowPrivate }), join(data.slotDir, 'import'));
	return createPhp({
		version: data.php,
		mounts: [data.slotDir],
		tmpDir: join(data.slotDir, 'tmp'),
		ini: { memory_limit: '512M' },
		network: noNetwork,
		locks: new FileLockManagerInMemory(),
		symlinks: false,
		onMessage: (message) => hostFetch.handle(message),
	});
}

async function step(php: PHP, slotDir: string, budget: number): Promise<StepReport> {
	const script = join(slotDir, 'system', 'custom-migrator', 'import-step.php');
	if (!existsSync(script)) return { failure: 'The clone has no import-step.php.' };
	const dir = Buffer.from(slotDir).toString('base64');
	const output = await runPhp(php, {
		code: `<?php $GLOBALS['custom_migrator_step'] = array( base64_decode( '${dir}' ), ${budget} ); require base64_decode( '${Buffer.from(script).toString('base64')}' );`,
	});
	if (output.exitCode !== 0) return { failure: `PHP ended with ${output.exitCode}: ${output.stderr.slice(-4000)}` };
	return { line: output.stdout.trim().split('\n').at(-1) ?? '', log: output.stderr };
}

function serve(data: ImportWorkerData): void {
	const booted = boot(data);
	// Met by the first step; without this it would count as unhandled until then.
	booted.catch(() => {});
	const report = async ({ budget }: StepCommand): Promise<StepReport> => {
		try {
			return await step(await booted, data.slotDir, budget);
		} catch (cause) {
			return { failure: `PHP crashed: ${String(cause)}` };
		}
	};
	parentPort?.on('message', (command: StepCommand) => {
		void report(command).then((answer) => parentPort?.postMessage(answer));
	});
}

if (parentPort !== null) serve(workerData as ImportWorkerData);
