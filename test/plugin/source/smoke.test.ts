import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Agent } from '../../support/migrator/agent.ts';
import { listFiles, readFile } from '../../support/migrator/files.ts';
import { allTables, readTable } from '../../support/migrator/rows.ts';
import { phpString } from '../../support/sites/boot-site.ts';
import { bootSource, PLUGIN, type Source } from './support.ts';

/** The whole of it once on the PHP versions that the other tests do not take, and the same agent on a clone. */

describe.each(['8.2', '8.5'])('on PHP %s', (php) => {
	let source: Source;
	beforeAll(async () => {
		source = await bootSource({ php, tablePrefix: 'x9_' });
	});
	afterAll(() => source.site.stop());

	test('every verb works, and PHP has nothing to say about it', async () => {
		const { agent, site } = source;
		expect((await agent.call('hello')).data.protocol).toBe(1);
		expect((await agent.call('preflight')).data).toMatchObject({
			table_prefix: 'x9_',
			php_version: expect.stringMatching(new RegExp(`^${php}`)),
		});
		const tables = await allTables(agent);
		expect(tables.length).toBe(12);
		for (const table of tables) expect((await readTable(agent, table, { gzip: true })).rows.length).toBe(table.rows);
		const answer = await agent.call('value', { table: 'x9_users', key: ['1'], column: 'user_login', offset: 1, length: 3 });
		expect([answer.payload.toString(), answer.data.total, answer.data.eof]).toEqual(['dmi', 5, false]);
		const { entries } = await listFiles(agent, 'core');
		const version = entries.find((entry) => entry.p === 'wp-includes/version.php');
		if (!version) throw new Error('not listed');
		expect(await readFile(agent, 'core', version)).toEqual(readFileSync(join(site.dir, 'wp-includes/version.php')));
		expect((await agent.call('remove')).data).toEqual({ removed: 'key' });
		expect(readFileSync(site.logFile, 'utf8')).not.toMatch(/custom.migrator/i);
	});
});

describe.each(['7.4', '8.2', '8.4', '8.5'])('PHP %s', (php) => {
	test('can read every file of the plugin', async () => {
		const { loadNodeRuntime } = await import('@php-wasm/node');
		const { PHP } = await import('@php-wasm/universal');
		const instance = new PHP(await loadNodeRuntime(php as '8.4', { emscriptenOptions: { processId: 1 } }));
		const files = readdirSync(PLUGIN, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.php'));
		expect(files.length).toBeGreaterThan(30);
		for (const path of files) {
			const code = readFileSync(join(PLUGIN, path), 'utf8');
			const checked = await instance.run({
				code: `<?php try { token_get_all( base64_decode( '${Buffer.from(code).toString('base64')}' ), TOKEN_PARSE ); echo 'fine'; } catch ( ParseError $error ) { echo $error->getMessage(), ' in line ', $error->getLine(); }`,
			});
			expect(`${path}: ${checked.text}`).toBe(`${path}: fine`);
		}
		instance.exit();
	});
});

describe('on a clone', () => {
	const key = randomBytes(32);
	const SLOT = 'slot-0123456789ab';
	let source: Source;
	let clone: Agent;

	beforeAll(async () => {
		source = await bootSource();
		const dir = dirname(source.site.dir);
		writeFileSync(join(dir, 'clone.json'), JSON.stringify({ slot_id: SLOT, agent_key: key.toString('base64') }));
		mkdirSync(join(source.site.dir, 'wp-content/mu-plugins'), { recursive: true });
		writeFileSync(
			join(source.site.dir, 'wp-content/mu-plugins/guard.php'),
			`<?php define( 'CLONE_DIR', ${phpString(dir)} );
			require_once WP_CONTENT_DIR . '/plugins/custom-migrator/includes/load.php';
			add_action( 'muplugins_loaded', array( 'Custom_Migrator_Agent', 'boot_clone' ) );`,
		);
		await source.site.php.recycle();
		clone = new Agent(source.site.url, SLOT, key);
	});
	afterAll(() => source.site.stop());

	test('the slot\u2019s key, and no other, opens the verbs of a clone and of a source', async () => {
		expect((await clone.call('hello')).data.protocol).toBe(1);
		expect((await clone.call('import_status')).data).toMatchObject({ state: 'idle' });
		expect((await allTables(clone)).length).toBe(12);
		expect(await clone.ask('remove')).toMatchObject({ status: 404, code: 'unknown_verb' });
		for (const stranger of [
			source.agent,
			new Agent(source.site.url, SLOT, randomBytes(32)),
			new Agent(source.site.url, 'slot-ffffffffffff', key),
		])
			expect((await stranger.send('hello')).body.toString()).toBe('{"code":"unauthorized"}');
		const read = await clone.ask('read', {
			files: [{ root: 'content', path: 'mu-plugins/0-clone-guard.php', offset: 0, length: 9, size: 1, mtime: 1 }],
		});
		expect(read.code).toBe('bad_path');
	});

	test('a nonce works once, also for eight at once', async () => {
		const nonce = randomBytes(16).toString('hex');
		const all = await Promise.all(Array.from({ length: 8 }, () => clone.send('hello', {}, { nonce })));
		expect(all.map((raw) => raw.status).toSorted((a, b) => a - b)).toEqual([200, ...Array.from({ length: 7 }, () => 401)]);
	});

	test('an ordinary request goes on', async () => {
		expect((await fetch(source.site.url)).status).toBe(200);
	});
});
