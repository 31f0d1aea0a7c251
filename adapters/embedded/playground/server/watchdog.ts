/**
 * The dead man's switch of a slot, on a thread of its own: PHP may keep the main thread busy for as long as it likes.
 *
 * Twice a second it looks at the state folder. Gone: the slot was removed, so the process ends at once. Deadline
 * passed: it asks the main thread to stop (and goes on without an answer after GRACE_MS), removes the slot's folder, so
 * that a clone's content does not outlive its time even if no service is left to clean up, and ends the process. What
 * cannot be removed then (PHP is still writing) is left to the host's sweep.
 */
import { existsSync, rmSync } from 'node:fs';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { SiteState } from './state.ts';

const LOOK_EVERY_MS = 500;
const GRACE_MS = 2000;

interface WatchdogData {
	readonly stateDir: string;
	/** Everything of the slot, removed at the deadline. */
	readonly slotRoot: string;
}

/** Starts the thread. `stop` is called (on the main thread) when the deadline has passed. */
export function startWatchdog(data: WatchdogData, stop: () => Promise<void>): void {
	const worker = new Worker(new URL(import.meta.url), { workerData: data });
	worker.on('message', () => {
		// With its server closed the process would end before the thread has cleaned up.
		worker.ref();
		stop().then(
			() => worker.postMessage('stopped'),
			() => worker.postMessage('stopped'),
		);
	});
	// Without its watchdog a slot could outlive its time: better none at all.
	worker.on('error', () => process.kill(process.pid, 'SIGKILL'));
	worker.unref();
}

function watch({ stateDir, slotRoot }: WatchdogData): void {
	const state = new SiteState(stateDir);
	const timer = setInterval(() => {
		if (!existsSync(stateDir)) process.kill(process.pid, 'SIGKILL');
		const deadline = state.deadline;
		if (deadline === undefined || Date.now() < deadline) return;
		clearInterval(timer);
		const finish = (): void => {
			try {
				rmSync(slotRoot, { recursive: true, force: true, maxRetries: 3 });
			} finally {
				process.kill(process.pid, 'SIGKILL');
			}
		};
		parentPort?.once('message', finish);
		parentPort?.postMessage('deadline');
		setTimeout(finish, GRACE_MS);
	}, LOOK_EVERY_MS);
}

if (parentPort !== null) watch(workerData as WatchdogData);
