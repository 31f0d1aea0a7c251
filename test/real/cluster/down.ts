/** Takes the cluster down: only processes that were written down, and what containerd ran for it. */
import { existsSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ctr } from './images.ts';
import { CONTAINERD_SOCKET, type Layout, RUN_DIR } from './layout.ts';
import { removeNetwork } from './network.ts';
import { isRunning, recordedProcesses, stop } from './processes.ts';
import { run } from './shell.ts';

/** The order matters: whoever would bring something back goes first. */
const LAST = ['kube-apiserver', 'etcd', 'containerd'];

/** @param wipe also forgets everything the cluster knew and every image; built programs stay */
export async function down(layout: Layout, wipe: boolean): Promise<void> {
	for (const name of recordedProcesses().filter((found) => !LAST.includes(found))) await stop(name);
	if (isRunning('containerd') && existsSync(CONTAINERD_SOCKET)) await removeContainers();
	for (const name of LAST) await stop(name);
	await unmountAll([layout.state, RUN_DIR]);
	await removeNetwork();
	await removeCgroups();
	await rm(RUN_DIR, { recursive: true, force: true });
	if (wipe) await rm(layout.state, { recursive: true, force: true });
}

async function list(what: 'tasks' | 'containers'): Promise<string[]> {
	return (await ctr([what, 'list', '--quiet'])).split('\n').filter((line) => line !== '');
}

async function removeContainers(): Promise<void> {
	for (const task of await list('tasks')) await ctr(['tasks', 'kill', '--signal', 'SIGKILL', task]).catch(() => {});
	for (let tries = 0; tries < 50 && (await list('tasks')).length > 0; tries++) {
		for (const task of await list('tasks')) await ctr(['tasks', 'delete', '--force', task]).catch(() => {});
		await delay(100);
	}
	for (const container of await list('containers')) await ctr(['containers', 'delete', container]).catch(() => {});
}

async function unmountAll(below: readonly string[]): Promise<void> {
	const mounts = readFileSync('/proc/mounts', 'utf8')
		.split('\n')
		.map((line) => line.split(' ')[1] ?? '')
		.filter((path) => below.some((root) => path.startsWith(`${root}/`)));
	for (const path of mounts.reverse()) await run('umount', ['--lazy', path]).catch(() => {});
}

async function removeCgroups(): Promise<void> {
	const roots = ['', 'memory', 'cpu', 'cpuacct', 'cpuset', 'pids', 'blkio', 'devices', 'freezer', 'systemd', 'unified'];
	for (const root of roots.map((name) => `/sys/fs/cgroup/${name}/kubepods`).filter((path) => existsSync(path))) {
		await run('find', [root, '-depth', '-type', 'd', '-exec', 'rmdir', '{}', '+']).catch(() => {});
	}
}
