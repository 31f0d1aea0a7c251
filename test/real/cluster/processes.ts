/**
 * The cluster's own processes: started in its network, written down, and ended by what was written down. A number alone
 * may belong to another process by then, so the time it started is kept with it.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RUN_DIR } from './layout.ts';
import { inNetwork } from './shell.ts';

const PIDS = join(RUN_DIR, 'pids');

/** Kernel ticks since boot at which the process started; undefined when there is none, or only its corpse. */
function startOf(pid: number): string | undefined {
	try {
		const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
		return fields[0] === 'Z' ? undefined : fields[19];
	} catch {
		return undefined;
	}
}

function recorded(name: string): number | undefined {
	const file = join(PIDS, name);
	if (!existsSync(file)) return undefined;
	const [pid = '0', start] = readFileSync(file, 'utf8').split(' ');
	return start !== undefined && startOf(Number(pid)) === start ? Number(pid) : undefined;
}

export function isRunning(name: string): boolean {
	return recorded(name) !== undefined;
}

/** Every process written down, running or not. */
export function recordedProcesses(): string[] {
	return existsSync(PIDS) ? readdirSync(PIDS) : [];
}

/** Starts a program in the cluster's network unless it runs. Its output goes to `{logs}/{name}.log`. */
export function start(
	name: string,
	logs: string,
	program: string,
	args: readonly string[],
	env: Readonly<Record<string, string>> = {},
): void {
	if (isRunning(name)) return;
	mkdirSync(PIDS, { recursive: true });
	mkdirSync(logs, { recursive: true });
	const log = openSync(join(logs, `${name}.log`), 'w');
	const child = spawn(...inNetwork(program, args), { detached: true, stdio: ['ignore', log, log], env: { ...process.env, ...env } });
	closeSync(log);
	child.unref();
	if (child.pid === undefined) throw new Error(`${program} could not be started.`);
	writeFileSync(join(PIDS, name), `${child.pid} ${startOf(child.pid) ?? ''}`);
}

/** SIGTERM to its group, SIGKILL after `patience` ms. No error when it is not running. */
export async function stop(name: string, patience = 3000): Promise<void> {
	const pid = recorded(name);
	if (pid !== undefined) {
		signalGroup(pid, 'SIGTERM');
		const end = Date.now() + patience;
		while (recorded(name) !== undefined && Date.now() < end) await delay(50);
		if (recorded(name) !== undefined) signalGroup(pid, 'SIGKILL');
		while (recorded(name) !== undefined) await delay(20);
	}
	rmSync(join(PIDS, name), { force: true });
}

/** Stops or goes on with a process where it stands (SIGSTOP, SIGCONT), or kills it. */
export function signal(name: string, kind: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
	const pid = recorded(name);
	if (pid === undefined) throw new Error(`${name} does not run.`);
	signalGroup(pid, kind);
}

function signalGroup(pid: number, kind: NodeJS.Signals): void {
	try {
		process.kill(-pid, kind);
	} catch (cause) {
		if (!(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH')) throw cause;
	}
}

/** Tries until it works. @throws Error with the last failure and the end of the process's log */
export async function waitFor(what: string, log: string, attempt: () => Promise<unknown>, seconds = 90): Promise<void> {
	const end = Date.now() + seconds * 1000;
	for (;;) {
		try {
			await attempt();
			return;
		} catch (cause) {
			if (Date.now() > end) {
				const tail = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n').slice(-15).join('\n') : '(no log)';
				throw new Error(`${what} did not come up within ${seconds} s. ${log}:\n${tail}`, { cause });
			}
			await delay(100);
		}
	}
}
