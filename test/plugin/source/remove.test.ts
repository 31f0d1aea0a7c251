import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { listFiles } from '../../support/migrator/files.ts';
import { allTables, readTable } from '../../support/migrator/rows.ts';
import { bootSite, type SourceSite } from '../../support/sites/boot-site.ts';
import { PLUGIN, registered } from './support.ts';

/** After a job the site is what it was before: compared by a dump of its whole database and all of its files. */

let site: SourceSite;
/** Not sorted, not counted from 0: as a plugin leaves it that puts itself first. */
const ACTIVE = 'a:2:{i:3;s:13:"zeta/zeta.php";i:7;s:9:"alpha.php";}';

beforeAll(async () => {
	site = await bootSite({ php: '8.4' });
	const plugins = join(site.dir, 'wp-content/plugins');
	mkdirSync(join(plugins, 'zeta'));
	writeFileSync(join(plugins, 'zeta/zeta.php'), '<?php /* Plugin Name: Zeta */');
	writeFileSync(join(plugins, 'alpha.php'), '<?php /* Plugin Name: Alpha */');
	writeFileSync(join(plugins, 'beta.php'), '<?php /* Plugin Name: Beta */');
});
afterAll(() => site.stop());

const folder = (): string => join(site.dir, 'wp-content/plugins/custom-migrator');

beforeEach(async () => {
	await site.evalPhp(
		`global $wpdb; $wpdb->update( $wpdb->options, array( 'option_value' => '${ACTIVE}' ), array( 'option_name' => 'active_plugins' ) );`,
	);
});
afterEach(async () => {
	await site.evalPhp("require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins( 'custom-migrator/custom-migrator.php' );");
	rmSync(folder(), { recursive: true, force: true });
	await site.php.recycle();
});

/** Puts the plugin there and activates it, as an upload through wp-admin ends. */
async function install(uploaded = false): Promise<void> {
	cpSync(PLUGIN, folder(), { recursive: true });
	if (uploaded) writeFileSync(join(folder(), 'uploaded.txt'), 'uploaded');
	await site.php.recycle();
	const result = await site.evalPhp(
		"require_once ABSPATH . 'wp-admin/includes/plugin.php'; wp_clean_plugins_cache( false ); var_export( activate_plugin( 'custom-migrator/custom-migrator.php' ) );",
	);
	if (result !== 'NULL') throw new Error(result);
}

/** The login's session, WordPress's own transients, and row counters change with any request. */
const VOLATILE =
	/^(wp_options:.*"option_name":"(_transient|_site_transient|recovery_keys)|wp_usermeta:.*"session_tokens"|sqlite_sequence:)/;

/** Every row of every table, the driver's own included, and every file. */
function dump(): string[] {
	const lines: string[] = [];
	const db = new DatabaseSync(join(site.dir, 'wp-content/database/.ht.sqlite'), { readOnly: true });
	for (const { name } of db.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all()) {
		lines.push(`table ${name}`);
		for (const row of db.prepare(`SELECT * FROM "${name}"`).all()) {
			const { CREATE_TIME, UPDATE_TIME, ...rest } = row;
			lines.push(`${name}:${JSON.stringify(rest, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`);
		}
	}
	db.close();
	for (const path of readdirSync(site.dir, { recursive: true, encoding: 'utf8' })) {
		const full = join(site.dir, path);
		if (path.startsWith('wp-content/database')) continue;
		lines.push(
			`file ${path} ${statSync(full).isFile() ? readFileSync(full).toString('base64').slice(0, 64) + statSync(full).size : 'folder'}`,
		);
	}
	return lines.filter((line) => !VOLATILE.test(line)).sort((a, b) => (a < b ? -1 : 1));
}

const active = (): Promise<string> =>
	site.evalPhp(`echo $GLOBALS['wpdb']->get_var( "SELECT option_value FROM wp_options WHERE option_name = 'active_plugins'" );`);
const traces = (): Promise<string> =>
	site.evalPhp(
		`global $wpdb; echo implode( ',', array_merge( $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%migrator%'" ), preg_grep( '/migrator/', $wpdb->get_col( 'SHOW TABLES' ) ) ) );`,
	);

/** Moves a time in the plugin's option, and the marker beside it, into the past. */
const expireNow = (where: string): Promise<string> =>
	site.evalPhp(`
		global $wpdb;
		$state = json_decode( get_option( 'custom_migrator_jobs' ), true );
		$state${where} = time() - 1;
		$wpdb->update( $wpdb->options, array( 'option_value' => wp_json_encode( $state ) ), array( 'option_name' => 'custom_migrator_jobs' ) );
		update_option( 'custom_migrator_expires', (string) ( time() - 1 ) );`);

test('a whole job leaves no trace: database and files are what they were', async () => {
	// The first visit of wp-admin writes what any first visit writes; logging in writes a session.
	await install();
	await (await registered(site, 'clone-000000000000', { uploaded: true })).call('remove');
	const before = dump();
	expect(before.filter((line) => line.includes('custom_migrator') || line.includes('custom-migrator'))).toEqual([]);

	await install();
	const agent = await registered(site, 'clone-0123456789ab', { uploaded: true });
	expect(dump()).not.toEqual(before);
	for (const table of await allTables(agent)) await readTable(agent, table);
	await listFiles(agent, 'content', { gzip: true });
	await agent.call('preflight');
	expect((await agent.call('remove')).data).toEqual({ removed: 'plugin' });

	expect(dump()).toEqual(before);
	expect(await active()).toBe(ACTIVE);
	expect(existsSync(folder())).toBe(false);
	// The next calls find an ordinary WordPress.
	expect((await agent.send('hello')).body.toString()).not.toContain('CMIG1');
	expect((await fetch(site.url)).status).toBe(200);
});

describe('the plugin goes', () => {
	test('with the last job of an uploaded copy, not before, whoever came last', async () => {
		await install();
		const one = await registered(site, 'clone-aaaaaaaaaaaa', { uploaded: true });
		const two = await registered(site, 'clone-bbbbbbbbbbbb', { uploaded: false });
		expect((await one.call('remove')).data).toEqual({ removed: 'key' });
		expect((await one.send('hello')).status).toBe(401);
		expect((await two.ask('hello')).ok).toBe(true);
		expect(await active()).toContain('custom-migrator');
		expect((await two.call('remove')).data).toEqual({ removed: 'plugin' });
		expect([existsSync(folder()), await traces(), await active()]).toEqual([false, '', ACTIVE]);
	});

	test('but not when the owner had it: then only keys and tables go', async () => {
		await install();
		const agent = await registered(site, 'clone-aaaaaaaaaaaa', { uploaded: false });
		expect((await agent.call('remove')).data).toEqual({ removed: 'key' });
		expect([existsSync(folder()), await traces()]).toEqual([true, '']);
		expect(await active()).toContain('custom-migrator');
		expect((await agent.send('hello')).body.toString()).toBe('{"code":"unauthorized"}');
	});

	test('and leaves alone what was activated in the meantime', async () => {
		await install();
		const agent = await registered(site, 'clone-aaaaaaaaaaaa', { uploaded: true });
		await site.evalPhp("require_once ABSPATH . 'wp-admin/includes/plugin.php'; activate_plugin( 'beta.php' );");
		await agent.call('remove');
		expect(await active()).toBe('a:3:{i:0;s:9:"alpha.php";i:1;s:8:"beta.php";i:2;s:13:"zeta/zeta.php";}');
	});

	test('by itself, at the first request after its time', async () => {
		await install();
		await registered(site, 'clone-aaaaaaaaaaaa', { uploaded: true });
		expect((await fetch(site.url)).status).toBe(200);
		expect(existsSync(folder())).toBe(true);
		await expireNow("['jobs']['clone-aaaaaaaaaaaa']['expires_at']");
		expect((await fetch(site.url)).status).toBe(200);
		await gone();
		expect([await traces(), await active()]).toEqual(['', ACTIVE]);
	});

	test('by itself, when it was uploaded and nobody ever registered', async () => {
		await install(true);
		expect((await fetch(site.url)).status).toBe(200);
		expect(existsSync(folder())).toBe(true);
		expect(Number(await site.evalPhp("echo json_decode( get_option( 'custom_migrator_jobs' ), true )['until'] - time();"))).toBeGreaterThan(
			6000,
		);
		await expireNow("['until']");
		expect((await fetch(site.url)).status).toBe(200);
		await gone();
		expect([await traces(), await active()]).toEqual(['', ACTIVE]);
	});

	/** What happens at the end of a visitor's request happens after the answer. */
	async function gone(): Promise<void> {
		for (let attempt = 0; attempt < 100 && existsSync(folder()); attempt++) await setTimeout(100);
		expect(existsSync(folder())).toBe(false);
	}
});

test('an expired job does not take a living one\u2019s key along', async () => {
	await install();
	await registered(site, 'clone-aaaaaaaaaaaa', { uploaded: true });
	const living = await registered(site, 'clone-bbbbbbbbbbbb', { uploaded: true });
	await expireNow("['jobs']['clone-aaaaaaaaaaaa']['expires_at']");
	expect((await fetch(site.url)).status).toBe(200);
	expect((await living.ask('hello')).ok).toBe(true);
	const left = () => site.evalPhp("echo implode( ',', array_keys( json_decode( get_option( 'custom_migrator_jobs' ), true )['jobs'] ) );");
	for (let attempt = 0; attempt < 100 && (await left()) !== 'clone-bbbbbbbbbbbb'; attempt++) await setTimeout(100);
	expect(await left()).toBe('clone-bbbbbbbbbbbb');
	await living.call('remove');
});

test('switching it off, or deleting it, in wp-admin ends every key and leaves nothing', async () => {
	await install();
	const agent = await registered(site, 'clone-aaaaaaaaaaaa');
	await site.evalPhp("require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins( 'custom-migrator/custom-migrator.php' );");
	expect(await traces()).toBe('');
	await site.evalPhp("require_once ABSPATH . 'wp-admin/includes/plugin.php'; activate_plugin( 'custom-migrator/custom-migrator.php' );");
	expect((await agent.send('hello')).body.toString()).toBe('{"code":"unauthorized"}');
	await registered(site, 'clone-aaaaaaaaaaaa');
	await site.evalPhp(`
		require_once ABSPATH . 'wp-admin/includes/plugin.php';
		require_once ABSPATH . 'wp-admin/includes/file.php';
		global $wpdb;
		$wpdb->query( "UPDATE $wpdb->options SET option_value = 'a:0:{}' WHERE option_name = 'active_plugins'" );
		wp_cache_flush();
		delete_plugins( array( 'custom-migrator/custom-migrator.php' ) );`);
	expect([existsSync(folder()), await traces()]).toEqual([false, '']);
});
