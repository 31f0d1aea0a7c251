import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Agent } from '../../support/migrator/agent.ts';
import { type ListedFile, type Listing, listFiles, pathBytes, readFile } from '../../support/migrator/files.ts';
import { PEAK_PLUGIN, takePeaks } from '../../support/migrator/peak.ts';
import { bootSource, type Source } from './support.ts';

/** Listing and reading files. (Names that are not UTF-8, unreadable folders, pipes and links inside the site: test/real/mysql, on a real file system.) */

const MIB = 1024 * 1024;
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Name → content, below `odd/`. */
const ODD: Readonly<Record<string, string>> = {
	empty: '',
	'with space': 'a',
	'new\nline': 'b',
	'back\\slash': 'c',
	'-dash': 'd',
	'quote"\'`$(id)': 'e',
	'ünï🦊.txt': 'f',
	'..double': 'g',
	'...': 'h',
	'%2e%2e': 'i',
	['n'.repeat(255)]: 'j',
	'a.txt': 'k',
	'a/inner': 'l',
	'.hidden': 'm',
	[`${'deep/'.repeat(30)}file`]: 'n',
};

describe.each(['7.4', '8.4'])('on PHP %s', (php) => {
	let source: Source;
	let agent: Agent;
	let content: string;
	let listing: Listing;

	beforeAll(async () => {
		source = await bootSource({ php });
		agent = source.agent;
		content = join(source.site.dir, 'wp-content');
		for (const [name, text] of Object.entries(ODD)) put(`odd/${name}`, text);
		for (const empty of ['nothing', 'outer/inner/nothing', 'plugins-like/custom-migrator'])
			mkdirSync(join(content, 'odd', empty), { recursive: true });
		for (const left of [
			'cache/page.html',
			'upgrade/x',
			'upgrade-temp-backup/x',
			'object-cache.php',
			'advanced-cache.php',
			'mu-plugins/0-clone-guard.php',
		])
			put(left, '<?php // left out');
		put('mu-plugins/kept.php', '<?php // kept');
		put('plugins/cache/kept.php', '<?php // kept');
		put('mu-plugins/peak.php', PEAK_PLUGIN);
		link('../odd/a', 'links/to-folder');
		link('..', 'links/up');
		link('.', 'links/self');
		link('nowhere', 'links/broken');
		link('/etc', 'links/outside');
		link('/etc/passwd', 'links/outside-file');
		link('../../wp-config.php', 'links/config');
		link('../plugins/custom-migrator', 'links/agent');
		link('../database', 'links/database');
		writeFileSync(join(source.site.dir, 'wp-config.php.bak'), 'secret');
		writeFileSync(join(source.site.dir, 'wp-config-old.php'), 'secret');
		writeFileSync(join(source.site.dir, 'dump.sql'), 'secret');
		mkdirSync(join(source.site.dir, 'private'));
		writeFileSync(join(source.site.dir, 'private/x.php'), 'secret');
		await source.site.php.recycle();
		listing = await listFiles(agent, 'content');
	});
	afterAll(() => source.site.stop());

	const put = (path: string, text: string): void => {
		mkdirSync(join(content, path, '..'), { recursive: true });
		writeFileSync(join(content, path), text);
	};
	const link = (target: string, path: string): void => {
		mkdirSync(join(content, path, '..'), { recursive: true });
		symlinkSync(target, join(content, path));
	};
	const entry = (path: string): ListedFile => {
		const found = listing.entries.find((each) => each.p === path);
		if (!found) throw new Error(`${path} is not listed`);
		return found;
	};
	const skipped = (path: string): string | undefined => listing.skipped.find((each) => each.path === path)?.reason;

	test('odd names, empty files and empty folders are listed, hashed and read', async () => {
		for (const [name, text] of Object.entries(ODD)) {
			expect(entry(`odd/${name}`)).toMatchObject({ s: Buffer.byteLength(text), h: sha256(Buffer.from(text)) });
		}
		for (const empty of ['odd/nothing', 'odd/outer/inner/nothing', 'odd/plugins-like/custom-migrator'])
			expect(entry(empty)).toEqual({ p: empty, d: 1 });
		const files = Object.keys(ODD).map((name) => ({
			root: 'content',
			path: `odd/${name}`,
			offset: 0,
			length: 10,
			size: entry(`odd/${name}`).s,
			mtime: entry(`odd/${name}`).m,
		}));
		const answer = await agent.call('read', { files });
		expect(answer.data.parts).toEqual(Object.values(ODD).map((text) => ({ bytes: text.length, eof: true })));
		expect(answer.payload.toString()).toBe(Object.values(ODD).join(''));
	});

	test('the order is that of the names\u2019 bytes, depth first', () => {
		const paths = listing.entries.map((each) => pathBytes(each.p).split('/'));
		const sorted = paths.toSorted((one, two) => {
			for (let i = 0; i < Math.min(one.length, two.length); i++) {
				const order = Buffer.compare(Buffer.from(one[i] ?? '', 'latin1'), Buffer.from(two[i] ?? '', 'latin1'));
				if (order !== 0) return order;
			}
			return one.length - two.length;
		});
		expect(paths).toEqual(sorted);
		expect(new Set(paths.map(String)).size).toBe(paths.length);
	});

	test('what belongs to this host or to us is left out and named', () => {
		expect(
			Object.fromEntries(listing.skipped.filter((each) => !String(each.path).includes('links/')).map((each) => [each.path, each.reason])),
		).toEqual({
			'advanced-cache.php': 'drop-in',
			cache: 'cache',
			database: 'database',
			'db.php': 'drop-in',
			'mu-plugins/0-clone-guard.php': 'agent',
			'mu-plugins/sqlite-database-integration': 'database',
			'object-cache.php': 'drop-in',
			'plugins/custom-migrator': 'agent',
			upgrade: 'cache',
			'upgrade-temp-backup': 'cache',
		});
		expect(entry('mu-plugins/kept.php').s).toBe(13);
		expect(entry('plugins/cache/kept.php').s).toBe(13);
	});

	// Playground shows links as leading out of every folder, so here none may be followed; where they may: test/real/mysql.
	test('links that lead out of the site are named and not followed', () => {
		for (const name of ['to-folder', 'up', 'self', 'outside', 'outside-file', 'config', 'agent', 'database'])
			expect(skipped(`links/${name}`)).toBe('link_outside');
		expect(skipped('links/broken')).toBe('broken_link');
		expect(listing.entries.filter((each) => String(each.p).startsWith('links/'))).toEqual([]);
		expect(listing.entries.filter((each) => String(each.p).includes('.ht.sqlite'))).toEqual([]);
	});

	test('core is WordPress alone: no configuration, nothing else that lies beside it', async () => {
		const core = await listFiles(agent, 'core');
		const paths = core.entries.map((each) => String(each.p));
		expect(paths).toEqual(
			expect.arrayContaining([
				'index.php',
				'license.txt',
				'readme.html',
				'wp-login.php',
				'wp-config-sample.php',
				'wp-admin/index.php',
				'wp-includes/version.php',
			]),
		);
		expect(paths.filter((path) => /^(wp-config(?!-sample)|dump|private|wp-content|peaks)/.test(path))).toEqual([]);
		expect(core.skipped.map((each) => each.path)).toEqual(['wp-config-old.php', 'wp-config.php']);
		expect(await agent.ask('files', { root: 'uploads' })).toMatchObject({ status: 404, code: 'no_such_root' });
		expect(await agent.ask('files', { root: '../..' })).toMatchObject({ status: 404, code: 'no_such_root' });
	});

	test('a listing in the smallest pages is the same listing, also of a folder with more names than are held at once', async () => {
		await source.site.php.raw(
			"<?php mkdir( 'wp-content/many' ); for ( $i = 0; $i < 8500; $i++ ) { touch( 'wp-content/many/' . md5( $i ) ); }",
		);
		const whole = await listFiles(agent, 'content', { gzip: true });
		const pages = await listFiles(agent, 'content', { max_bytes: 65_536 });
		expect(pages.pages).toBeGreaterThan(10);
		expect(pages.entries).toEqual(whole.entries);
		expect(pages.skipped).toEqual(whole.skipped);
		expect(whole.entries.filter((each) => String(each.p).startsWith('many/')).length).toBe(8500);
		// A request that has no time left still does one thing, and the next goes on from there.
		rmSync(join(content, 'many'), { recursive: true });
		const hurried = await source.site.evalPhp(`
			require_once WP_PLUGIN_DIR . '/custom-migrator/includes/load.php';
			$cursor = null;
			do {
				$list   = new Custom_Migrator_File_List( new Custom_Migrator_Roots(), new Custom_Migrator_Budget( 0.0 ) );
				$reply  = $list->page( array( 'root' => 'content' ) + ( null === $cursor ? array() : array( 'cursor' => $cursor ) ) );
				$cursor = json_decode( json_encode( $reply->data['cursor'] ), true );
				$reply->payload->finish();
				$reply->payload->send();
			} while ( null !== $cursor );`);
		const paths = hurried
			.split('\n')
			.filter((line) => line !== '')
			.map((line) => JSON.parse(line).p);
		expect(paths).toEqual(listing.entries.map((each) => each.p));
	});

	test('paths that no listing contains are refused, whatever they would lead to', async () => {
		const part = (path: unknown, root = 'content') => ({ files: [{ root, path, offset: 0, length: 10, size: 1, mtime: 1 }] });
		const hostile = [
			'../wp-config.php',
			'odd/../../wp-config.php',
			'/etc/passwd',
			'//etc/passwd',
			'./odd/a.txt',
			'odd/./a.txt',
			'odd//a.txt',
			'odd/a.txt/',
			'',
			'odd/a.txt\u0000.png',
			'php://filter/resource=../wp-config.php',
			'file:///etc/passwd',
			'..',
			'odd/..',
			'database/.ht.sqlite',
			'DATABASE/.ht.sqlite',
			'db.php',
			'plugins/custom-migrator/custom-migrator.php',
			'cache/page.html',
		];
		for (const path of hostile) expect(await agent.ask('read', part(path))).toMatchObject({ status: 400, code: 'bad_path' });
		for (const path of [
			'wp-config.php',
			'WP-CONFIG.PHP',
			'wp-config.php.bak',
			'wp-config-old.php',
			'dump.sql',
			'private/x.php',
			'wp-content/odd/a.txt',
			'.htaccess',
		])
			expect(await agent.ask('read', part(path, 'core'))).toMatchObject({ status: 400, code: 'bad_path' });
		for (const path of [
			'links/config',
			'links/outside-file',
			'links/outside/passwd',
			'links/agent/custom-migrator.php',
			'links/database/.ht.sqlite',
			'odd',
		]) {
			const { data, payload } = await agent.call('read', part(path));
			expect(data.parts).toEqual([{ bytes: 0, eof: false, error: expect.stringMatching(/^(unreadable|gone)$/) }]);
			expect(payload.length).toBe(0);
		}
		for (const wrong of [{ files: 'x' }, { files: [1] }, part({ b: '!' }), part(['x']), part('odd/a.txt', '..')])
			expect((await agent.ask('read', wrong)).status).toBeGreaterThanOrEqual(400);
	});

	test('a file that changed or went since it was listed is told apart', async () => {
		const file = entry('odd/with space');
		put('odd/with space', 'ab');
		await expect(readFile(agent, 'content', file)).rejects.toThrow('changed');
		put('odd/with space', 'z');
		utimesSync(join(content, 'odd/with space'), 1000, 1000);
		await expect(readFile(agent, 'content', file)).rejects.toThrow('changed');
		rmSync(join(content, 'odd/with space'));
		await expect(readFile(agent, 'content', file)).rejects.toThrow('gone');
	});

	test('a 300 MB file is listed without a hash and read in ranges, within 16 MiB', async () => {
		const path = join(content, 'odd/huge.bin');
		// A hole, but for its ends and middle.
		writeFileSync(path, 'begin');
		truncateSync(path, 150 * MIB);
		appendFileSync(path, 'middle');
		truncateSync(path, 300 * MIB);
		appendFileSync(path, 'end');
		const peaks = async () => {
			await agent.call('hello');
			return takePeaks(source.site.dir, 'hello');
		};
		await peaks();
		const bare = (await peaks()).find((peak) => peak.verb === 'hello')?.bytes ?? 0;
		const listed = (await listFiles(agent, 'content')).entries.find((each) => each.p === 'odd/huge.bin');
		expect(listed).toMatchObject({ s: 300 * MIB + 3 });
		expect(listed?.h).toBeUndefined();
		if (!listed) throw new Error('not listed');
		const at = async (offset: number, length: number): Promise<{ text: Buffer; eof: boolean | undefined }> => {
			const answer = await agent.call('read', {
				files: [{ root: 'content', path: 'odd/huge.bin', offset, length, size: listed.s, mtime: listed.m }],
				gzip: true,
			});
			return { text: answer.payload, eof: answer.data.parts[0]?.eof };
		};
		expect((await at(0, 5)).text.toString()).toBe('begin');
		expect((await at(150 * MIB, 6)).text.toString()).toBe('middle');
		const last = await at(300 * MIB - 5, 100 * MIB);
		expect([last.text.subarray(5).toString(), last.eof]).toEqual(['end', true]);
		const most = await at(10, 100 * MIB);
		expect([most.text.length, most.eof]).toEqual([4 * MIB, false]);
		expect(await at(400 * MIB, 5)).toEqual({ text: Buffer.alloc(0), eof: true });
		for (const peak of await peaks()) expect(peak.bytes - bare).toBeLessThan(16 * MIB);
		rmSync(path);
	});
});
