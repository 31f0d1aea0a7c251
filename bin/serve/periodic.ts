import type { Telemetry } from '../../core/ports.ts';

/** Runs `work` again and again, `seconds` after the last run ended; never two at once. `soon` makes the next run come now. */
export interface Periodic {
	soon(): void;
	/** Resolves when a run that is under way has ended. */
	stop(): Promise<void>;
}

export function every(seconds: number, name: string, telemetry: Telemetry, work: (signal: AbortSignal) => Promise<unknown>): Periodic {
	const stopping = new AbortController();
	let timer: NodeJS.Timeout | undefined;
	let running: Promise<void> | undefined;
	let again = false;

	const run = (): void => {
		clearTimeout(timer);
		running = (async () => {
			again = false;
			try {
				await work(stopping.signal);
			} catch (error) {
				// The next run tries again: whatever this is, it must not end the service.
				if (!stopping.signal.aborted) telemetry.log('error', `${name} failed`, { error });
			}
			running = undefined;
			if (!stopping.signal.aborted) timer = setTimeout(run, again ? 0 : seconds * 1000);
		})();
	};
	run();

	return {
		soon() {
			if (running !== undefined) again = true;
			else if (!stopping.signal.aborted) run();
		},
		async stop() {
			stopping.abort();
			clearTimeout(timer);
			await running;
		},
	};
}
