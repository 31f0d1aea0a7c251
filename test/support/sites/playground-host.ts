import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PlaygroundCloneHost } from '../../../adapters/embedded/playground/playground-clone-host.ts';
import { SiteState } from '../../../adapters/embedded/playground/server/state.ts';
import type { SlotSpec, Telemetry } from '../../../core/ports.ts';
import type { CloneHostHarness } from '../../contracts/clone-host.ts';
import { testBundle } from './boot-site.ts';

export const silent: Telemetry = { log: () => {}, metric: () => {} };

/** Command lines of all processes that name `text`. */
export function processesOf(text: string): readonly string[] {
	return readdirSync('/proc')
		.filter((name) => /^\d+$/.test(name))
		.flatMap((pid) => {
			try {
				const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
				return line.includes(text) ? [`process ${pid}: ${line}`] : [];
			} catch {
				// It ended while being looked at.
				return [];
			}
		});
}

export interface PlaygroundHarness extends CloneHostHarness {
	readonly host: PlaygroundCloneHost;
	readonly slotsDir: string;
	/** A slot's CLONE_DIR. */
	cloneDir(slotId: string): string;
	stateDir(slotId: string): string;
}

export async function makePlaygroundHost(options: { allowPrivateSites?: boolean } = {}): Promise<PlaygroundHarness> {
	const bundle = await testBundle();
	const root = await mkdtemp(join(tmpdir(), 'wp-clone-host-'));
	const slotsDir = join(root, 'clones');
	const allowPrivateSites = options.allowPrivateSites ?? true;
	const host = new PlaygroundCloneHost({ slotsDir, bundle, allowPrivateSites, telemetry: silent });
	return {
		host,
		slotsDir,
		cloneDir: (slotId) => join(slotsDir, slotId, 'site'),
		stateDir: (slotId) => join(slotsDir, slotId, 'state'),
		async startAndDie(spec: SlotSpec) {
			const script = fileURLToPath(new URL('./start-and-wait.ts', import.meta.url));
			const child = spawn(process.execPath, [script, slotsDir, bundle.dir, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'inherit'] });
			await once(child.stdout, 'data');
			const ended = once(child, 'exit');
			child.kill('SIGKILL');
			await ended;
		},
		async leftovers(slotId) {
			const folder = join(slotsDir, slotId);
			return [...(existsSync(folder) ? [`folder ${folder}`] : []), ...processesOf(`${folder}/`)];
		},
		names: false,
		async lose(slotId) {
			const { process: record } = new SiteState(join(slotsDir, slotId, 'state'));
			if (record === undefined) throw new Error(`${slotId} has no process.`);
			process.kill(-record.pid, 'SIGKILL');
		},
		async close() {
			for (const { slot_id } of await host.list()) await host.remove(slot_id);
			await rm(root, { recursive: true, force: true });
		},
	};
}
