import { spawn } from 'node:child_process';
import { NETNS_PATH, RESOLV_CONF } from './layout.ts';

export interface RunOptions {
	readonly cwd?: string;
	readonly env?: Readonly<Record<string, string>>;
	readonly input?: string;
	/** Shows the program's own output instead of collecting it. */
	readonly show?: boolean;
}

/** A program that ended with an error; its last words are in the message. */
export class CommandError extends Error {
	override readonly name = 'CommandError';
}

/** Runs a program to its end. @returns its standard output @throws CommandError */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
	return new Promise((resolve, reject) => {
		const child = spawn(program, args, {
			cwd: options.cwd,
			env: { ...process.env, ...options.env },
			stdio: ['pipe', options.show ? 'inherit' : 'pipe', options.show ? 'inherit' : 'pipe'],
		});
		const out: Buffer[] = [];
		let words = '';
		child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
		child.stderr?.on('data', (chunk: Buffer) => {
			words = (words + chunk.toString()).slice(-4000);
		});
		child.once('error', (cause) => reject(new CommandError(`${program} could not be started: ${cause.message}`, { cause })));
		child.once('close', (code, signal) => {
			const output = Buffer.concat(out).toString();
			if (code === 0) resolve(output);
			else reject(new CommandError(`${program} ${args[0] ?? ''} ended with ${signal ?? code}: ${(words || output).trim().slice(-2000)}`));
		});
		child.stdin?.on('error', () => {});
		child.stdin?.end(options.input ?? '');
	});
}

/**
 * The same program inside the cluster's network. nsenter, not `ip netns exec`: that one mounts /sys anew, and the kubelet
 * and runc lose their cgroups.
 */
export function inNetwork(program: string, args: readonly string[]): [string, string[]] {
	return ['nsenter', [`--net=${NETNS_PATH}`, program, ...args]];
}

export async function runInNetwork(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
	return run(...inNetwork(program, args), options);
}

/** A program inside the cluster's network that also resolves names there: by a mount of its own over /etc/resolv.conf. */
export function inside(program: string, args: readonly string[]): [string, string[]] {
	const script = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';
	return ['nsenter', [`--net=${NETNS_PATH}`, 'unshare', '--mount', 'sh', '-c', script, RESOLV_CONF, program, ...args]];
}
