/** The small images of the cluster itself: pause, and Traefik. The clone image has a builder of its own. */
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CONTAINERD_SOCKET, type Layout, VERSIONS } from './layout.ts';
import { packLayer, sha256OfFile, writeImage } from './oci-image.ts';
import { run } from './shell.ts';

export const PAUSE_IMAGE = 'localhost/pause:1';
export const TRAEFIK_IMAGE = `localhost/traefik:${VERSIONS.traefik}`;

/** Holds a pod's namespaces: waits for a signal, and buries orphaned processes. */
const PAUSE_C = `#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int s) { (void) s; _exit(0); }
static void bury(int s) { (void) s; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
int main(void) {
	struct sigaction leaving = { .sa_handler = leave }, burying = { .sa_handler = bury, .sa_flags = SA_NOCLDSTOP };
	sigaction(SIGINT, &leaving, NULL);
	sigaction(SIGTERM, &leaving, NULL);
	sigaction(SIGCHLD, &burying, NULL);
	for (;;) pause();
}
`;

/** @returns the archives, made when they are not there */
export async function baseImages(layout: Layout): Promise<string[]> {
	const pause = join(layout.images, 'pause-1.tar');
	const traefik = join(layout.images, `traefik-${VERSIONS.traefik}.tar`);
	await mkdir(layout.images, { recursive: true });
	if (!existsSync(pause)) {
		await inWorkDir(async (work, root) => {
			await writeFile(join(work, 'pause.c'), PAUSE_C);
			await run('gcc', ['-Os', '-static', '-s', '-o', join(root, 'pause'), join(work, 'pause.c')]);
			await packLayer(root, join(work, 'layer.tar'));
			await writeImage({ name: PAUSE_IMAGE, entrypoint: ['/pause'], user: '65535:65535' }, [join(work, 'layer.tar')], pause);
		});
	}
	if (!existsSync(traefik)) {
		await inWorkDir(async (work, root) => {
			await copyFile(join(layout.bin, 'traefik'), join(root, 'traefik'));
			await mkdir(join(root, 'tmp'), { mode: 0o1777 });
			await packLayer(root, join(work, 'layer.tar'));
			await writeImage({ name: TRAEFIK_IMAGE, entrypoint: ['/traefik'], user: '65532:65532' }, [join(work, 'layer.tar')], traefik);
		});
	}
	return [pause, traefik];
}

async function inWorkDir(use: (work: string, root: string) => Promise<void>): Promise<void> {
	const work = await mkdtemp(join(tmpdir(), 'cluster-image-'));
	try {
		await mkdir(join(work, 'root'));
		await use(work, join(work, 'root'));
	} finally {
		await rm(work, { recursive: true, force: true });
	}
}

export async function ctr(args: readonly string[]): Promise<string> {
	return run('ctr', ['--address', CONTAINERD_SOCKET, '--namespace', 'k8s.io', ...args]);
}

/** Gives containerd an archive unless it has just this one already (kept over restarts, with its images). */
export async function importImage(layout: Layout, archive: string): Promise<void> {
	const marks = join(layout.state, 'imported');
	const mark = join(marks, await sha256OfFile(archive));
	if (existsSync(mark)) return;
	await ctr(['images', 'import', archive]);
	await mkdir(marks, { recursive: true });
	await writeFile(mark, archive);
}
