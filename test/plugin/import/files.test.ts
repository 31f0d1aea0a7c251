import { createHash } from 'node:crypto';
import {
	createReadStream,
	lstatSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	symlinkSync,
	truncateSync,
	utimesSync,
	writeFileSync,
	writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootSource, type Source } from '../source/support.ts';
import { type ImportStatus, importRequest, makeSlot, type TestSlot } from './support/slot.ts';

const MIB = 1024 * 1024;
const ODD_NAMES = [
	'with space.txt',
	'ümläut-漢字-😀.jpg',
	'quote\'"$(x)`;&.txt',
	'-rf',
	'.hidden',
	'new\nline',
	`${'n'.repeat(250)}.txt`,
	'a%2Fb.txt',
	'x.php',
	'UPPER.TXT',
	'upper.txt',
];

async function hashOf(path: string): Promise<string> {
	const hash = createHash('sha256');
	for await (const chunk of createReadStream(path)) hash.update(chunk);
	return hash.digest('hex');
}

describe.each([
	['7.4', 20 * MIB],
	['8.4', 300 * MIB],
] as const)('files, on PHP %s', (php, large) => {
	let source: Source;
	let slot: TestSlot;
	let status: ImportStatus;
	let uploads: string;
	beforeAll(async () => {
		source = await bootSource({ php });
		const content = join(source.site.dir, 'wp-content');
		uploads = join(content, 'uploads');
		for (const name of ODD_NAMES) writeFileSync(join(uploads, name), `content of ${name}`);
		mkdirSync(join(uploads, '2024/empty-folder'), { recursive: true });
		writeFileSync(join(uploads, 'empty.txt'), '');
		utimesSync(join(uploads, 'empty.txt'), 1_400_000_000, 1_400_000_000);
		utimesSync(join(uploads, '.hidden'), 1_500_000_000, 1_500_000_000);
		symlinkSync('..', join(uploads, '2024/loop'));
		symlinkSync('/etc', join(uploads, 'etc'));
		symlinkSync('x.php', join(uploads, 'link.php'));
		// Sparse but for a mark at every 4 MiB and odd places between: a range that lands elsewhere shows.
		const file = openSync(join(uploads, 'large.bin'), 'w');
		for (let at = 0; at < large - 64; at += 4 * MIB - 7) writeSync(file, `mark at ${at}`, at);
		truncateSync(join(uploads, 'large.bin'), large);
		for (const name of ['object-cache.php', 'advanced-cache.php']) writeFileSync(join(content, name), '<?php // drop-in');
		mkdirSync(join(content, 'mu-plugins'), { recursive: true });
		writeFileSync(join(content, 'mu-plugins/own.php'), "<?php // the site's own");
		writeFileSync(join(content, 'mu-plugins/0-clone-guard.php'), '<?php // not ours');
		// A core that is not quite the bundled one.
		writeFileSync(
			join(source.site.dir, 'wp-includes/version.php'),
			`${readFileSync(join(source.site.dir, 'wp-includes/version.php'), 'utf8')}\n// patched\n`,
		);
		writeFileSync(join(source.site.dir, 'wp-includes/added.php'), '<?php // added');
		writeFileSync(join(source.site.dir, 'robots.txt'), 'User-agent: *\nAllow: /');
		await source.site.php.raw(`<?php unlink( '${join(source.site.dir, 'readme.html')}' );`);
		await source.site.php.recycle();
		slot = await makeSlot(php);
		await slot.verb('import_start', importRequest(source.agent));
		await slot.host.toEnd();
		status = await slot.status();
		if (status.state !== 'done') throw new Error(`${JSON.stringify(status)} ${slot.host.log}`);
	}, 590_000);
	afterAll(async () => {
		await slot.remove();
		await source.site.stop();
	});
	const copied = (path: string): string => slot.path(`wordpress/wp-content/${path}`);

	test('no difference', () => {
		expect(status.proof?.differences).toEqual([]);
	});

	test.each(ODD_NAMES)('%j', (name) => {
		expect(readFileSync(copied(`uploads/${name}`), 'utf8')).toBe(`content of ${name}`);
	});

	test('empty files and folders, times and modes', () => {
		const empty = lstatSync(copied('uploads/empty.txt'));
		expect([empty.size, empty.mtimeMs, empty.mode & 0o777]).toEqual([0, 1_400_000_000_000, 0o644]);
		expect(lstatSync(copied('uploads/.hidden')).mtimeMs).toBe(1_500_000_000_000);
		expect(readdirSync(copied('uploads/2024/empty-folder'))).toEqual([]);
		expect(lstatSync(copied('uploads/2024')).mode & 0o777).toBe(0o755);
	});

	test('no link is copied, and each that could not be followed is named', () => {
		// php-wasm resolves every link to a place outside of its mounts, so here none is followed; on a real PHP some are.
		const named = status.proof?.left_out.map((each) => each.path) ?? [];
		for (const path of ['etc', '2024/loop', 'link.php']) {
			expect(named).toContain(`content/uploads/${path}`);
			expect(lstatSync(copied(`uploads/${path}`), { throwIfNoEntry: false })).toBeUndefined();
		}
		const links = readdirSync(slot.path('wordpress/wp-content'), { recursive: true, withFileTypes: true }).filter((entry) =>
			entry.isSymbolicLink(),
		);
		expect(links).toEqual([]);
	});

	test(`a file of ${large / MIB} MB, in ranges`, async () => {
		expect(lstatSync(copied('uploads/large.bin')).size).toBe(large);
		expect(await hashOf(copied('uploads/large.bin'))).toBe(await hashOf(join(uploads, 'large.bin')));
		expect(slot.host.asked.filter((verb) => verb === 'read').length).toBeGreaterThanOrEqual(large / (4 * MIB));
	});

	test('drop-ins stay behind and are named; the slot keeps its own', () => {
		const content = readdirSync(slot.path('wordpress/wp-content'));
		expect(content).not.toContain('object-cache.php');
		expect(content).not.toContain('advanced-cache.php');
		expect(readFileSync(copied('db.php'), 'utf8')).toContain('CLONE_DIR');
		expect(readFileSync(copied('mu-plugins/0-clone-guard.php'), 'utf8')).toContain('clone-guard/clone-guard.php');
		expect(readFileSync(copied('mu-plugins/own.php'), 'utf8')).toContain("the site's own");
		const named = status.proof?.left_out.map((each) => each.path) ?? [];
		for (const path of [
			'content/object-cache.php',
			'content/advanced-cache.php',
			'content/db.php',
			'core/robots.txt',
			'core/wp-config.php',
		])
			expect(named).toContain(path);
		expect(named.some((path) => path === 'content/mu-plugins/0-clone-guard.php')).toBe(true);
	});

	test('core is the source’s, and what differs from the bundle is named', () => {
		const root = (path: string): string => slot.path(`wordpress/${path}`);
		expect(readFileSync(root('wp-includes/version.php'), 'utf8')).toContain('// patched');
		expect(readFileSync(root('wp-includes/added.php'), 'utf8')).toContain('// added');
		expect(readdirSync(slot.path('wordpress'))).not.toContain('readme.html');
		expect(readdirSync(slot.path('wordpress'))).not.toContain('robots.txt');
		expect(readFileSync(root('wp-config.php'), 'utf8')).toContain('CLONE_DIR');
		expect(new Set(status.proof?.core_differs)).toEqual(new Set(['readme.html', 'wp-includes/added.php', 'wp-includes/version.php']));
	});
});
