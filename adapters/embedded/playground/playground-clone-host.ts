/**
 * The CloneHost of one machine: each slot is a WordPress in a process of its own.
 *
 *     {slotsDir}/{slot_id}/site/     CLONE_DIR (docs/migrator-protocol.md), all that the slot's PHP sees
 *     {slotsDir}/{slot_id}/state/    what host and process tell each other (server/state.ts)
 *
 * Life cycle: `start` makes the folder (its existence reserves the id), writes clone.json and configuration, and spawns
 * the process detached; the process copies WordPress, listens on a free loopback port that is then kept, and says it
 * is ready. It needs nobody after that: it outlives this object and the service, and ends itself at its deadline,
 * taking its folder along. `remove` (and the sweep, for what `list` shows and nobody owns) ends it earlier.
 *
 * After a crash of the service nothing has to be rebuilt: everything is read from the folders. A process is ended only
 * when its id, start time and command line are those of the slot's own.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { PermanentError, TransientError } from '../../../core/errors.ts';
import type { Millis } from '../../../core/jobs/job.ts';
import type { CloneHost, HostedSlot, SlotRoute, SlotSpec, SlotStatus, Telemetry } from '../../../core/ports.ts';
import type { WordPressBundle } from './bundle/wordpress-bundle.ts';
import { nearestPhp } from './php/runtime.ts';
import { isSameProcess, processIdentity } from './process-identity.ts';
import type { SiteConfig } from './server/site-config.ts';
import { SiteState, writeAtomically } from './server/state.ts';
import { writeCloneJson } from './slot-files.ts';
import { siteEntry } from './source-site.ts';

export interface PlaygroundCloneHostOptions {
	/** Holds the slots. One host object at a time: the service locks its data folder. */
	readonly slotsDir: string;
	readonly bundle: WordPressBundle;
	/** Whether sources may have private addresses. */
	readonly allowPrivateSites: boolean;
	readonly telemetry: Telemetry;
	/** PHP instances a slot, at most. @default 2: a clone that calls itself over HTTP needs two */
	readonly workers?: number;
}

const SLOT_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
/** Between a slot's folder and its process record; longer means that the start was cut off. */
const START_GRACE_MS = 20_000;
const STOP_GRACE_MS = 3000;
const PROBE_MS = 1000;
const MAX_BODY_BYTES = 64 * 1024 * 1024;

export class PlaygroundCloneHost implements CloneHost {
	readonly #options: PlaygroundCloneHostOptions;
	/** Starts under way, so that two calls at once are one, and `remove` does not run into one. */
	readonly #starting = new Map<string, Promise<void>>();

	constructor(options: PlaygroundCloneHostOptions) {
		this.#options = options;
		mkdirSync(options.slotsDir, { recursive: true, mode: 0o700 });
	}

	/** @throws PermanentError `database_not_available`, `bad_slot_id`; TransientError `disk_full`, `slot_not_started` */
	async start(spec: SlotSpec): Promise<void> {
		const underWay = this.#starting.get(spec.slot_id);
		if (underWay !== undefined) return underWay;
		const starting = this.#start(spec).finally(() => this.#starting.delete(spec.slot_id));
		this.#starting.set(spec.slot_id, starting);
		return starting;
	}

	async #start(spec: SlotSpec): Promise<void> {
		if (spec.database !== null) {
			throw new PermanentError(
				'database_not_available',
				'Clones on one machine run on SQLite. Leave "database" out, or set it to "sqlite".',
			);
		}
		const root = this.#root(spec.slot_id);
		if (!(await this.#reserve(root))) {
			if (this.#state(spec.slot_id).process !== undefined) return;
			// A start that was cut off before its process: from the beginning.
			await rm(root, { recursive: true, force: true });
			await this.#reserve(root);
		}
		const configFile = this.#layOut(spec, root);
		await this.#spawn(spec.slot_id, configFile);
	}

	async status(slotId: string): Promise<SlotStatus> {
		const state = this.#state(slotId);
		const record = state.process;
		if (record === undefined) {
			const made = await stat(this.#root(slotId)).catch(() => undefined);
			if (made === undefined) return { state: 'gone', reason: 'There is no such slot; it was removed, or never started.' };
			const starting = Date.now() - made.mtimeMs < START_GRACE_MS;
			return starting ? { state: 'starting' } : { state: 'gone', reason: 'Its start was cut off.' };
		}
		if (!this.#isRunning(slotId)) return { state: 'gone', reason: state.exitReason ?? 'Its process has ended.' };
		const { deadline, ready } = state;
		if (deadline !== undefined && deadline <= Date.now()) return { state: 'gone', reason: 'Its time is up.' };
		if (ready === undefined) return { state: 'starting' };
		if (!(await listens(new URL(ready.url)))) return { state: 'gone', reason: 'Its process does not listen any more.' };
		return {
			state: 'ready',
			endpoint: { url: ready.url, ref: slotId },
			php_version: ready.php_version,
			wp_version: ready.wp_version,
		};
	}

	async extend(slotId: string, deadline: Millis): Promise<boolean> {
		if ((await this.status(slotId)).state === 'gone') return false;
		try {
			this.#state(slotId).deadline = deadline;
		} catch (cause) {
			if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
			throw cause;
		}
		// The process may have reached the old deadline in between.
		return (await this.status(slotId)).state !== 'gone';
	}

	async remove(slotId: string): Promise<void> {
		const root = this.#root(slotId);
		// A start that fails has told its own caller; here it only has to be over.
		await this.#starting.get(slotId)?.catch(() => {});
		await this.#end(slotId);
		// Without its folder a process that a crashed service spawned, and that has not recorded itself yet, ends itself.
		await rm(root, { recursive: true, force: true, maxRetries: 5 });
	}

	/** There are no names on one machine: a clone is at its slot's own port. */
	async route(slotId: string): Promise<SlotRoute | undefined> {
		const status = await this.status(slotId);
		return status.state === 'ready' ? { endpoint: status.endpoint, reached: true } : undefined;
	}

	async list(): Promise<readonly HostedSlot[]> {
		const entries = await readdir(this.#options.slotsDir, { withFileTypes: true });
		return entries
			.filter((entry) => entry.isDirectory() && SLOT_ID.test(entry.name))
			.map(({ name }) => ({ slot_id: name, ready: this.#state(name).ready !== undefined && this.#isRunning(name) }));
	}

	#root(slotId: string): string {
		if (!SLOT_ID.test(slotId)) throw new PermanentError('bad_slot_id', 'A slot id holds letters, digits, - and _ only, at most 64.');
		return join(this.#options.slotsDir, slotId);
	}

	#state(slotId: string): SiteState {
		return new SiteState(join(this.#root(slotId), 'state'));
	}

	/** @returns false when the folder is there already */
	async #reserve(root: string): Promise<boolean> {
		try {
			await mkdir(root, { mode: 0o700 });
			return true;
		} catch (cause) {
			if (cause instanceof Error && 'code' in cause) {
				if (cause.code === 'EEXIST') return false;
				if (cause.code === 'ENOSPC' || cause.code === 'EDQUOT') {
					throw new TransientError('disk_full', 'The disk of the service is full. Delete clones, or free space.', { cause });
				}
			}
			throw cause;
		}
	}

	/** @returns the path of the process's configuration */
	#layOut(spec: SlotSpec, root: string): string {
		const php = nearestPhp(spec.php_version);
		const config: SiteConfig = {
			mode: 'slot',
			slotRoot: root,
			siteDir: join(root, 'site'),
			documentRoot: join(root, 'site', 'wordpress'),
			stateDir: join(root, 'state'),
			host: '127.0.0.1',
			port: 0,
			php,
			workers: this.#options.workers ?? 2,
			ini: { memory_limit: '256M', upload_max_filesize: '64M', post_max_size: '64M' },
			maxBodyBytes: MAX_BODY_BYTES,
			allowPrivate: this.#options.allowPrivateSites,
			bundleDir: this.#options.bundle.dir,
		};
		mkdirSync(config.siteDir, { mode: 0o700 });
		mkdirSync(config.stateDir, { mode: 0o700 });
		writeCloneJson(config.siteDir, { slotId: spec.slot_id, agentKey: spec.agent_key, phpVersion: php });
		this.#state(spec.slot_id).deadline = spec.deadline;
		const configFile = join(config.stateDir, 'config.json');
		writeAtomically(configFile, JSON.stringify(config));
		return configFile;
	}

	async #spawn(slotId: string, configFile: string): Promise<void> {
		const state = this.#state(slotId);
		const log = openSync(state.path('site.log'), 'a', 0o600);
		try {
			const child = spawn(process.execPath, [siteEntry, configFile], {
				detached: true,
				stdio: ['ignore', log, log],
				cwd: '/',
				// A clone's process needs none of the service's settings, and is given none of its secrets.
				env: { PATH: process.env.PATH, TMPDIR: process.env.TMPDIR, LANG: process.env.LANG },
			});
			await new Promise<void>((resolve, reject) => {
				child.once('spawn', resolve);
				child.once('error', reject);
			});
			child.unref();
			const identity = child.pid === undefined ? undefined : processIdentity(child.pid);
			if (child.pid !== undefined && identity !== undefined) state.process = { pid: child.pid, identity };
		} catch (cause) {
			throw new TransientError('slot_not_started', 'The process of a clone could not be started.', { cause });
		} finally {
			closeSync(log);
		}
	}

	#isRunning(slotId: string): boolean {
		const state = this.#state(slotId);
		const record = state.process;
		return record !== undefined && isSameProcess(record.pid, record.identity, state.path('config.json'));
	}

	/** Ends the slot's process group: politely, then not. Resolves when it is gone. */
	async #end(slotId: string): Promise<void> {
		const record = this.#state(slotId).process;
		if (record === undefined || !this.#isRunning(slotId)) return;
		signal(record.pid, 'SIGTERM');
		const patience = Date.now() + STOP_GRACE_MS;
		while (this.#isRunning(slotId) && Date.now() < patience) await pause(20);
		while (this.#isRunning(slotId)) {
			signal(record.pid, 'SIGKILL');
			await pause(20);
		}
		this.#options.telemetry.log('debug', 'A slot was ended.', { slot_id: slotId });
	}
}

/** To the whole group of a detached process. */
function signal(pid: number, name: 'SIGTERM' | 'SIGKILL'): void {
	try {
		process.kill(-pid, name);
	} catch (cause) {
		if (!(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')) throw cause;
	}
}

/** Whether something accepts connections there: also while PHP keeps the process busy, since the kernel answers. */
async function listens(url: URL): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ host: url.hostname, port: Number(url.port), timeout: PROBE_MS });
		const answer = (yes: boolean): void => {
			socket.destroy();
			resolve(yes);
		};
		socket.once('connect', () => answer(true));
		socket.once('error', () => answer(false));
		socket.once('timeout', () => answer(false));
	});
}
