/**
 * The consumer's image without Docker: what k8s/consumer/Dockerfile lays out, over this machine's own Node and the libraries that
 * it loads instead of a distribution.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { importImage } from './images.ts';
import type { Layout } from './layout.ts';
import { packLayer, sha256OfFile, writeImage } from './oci-image.ts';
import { run } from './shell.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const NODE = '/usr/local/bin/node';

/** Builds the image of the work tree's consumer and gives it to containerd. @returns its name, which tells its content */
export async function consumerImage(layout: Layout): Promise<string> {
	await mkdir(layout.images, { recursive: true });
	const work = await mkdtemp(join(tmpdir(), 'consumer-image-'));
	try {
		const tree = join(work, 'tree');
		const service = join(tree, 'service');
		await mkdir(service, { recursive: true });
		await run(process.execPath, [join(ROOT, 'bin/bundle-consumer.ts'), service], { cwd: ROOT });
		await cp(join(ROOT, 'wordpress/custom-migrator'), join(service, 'custom-migrator'), { recursive: true });
		await runtime(tree);
		const layer = join(work, 'layer.tar');
		await packLayer(tree, layer);
		const digest = (await sha256OfFile(layer)).slice(0, 12);
		const name = `localhost/consumer:${digest}`;
		const archive = join(layout.images, `consumer-${digest}.tar`);
		if (!existsSync(archive)) {
			for (const old of await readdir(layout.images)) if (/^consumer-[0-9a-f]+\.tar$/.test(old)) await rm(join(layout.images, old));
			const { user, env } = await dockerfile();
			await writeImage({ name, entrypoint: [NODE, '/service/index.mjs'], user, env }, [layer], archive);
		}
		await importImage(layout, archive);
		return name;
	} finally {
		await rm(work, { recursive: true, force: true });
	}
}

/** User and environment as the Dockerfile has them. */
async function dockerfile(): Promise<{ readonly user: string; readonly env: readonly string[] }> {
	const text = await readFile(join(ROOT, 'k8s/consumer/Dockerfile'), 'utf8');
	const [, user] = /^USER (\S+)$/m.exec(text) ?? [];
	const [, env] = /^ENV (.+)$/m.exec(text) ?? [];
	if (user === undefined || env === undefined) throw new Error('The Dockerfile of the consumer has no USER or no ENV.');
	return { user, env: env.split(' ') };
}

/** Node with the libraries it loads, and the authorities that it trusts by itself. */
async function runtime(tree: string): Promise<void> {
	const put = async (from: string, to: string): Promise<void> => {
		await mkdir(dirname(join(tree, to)), { recursive: true });
		await copyFile(from, join(tree, to));
		await chmod(join(tree, to), 0o755);
	};
	await put(process.execPath, NODE);
	for (const [, path = ''] of (await run('ldd', [process.execPath])).matchAll(/(\/\S+) \(0x/g)) await put(path, path);
	await mkdir(join(tree, 'tmp'), { mode: 0o1777 });
	await mkdir(join(tree, 'etc'), { recursive: true });
	await writeFile(join(tree, 'etc/nsswitch.conf'), 'hosts: files dns\n');
	await writeFile(join(tree, 'etc/passwd'), `nobody:x:65534:65534:nobody:/:/\n`);
}
