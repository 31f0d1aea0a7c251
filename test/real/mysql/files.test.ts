import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, chownSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { registered } from '../../plugin/source/support.ts';
import type { Agent } from '../../support/migrator/agent.ts';
import { type Listing, listFiles, pathBytes, readFile } from '../../support/migrator/files.ts';
import { type NativeSite, startNativeSite } from './native-site.ts';

/** Listing and reading files on a real file system, as a user that may not read everything. */

let site: NativeSite;
let agent: Agent;
let listing: Listing;

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
/** Bytes that are not UTF-8, as a path that Node takes as they are. */
const raw = (path: string, name: Buffer): Buffer => Buffer.concat([Buffer.from(`${site.dir}/wp-content/${path}/`), name]);
const NAMES = [Buffer.from('caf\xe9.txt', 'latin1'), Buffer.from([0xff, 0xfe]), Buffer.from([0x61, 0x80, 0x0a])];

beforeAll(async () => {
	site = await startNativeSite();
	agent = await registered(site, 'clone-0123456789ab');
	const content = `${site.dir}/wp-content`;
	for (const dir of ['raw', 'links', 'real/inner', 'twin-a', 'twin-b', 'closed', 'special', 'hop'])
		mkdirSync(`${content}/${dir}`, { recursive: true });
	for (const name of NAMES) writeFileSync(raw('raw', name), `content of ${name.toString('hex')}`);
	writeFileSync(`${content}/real/inner/file`, 'inner');
	writeFileSync(`${content}/closed/file`, 'closed');
	writeFileSync(`${content}/special/unreadable`, 'closed');
	for (const path of ['closed', 'special/unreadable']) {
		chownSync(`${content}/${path}`, 0, 0);
		chmodSync(`${content}/${path}`, 0o600);
	}
	execFileSync('mkfifo', [`${content}/special/pipe`]);
	chmodSync(`${content}/special/pipe`, 0o666);
	linkSync(`${site.dir}/wp-config.php`, `${content}/special/hard-link.php`);
	const links: Readonly<Record<string, string>> = {
		'links/folder': '../real',
		'links/file': '../real/inner/file',
		'links/absolute': `${content}/real/inner`,
		'links/core': '../../wp-includes/version.php',
		'links/up': '..',
		'links/self': '.',
		'links/me': 'me',
		'links/root': site.dir,
		'links/broken': 'nowhere',
		'links/outside': '/etc',
		'links/outside-file': '/etc/hostname',
		'links/config': '../../wp-config.php',
		'links/agent': '../plugins/custom-migrator',
		'twin-a/other': '../twin-b',
		'twin-b/other': '../twin-a',
	};
	for (const [path, target] of Object.entries(links)) symlinkSync(target, `${content}/${path}`);
	// Each leads to all the others: without a limit there are as many ways as orders.
	for (let i = 0; i < 7; i++) {
		mkdirSync(`${content}/hop/${i}`);
		for (let j = 0; j < 7; j++) if (i !== j) symlinkSync(`../${j}`, `${content}/hop/${i}/${j}`);
	}
	listing = await listFiles(agent, 'content');
});
afterAll(() => site.stop());

const hash = (path: string): string | undefined => listing.entries.find((each) => each.p === path)?.h;
const skipped = (path: string): string | undefined => listing.skipped.find((each) => each.path === path)?.reason;

test('names that are not UTF-8 are listed and read', async () => {
	for (const name of NAMES) {
		const bytes = Buffer.concat([Buffer.from('raw/'), name]).toString('latin1');
		const entry = listing.entries.find((each) => pathBytes(each.p) === bytes);
		const text = `content of ${name.toString('hex')}`;
		expect(entry).toMatchObject({ p: { b: expect.any(String) }, h: sha256(text) });
		if (entry) expect((await readFile(agent, 'content', entry)).toString()).toBe(text);
	}
	const small = await listFiles(agent, 'content', { max_bytes: 65_536 });
	expect(small.entries).toEqual(listing.entries);
});

test('links are followed inside the site only, and never in a circle', () => {
	for (const path of ['links/file', 'links/folder/inner/file', 'links/absolute/file']) expect(hash(path)).toBe(sha256('inner'));
	expect(hash('links/core')).toMatch(/^[0-9a-f]{64}$/);
	expect(
		Object.fromEntries(
			['up', 'self', 'me', 'root', 'broken', 'outside', 'outside-file', 'config', 'agent'].map((name) => [name, skipped(`links/${name}`)]),
		),
	).toEqual({
		up: 'link_loop',
		self: 'link_loop',
		me: 'broken_link',
		root: 'link_loop',
		broken: 'broken_link',
		outside: 'link_outside',
		'outside-file': 'link_outside',
		config: 'secret',
		agent: 'secret',
	});
	expect(skipped('twin-a/other/other')).toBe('link_loop');
	expect(skipped('twin-b/other/other')).toBe('link_loop');
	const hops = listing.skipped.filter((each) => String(each.path).startsWith('hop/'));
	expect(new Set(hops.map((each) => each.reason))).toEqual(new Set(['link_loop', 'too_many_links']));
	expect(Math.max(...hops.map((each) => String(each.path).split('/').length))).toBeLessThanOrEqual(8);
});

test('what cannot be read is named, and a pipe blocks nobody', async () => {
	expect(skipped('closed')).toBe('unreadable');
	expect(skipped('special/unreadable')).toBe('unreadable');
	expect(skipped('special/pipe')).toBe('special');
	const read = async (path: string) =>
		(await agent.call('read', { files: [{ root: 'content', path, offset: 0, length: 9, size: 6, mtime: 1 }] })).data.parts[0];
	for (const path of ['special/unreadable', 'special/pipe'])
		expect(await read(path)).toEqual({ bytes: 0, eof: false, error: 'unreadable' });
	expect(await read('special/none')).toEqual({ bytes: 0, eof: false, error: 'gone' });
});

test('the configuration is not read by any other name: hard link, link, folder above', async () => {
	expect(skipped('special/hard-link.php')).toBe('secret');
	for (const path of [
		'special/hard-link.php',
		'links/config',
		'links/root/wp-config.php',
		'links/outside/hostname',
		'links/outside-file',
		'links/agent/custom-migrator.php',
	]) {
		const { data, payload } = await agent.call('read', { files: [{ root: 'content', path, offset: 0, length: 99, size: 6, mtime: 1 }] });
		expect(data.parts).toEqual([{ bytes: 0, eof: false, error: 'unreadable' }]);
		expect(payload.length).toBe(0);
	}
});

test('uploads outside the content folder are a root of their own', async () => {
	const away = `${site.dir}-uploads`;
	mkdirSync(away);
	writeFileSync(`${away}/picture.jpg`, 'jpg');
	chmodSync(away, 0o755);
	await site.wp('option', 'update', 'upload_path', away);
	try {
		expect((await agent.call('preflight')).data.uploads_in_content).toBe(false);
		const uploads = await listFiles(agent, 'uploads');
		expect(uploads.entries).toMatchObject([{ p: 'picture.jpg', h: sha256('jpg') }]);
		const [entry] = uploads.entries;
		if (entry) expect((await readFile(agent, 'uploads', entry)).toString()).toBe('jpg');
		expect(await agent.ask('read', { files: [{ root: 'uploads', path: '../x', offset: 0, length: 1, size: 1, mtime: 1 }] })).toMatchObject({
			code: 'bad_path',
		});
	} finally {
		await site.wp('option', 'update', 'upload_path', '');
		rmSync(away, { recursive: true });
	}
});
