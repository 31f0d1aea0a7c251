/** Writes container images as archives that containerd imports, without a container tool: layers are plain tar files. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, link, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { run } from './shell.ts';

export interface ImageConfig {
	/** A full name with a tag that is not `latest`, e.g. `localhost/pause:1`: what the kubelet looks up. */
	readonly name: string;
	readonly entrypoint: readonly string[];
	/** `uid:gid` */
	readonly user: string;
	readonly env?: readonly string[];
}

/** Packs a folder as a layer whose bytes depend on nothing but its content. Files belong to root. */
export async function packLayer(dir: string, to: string): Promise<void> {
	// Any time but 0: PHP's opcache takes a file of 1970 for one whose time is not known, and compiles it at every request.
	const fixed = ['--sort=name', '--mtime=@1577836800', '--owner=0', '--group=0', '--numeric-owner', '--format=posix'];
	const noTimes = ['--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime'];
	await run('tar', ['-c', ...fixed, ...noTimes, '-f', to, '-C', dir, '.']);
}

export async function sha256OfFile(path: string): Promise<string> {
	const hash = createHash('sha256');
	await pipeline(createReadStream(path), hash);
	return hash.digest('hex');
}

/** Writes an image archive of these layers (uncompressed tar files, lowest first) to `to`. */
export async function writeImage(config: ImageConfig, layers: readonly string[], to: string): Promise<void> {
	await mkdir(dirname(to), { recursive: true });
	const work = await mkdtemp(join(dirname(to), 'image-'));
	try {
		const blobs = join(work, 'blobs', 'sha256');
		await mkdir(blobs, { recursive: true });
		const put = async (content: object): Promise<{ digest: string; size: number }> => {
			const bytes = Buffer.from(JSON.stringify(content));
			const digest = createHash('sha256').update(bytes).digest('hex');
			await writeFile(join(blobs, digest), bytes);
			return { digest: `sha256:${digest}`, size: bytes.length };
		};
		const described: { mediaType: string; digest: string; size: number }[] = [];
		for (const layer of layers) {
			const digest = await sha256OfFile(layer);
			// A hard link where it can be: a layer is hundreds of megabytes.
			await link(layer, join(blobs, digest)).catch(() => copyFile(layer, join(blobs, digest)));
			described.push({ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${digest}`, size: (await stat(layer)).size });
		}
		const made = await put({
			architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
			os: 'linux',
			created: '1970-01-01T00:00:00Z',
			config: {
				Entrypoint: config.entrypoint,
				User: config.user,
				WorkingDir: '/',
				Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(config.env ?? [])],
			},
			rootfs: { type: 'layers', diff_ids: described.map(({ digest }) => digest) },
			history: described.map(() => ({ created: '1970-01-01T00:00:00Z' })),
		});
		const manifest = await put({
			schemaVersion: 2,
			mediaType: 'application/vnd.oci.image.manifest.v1+json',
			config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...made },
			layers: described,
		});
		const annotations = {
			'io.containerd.image.name': config.name,
			'org.opencontainers.image.ref.name': config.name.slice(config.name.lastIndexOf(':') + 1),
		};
		const mediaType = 'application/vnd.oci.image.manifest.v1+json';
		await writeFile(join(work, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, ...manifest, annotations }] }));
		await writeFile(join(work, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
		await run('tar', ['-c', '-f', `${to}.new`, '-C', work, 'oci-layout', 'index.json', 'blobs']);
		await rename(`${to}.new`, to);
	} finally {
		await rm(work, { recursive: true, force: true });
	}
}
