/**
 * `node bin/clone-image.ts DIR`: lays out the part of the clone image that is ours, below DIR as it will lie below `/`.
 * The one list of what goes in: the Dockerfile and the test cluster's own build both copy the result.
 *
 *     /opt/clone/{bin,health,php,apache.conf}   wordpress/image/rootfs
 *     /opt/clone/template/wordpress             a slot's document root, installed and empty
 *     /opt/clone/system                         the plugins, the SQLite integration and core's hashes: read-only in a clone
 *     /clone                                    where the volume goes
 */
import { chmod, cp, mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { defaultCacheDir, ensureBundle } from '../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { prepareSlot } from '../adapters/embedded/playground/slot-files.ts';

/** @returns the WordPress version inside */
export async function layOutCloneImage(to: string, cacheDir: string, say: (line: string) => void): Promise<string> {
	const bundle = await ensureBundle({ cacheDir, onProgress: say });
	const clone = join(to, 'opt', 'clone');
	const template = join(clone, 'template');
	await rm(to, { recursive: true, force: true });
	await mkdir(template, { recursive: true });
	await cp(join(import.meta.dirname, '..', 'wordpress', 'image', 'rootfs'), to, { recursive: true });
	prepareSlot(template, bundle.dir);
	await rename(join(template, 'system'), join(clone, 'system'));
	// A slot's own is private to it; the image's is read by the clone's user.
	await chmod(join(clone, 'system'), 0o755);
	for (const made of ['import', 'tmp']) await rm(join(template, made), { recursive: true });
	await mkdir(join(to, 'clone'));
	return bundle.wpVersion;
}

if (import.meta.main) {
	const to = process.argv[2];
	if (to === undefined) {
		console.error('Say where to: node bin/clone-image.ts DIR');
		process.exitCode = 2;
	} else {
		const version = await layOutCloneImage(resolve(to), defaultCacheDir(process.env), (line) => console.error(line));
		console.log(version);
	}
}
