import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkIntegrity, rethrowDiskFull, unpack } from '../../../adapters/embedded/playground/bundle/npm-pack.ts';
import { defaultCacheDir, ensureBundle, WORDPRESS_PACKAGE } from '../../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { PermanentError, TransientError } from '../../../core/errors.ts';
import { testBundle } from '../../support/sites/boot-site.ts';

let dir: string;
beforeEach(async () => {
	dir = await mkdtemp(join(tmpdir(), 'wp-clone-bundle-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A program in npm's place. It is called as `npm pack SPEC --pack-destination DIR …`. */
function fakeNpm(script: string): string {
	const path = join(dir, 'npm');
	writeFileSync(path, `#!/bin/sh\n${script}\n`);
	chmodSync(path, 0o755);
	return path;
}

const attempt = (npm: string): Promise<unknown> => ensureBundle({ cacheDir: join(dir, 'cache'), npm }).catch((cause: unknown) => cause);

describe('the WordPress bundle', () => {
	it('holds core with its hashes, the integration, wp-cli and an installed database', async () => {
		const bundle = await testBundle();
		expect(bundle.wpVersion).toBe('7.1.1');
		const core: { wp_version: string; files: Record<string, string> } = JSON.parse(readFileSync(bundle.coreJson, 'utf8'));
		expect(core.wp_version).toBe(bundle.wpVersion);
		const names = Object.keys(core.files);
		expect(names.length).toBeGreaterThan(3000);
		expect(names).toEqual(expect.arrayContaining(['index.php', 'wp-admin/index.php', 'wp-includes/version.php', 'wp-config-sample.php']));
		expect(names.some((name) => name.startsWith('wp-content') || name === 'wp-config.php')).toBe(false);
		for (const name of ['wp-load.php', 'wp-includes/version.php']) {
			expect(core.files[name]).toBe(
				createHash('sha256')
					.update(readFileSync(join(bundle.wordpress, name)))
					.digest('hex'),
			);
		}
		expect(readFileSync(bundle.wpCli).length).toBeGreaterThan(1_000_000);
		const database = new DatabaseSync(bundle.templateDatabase, { readOnly: true });
		expect(database.prepare("SELECT option_value AS v FROM wp_options WHERE option_name = 'permalink_structure'").get()).toEqual({
			v: '/%postname%/',
		});
		expect(database.prepare('SELECT user_login, user_pass FROM wp_users').all()).toEqual([{ user_login: 'admin', user_pass: '!' }]);
		expect(database.prepare('SELECT COUNT(*) AS n FROM wp_posts').get()).toEqual({ n: 0 });
		database.close();
	});

	it.each([
		['no npm', '', PermanentError, 'npm_missing'],
		['no network', 'echo "npm error code ENOTFOUND" >&2; exit 1', TransientError, 'registry_unreachable'],
		['a full disk', 'echo "npm error nospc ENOSPC: no space left on device" >&2; exit 1', TransientError, 'disk_full'],
		['a package that npm itself finds altered', 'echo "npm error code EINTEGRITY" >&2; exit 1', PermanentError, 'integrity_mismatch'],
		[
			'another package of that name',
			'for last; do :; done; while [ "$1" != --pack-destination ]; do shift; done; echo other > "$2/wp-studio-1.22.0.tgz"',
			PermanentError,
			'integrity_mismatch',
		],
		['another fault of npm', 'echo "npm error E404" >&2; exit 1', TransientError, 'npm_failed'],
		['npm that leaves nothing', 'exit 0', TransientError, 'npm_failed'],
	])('says what is wrong with %s, and leaves nothing half-made', async (_what, script, kind, code) => {
		const fault = await attempt(script === '' ? join(dir, 'nowhere', 'npm') : fakeNpm(script));
		expect(fault).toBeInstanceOf(kind);
		expect(fault).toMatchObject({ code });
		expect(readdirSync(join(dir, 'cache'))).toEqual([]);
	});

	it('asks npm for the exact version, without scripts', async () => {
		await attempt(fakeNpm(`echo "$@" > ${join(dir, 'arguments')}; exit 1`));
		expect(readFileSync(join(dir, 'arguments'), 'utf8')).toMatch(/^pack wp-studio@1\.22\.0 .*--ignore-scripts/);
		expect(WORDPRESS_PACKAGE.integrity).toMatch(/^sha512-/);
	});

	it('tells a disk that is full while it builds', () => {
		expect(() => rethrowDiskFull(Object.assign(new Error('write'), { code: 'ENOSPC' }))).toThrow(
			expect.objectContaining({ code: 'disk_full' }),
		);
		const other = new Error('other');
		expect(() => rethrowDiskFull(other)).toThrow(other);
	});

	it('checks a file against its integrity, and refuses a broken archive', async () => {
		const file = join(dir, 'file');
		writeFileSync(file, 'content');
		const integrity = `sha512-${createHash('sha512').update('content').digest('base64')}`;
		await checkIntegrity(file, integrity, 'x@1');
		writeFileSync(file, 'contenT');
		await expect(checkIntegrity(file, integrity, 'x@1')).rejects.toMatchObject({ code: 'integrity_mismatch' });
		mkdirSync(join(dir, 'out'));
		await expect(unpack(file, join(dir, 'out'), ['a'], 1)).rejects.toMatchObject({ code: 'unpack_failed' });
	});

	it('is kept where the environment says', () => {
		expect(defaultCacheDir({ WP_CLONE_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
		expect(defaultCacheDir({ XDG_CACHE_HOME: '/b' })).toBe('/b/wp-clone');
		expect(defaultCacheDir({})).toMatch(/\/\.cache\/wp-clone$/);
	});
});
