/** Starts `bin/serve.ts` as a process of its own, as `npm start` does, and waits until it says where it listens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface ServiceProcess {
	readonly url: string;
	readonly token: string;
	readonly process: ChildProcess;
	/** SIGTERM, and waits for the end. */
	stop(): Promise<void>;
	/** SIGKILL, and waits for the end. */
	kill(): Promise<void>;
}

/** @throws Error with what the service printed when it ends before it listens. */
export async function startService(dataDir: string, args: readonly string[], onLog?: (line: string) => void): Promise<ServiceProcess> {
	const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'serve.ts'), '--data', dataDir, ...args], {
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	createInterface({ input: child.stderr }).on('line', onLog ?? ((line) => process.stderr.write(`${line}\n`)));
	const printed: string[] = [];
	const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
	const url = await new Promise<string>((resolve, reject) => {
		child.once('error', reject);
		child.once('exit', (code) => reject(new Error(`The service ended with ${code} before it listened.\n${printed.join('\n')}`)));
		createInterface({ input: child.stdout }).on('line', (line) => {
			printed.push(line);
			const found = /^Listening on (http:\S+)/.exec(line);
			if (found?.[1] !== undefined) resolve(found[1]);
		});
	});
	return {
		url,
		token: readFileSync(join(dataDir, 'token'), 'utf8').trim(),
		process: child,
		async stop() {
			child.kill('SIGTERM');
			await ended;
		},
		async kill() {
			child.kill('SIGKILL');
			await ended;
		},
	};
}
