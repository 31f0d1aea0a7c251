/**
 * Which process a process id means. An id alone is not enough: ids are reused, and a host that came back after a crash
 * must not end a stranger. The identity is the kernel's start time of the process (with the boot it belongs to).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** @returns undefined when there is no such process (or only its zombie) */
export function processIdentity(pid: number): string | undefined {
	return process.platform === 'linux' ? linuxIdentity(pid) : portableIdentity(pid);
}

/** Whether `pid` is still the process that had `identity`, and (where it can be seen) was started with `argument`. */
export function isSameProcess(pid: number, identity: string, argument: string): boolean {
	if (processIdentity(pid) !== identity) return false;
	const line = commandLine(pid);
	return line === undefined || line.includes(argument);
}

function linuxIdentity(pid: number): string | undefined {
	let stat: string;
	try {
		stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
	} catch (cause) {
		// ESRCH: it ended while being read.
		if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ESRCH')) return undefined;
		throw cause;
	}
	// The name (field 2) may hold spaces and brackets; state is field 3, start time field 22 (proc(5)).
	const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
	if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
	return `linux:${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
}

function portableIdentity(pid: number): string | undefined {
	try {
		const started = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], {
			encoding: 'utf8',
			stdio: ['ignore', 'pipe', 'ignore'],
		}).trim();
		const [state = '', ...rest] = started.split(/\s+/);
		return state === '' || state.startsWith('Z') ? undefined : `ps:${rest.join(' ')}`;
	} catch {
		// ps ends with 1 when there is no such process.
		return undefined;
	}
}

function commandLine(pid: number): string | undefined {
	try {
		if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
		return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
	} catch {
		return undefined;
	}
}
