/**
 * The clone image without Docker: Debian's Apache and PHP 8.4 as the lower layer (about 50 s, kept by its package list), and
 * what bin/clone-image.ts lays out as the upper one (made anew each time, 4 s).
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layOutCloneImage } from '../../../bin/clone-image.ts';
import { importImage } from './images.ts';
import type { Layout } from './layout.ts';
import { packLayer, sha256OfFile, writeImage } from './oci-image.ts';
import { run } from './shell.ts';

const PHP = '8.4';
const SUITE = 'trixie';
const EXTENSIONS = new URL('../../../wordpress/image/php-extensions.txt', import.meta.url);
/** What the official PHP image has built in, and Debian packs apart. */
const BUILT_IN = ['sqlite3', 'mbstring', 'xml', 'curl'];
/** Debian's package of an extension, where it has another name; exif is in the common one. */
const PACKAGE: Readonly<Record<string, string>> = { mysqli: 'mysql', pdo_mysql: 'mysql', exif: 'common' };

export interface CloneImage {
	readonly name: string;
	readonly phpVersion: string;
	readonly wpVersion: string;
}

/** Builds the image as it is in the work tree and gives it to containerd. @returns its name, which tells its content */
export async function cloneImage(layout: Layout, bundleCache: string, say: (line: string) => void): Promise<CloneImage> {
	await mkdir(layout.images, { recursive: true });
	const base = await baseLayer(layout, say);
	const work = await mkdtemp(join(tmpdir(), 'clone-image-'));
	try {
		const wpVersion = await layOutCloneImage(join(work, 'tree'), bundleCache, say);
		const layer = join(work, 'layer.tar');
		await packLayer(join(work, 'tree'), layer);
		const digest = createHash('sha256')
			.update(`${await sha256OfFile(base)} ${await sha256OfFile(layer)}`)
			.digest('hex');
		const name = `localhost/clone:${digest.slice(0, 12)}`;
		const archive = join(layout.images, `clone-${digest.slice(0, 12)}.tar`);
		if (!existsSync(archive)) {
			await removeOldArchives(layout);
			await writeImage(
				{ name, entrypoint: ['/opt/clone/bin/entrypoint'], user: '33:33', env: ['CLONE_DIR=/clone', 'PHP_INI_SCAN_DIR=:/opt/clone/php'] },
				[base, layer],
				archive,
			);
		}
		await importImage(layout, archive);
		return { name, phpVersion: PHP, wpVersion };
	} finally {
		await rm(work, { recursive: true, force: true });
	}
}

async function baseLayer(layout: Layout, say: (line: string) => void): Promise<string> {
	const extensions = (await readFile(EXTENSIONS, 'utf8')).split('\n').filter((line) => line !== '');
	const php = [...new Set(['cli', ...BUILT_IN, ...extensions.map((name) => PACKAGE[name] ?? name)])].sort((a, b) => (a < b ? -1 : 1));
	const packages = ['apache2-bin', 'ca-certificates', `libapache2-mod-php${PHP}`, 'media-types', ...php.map((name) => `php${PHP}-${name}`)];
	const key = createHash('sha256')
		.update(`${SUITE} ${packages.join(' ')}`)
		.digest('hex')
		.slice(0, 12);
	const base = join(layout.images, `php-${key}.layer`);
	if (existsSync(base)) return base;
	say('Building the base of the clone image from Debian packages (about a minute)');
	const options = ['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
	const making = join(layout.images, `php-${key}.tar`);
	await run('nice', [
		...['mmdebstrap', '--quiet', '--variant=minbase', '--mode=root', `--include=${packages.join(',')}`, ...options],
		...['--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*', SUITE, making],
	]);
	await rename(making, base);
	return base;
}

/** The last one is enough; the images themselves are in containerd. */
async function removeOldArchives(layout: Layout): Promise<void> {
	for (const name of await readdir(layout.images)) {
		if (/^clone-[0-9a-f]+\.tar$/.test(name)) await rm(join(layout.images, name));
	}
}
