/**
 * WordPress itself, from the npm registry: core, the SQLite integration, wp-cli, and one installed site's database.
 *
 * Life cycle: looked up in the cache by the package's version and LAYOUT; if it is not there, built beside its place
 * and renamed to it, so that a reader sees all of it or nothing and two builders at once do no harm (the second throws
 * its own away). Nothing in a finished bundle is ever changed: raise LAYOUT when its content changes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TransientError } from '../../../../core/errors.ts';
import { installTemplate } from './install-template.ts';
import { npmPack, type PackedPackage, rethrowDiskFull, unpack } from './npm-pack.ts';

/** Carries WordPress 7.1.1, wp-cli and sqlite-database-integration 3.0.2 in dist/cli/wp-files. */
export const WORDPRESS_PACKAGE: PackedPackage = {
	name: 'wp-studio',
	version: '1.22.0',
	integrity: 'sha512-boMtahkhgWDKKyNTBA1uTK5ghnAmxXhDY6KeQCO9FmcI3/o+YOSq8JwYW5ZYnxHCxH14Jf/mD6CJTBvTWl2Ytw==',
};

/** Raised when what is built below changes. */
const LAYOUT = 1;
const MEMBERS = ['latest/wordpress', 'sqlite-database-integration', 'wp-cli'].map((path) => `package/dist/cli/wp-files/${path}`);
/** A build that was killed leaves its folder; one this old is nobody's any more. */
const STALE_BUILD_MS = 60 * 60 * 1000;

export interface WordPressBundle {
	readonly dir: string;
	/** Core with its bundled themes and plugins; no wp-config.php. */
	readonly wordpress: string;
	readonly sqliteIntegration: string;
	readonly wpCli: string;
	/** `{"wp_version": …, "files": {path: sha256}}`: core without wp-content. */
	readonly coreJson: string;
	/**
	 * The database of an installed, empty site: prefix `wp_`, pretty permalinks, siteurl and home `http://template.invalid`, one
	 * administrator `admin` whose password matches nothing.
	 */
	readonly templateDatabase: string;
	readonly wpVersion: string;
}

export interface BundleOptions {
	/** Where bundles are kept, for all of them. @default defaultCacheDir({}) */
	readonly cacheDir: string;
	/** The npm program. @default npm */
	readonly npm?: string;
	/** Told what is going on, for people. */
	readonly onProgress?: (message: string) => void;
}

/** `$WP_CLONE_CACHE`, else `$XDG_CACHE_HOME/wp-clone`, else `~/.cache/wp-clone`. */
export function defaultCacheDir(environment: Readonly<Record<string, string | undefined>>): string {
	return environment.WP_CLONE_CACHE || join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wp-clone');
}

/**
 * The bundle, built first when it is not in the cache (about 20 s, 67 MB from the registry).
 * @throws PermanentError `npm_missing`, `tar_missing`, `integrity_mismatch`; TransientError `registry_unreachable`,
 * `npm_failed`, `unpack_failed`, `disk_full`, `template_failed`
 */
export async function ensureBundle(options: BundleOptions): Promise<WordPressBundle> {
	const { cacheDir } = options;
	const place = join(cacheDir, `${WORDPRESS_PACKAGE.name}-${WORDPRESS_PACKAGE.version}-l${LAYOUT}`);
	const found = await openBundle(place);
	if (found) return found;
	await mkdir(cacheDir, { recursive: true });
	await removeStaleBuilds(cacheDir);
	const work = await mkdtemp(join(cacheDir, 'build-'));
	try {
		await build(work, options);
		await publish(join(work, 'bundle'), place);
	} catch (cause) {
		rethrowDiskFull(cause);
	} finally {
		await rm(work, { recursive: true, force: true });
	}
	const built = await openBundle(place);
	if (!built) throw new TransientError('unpack_failed', `The WordPress bundle at ${place} is not complete. Remove it and try again.`);
	return built;
}

/** A finished bundle at `place`, or undefined when there is none. */
export async function openBundle(place: string): Promise<WordPressBundle | undefined> {
	let text: string;
	try {
		text = await readFile(join(place, 'core.json'), 'utf8');
	} catch (cause) {
		if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
		throw cause;
	}
	const core: { wp_version: string } = JSON.parse(text);
	return {
		dir: place,
		wordpress: join(place, 'wordpress'),
		sqliteIntegration: join(place, 'sqlite-database-integration'),
		wpCli: join(place, 'wp-cli.phar'),
		coreJson: join(place, 'core.json'),
		templateDatabase: join(place, 'template.sqlite'),
		wpVersion: core.wp_version,
	};
}

async function build(work: string, options: BundleOptions): Promise<void> {
	const say = options.onProgress ?? (() => {});
	const bundle = join(work, 'bundle');
	await mkdir(bundle);
	say(`Fetching WordPress (${WORDPRESS_PACKAGE.name} ${WORDPRESS_PACKAGE.version}) from the npm registry`);
	const tarball = await npmPack(WORDPRESS_PACKAGE, work, options.npm ?? 'npm');
	say('Unpacking WordPress');
	const files = join(work, 'files');
	await mkdir(files);
	await unpack(tarball, files, MEMBERS, 4);
	await rename(join(files, 'latest', 'wordpress'), join(bundle, 'wordpress'));
	await rename(join(files, 'sqlite-database-integration'), join(bundle, 'sqlite-database-integration'));
	await rename(join(files, 'wp-cli', 'wp-cli.phar'), join(bundle, 'wp-cli.phar'));
	await writeFile(join(bundle, 'core.json'), JSON.stringify(await hashCore(join(bundle, 'wordpress'))));
	say('Installing WordPress once');
	const site = join(work, 'site');
	await mkdir(join(site, 'system'), { recursive: true });
	await cp(join(bundle, 'wordpress'), join(site, 'wordpress'), { recursive: true });
	await cp(join(bundle, 'sqlite-database-integration'), join(site, 'system', 'sqlite-database-integration'), { recursive: true });
	await rename(await installTemplate(site), join(bundle, 'template.sqlite'));
}

/** Moves a finished bundle to its place, unless another process was first. */
async function publish(bundle: string, place: string): Promise<void> {
	try {
		await rename(bundle, place);
	} catch (cause) {
		const taken = cause instanceof Error && 'code' in cause && (cause.code === 'ENOTEMPTY' || cause.code === 'EEXIST');
		if (!taken) throw cause;
		if (await openBundle(place)) return;
		// What is there is not a bundle (somebody emptied it half-way): out of the way with it.
		const aside = `${place}.broken-${randomBytes(4).toString('hex')}`;
		await rename(place, aside);
		await rename(bundle, place);
		await rm(aside, { recursive: true, force: true });
	}
}

async function removeStaleBuilds(cacheDir: string): Promise<void> {
	for (const name of await readdir(cacheDir)) {
		if (!name.startsWith('build-')) continue;
		const path = join(cacheDir, name);
		const info = await stat(path).catch(() => undefined);
		if (info && Date.now() - info.mtimeMs > STALE_BUILD_MS) await rm(path, { recursive: true, force: true });
	}
}

/** Core as the migrator counts it: everything but wp-content and wp-config.php. */
async function hashCore(root: string): Promise<{ wp_version: string; files: Record<string, string> }> {
	const files: Record<string, string> = {};
	for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
		if (!entry.isFile()) continue;
		const path = join(entry.parentPath, entry.name);
		const relative = path.slice(root.length + 1).replaceAll('\\', '/');
		if (relative.startsWith('wp-content/') || relative === 'wp-config.php') continue;
		files[relative] = createHash('sha256')
			.update(await readFile(path))
			.digest('hex');
	}
	const version = /\$wp_version = '([^']+)'/.exec(await readFile(join(root, 'wp-includes', 'version.php'), 'utf8'))?.[1];
	if (version === undefined) throw new TransientError('unpack_failed', 'The WordPress package holds no WordPress. Try again.');
	return { wp_version: version, files };
}
