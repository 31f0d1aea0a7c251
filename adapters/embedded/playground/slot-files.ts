/**
 * A slot on disk (docs/migrator-protocol.md): how its folder is made from the bundle, and the members of clone.json that the
 * host writes. Used by the host process and by the slot's own.
 */
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { imageDir, randomSalts } from './bundle/install-template.ts';
import { readIfThere, writeAtomically } from './server/state.ts';

const pluginsDir = fileURLToPath(new URL('../../../wordpress/', import.meta.url));
const PLUGINS = ['custom-migrator', 'clone-guard'];
/** The default theme of the bundle; an import replaces wp-content, so the others would be copied for nothing. */
const THEME = 'twentytwentyfive';

/** Writes the first clone.json, mode 0600. The address is not known yet: the slot's process adds it. */
export function writeCloneJson(slotDir: string, slot: { slotId: string; agentKey: string; phpVersion: string }): void {
	const clone = {
		slot_id: slot.slotId,
		agent_key: slot.agentKey,
		url: null,
		table_prefix: 'wp_',
		salts: randomSalts(),
		access: 'login',
		allow_hosts: [],
		expires_at: null,
		admin_user: null,
		php_version: slot.phpVersion,
		source_url: null,
	};
	writeAtomically(join(slotDir, 'clone.json'), JSON.stringify(clone));
}

/**
 * Makes `wordpress/`, `system/`, `import/` and `tmp/` unless they are there. `wordpress/` appears by one rename, so a
 * process that was killed while copying starts over. `system/` is a copy of each slot's own: php-wasm cannot mount a
 * folder read-only, and a clone's PHP must not be able to change another clone's agent.
 */
export function prepareSlot(slotDir: string, bundleDir: string): void {
	const wordpress = join(slotDir, 'wordpress');
	if (existsSync(wordpress)) return;
	const system = join(slotDir, 'system');
	const making = join(slotDir, 'making');
	for (const path of [making, system]) rmSync(path, { recursive: true, force: true });
	for (const name of ['import', 'tmp', 'system']) mkdirSync(join(slotDir, name), { recursive: true, mode: 0o700 });
	for (const name of PLUGINS) {
		if (existsSync(join(pluginsDir, name))) cpSync(join(pluginsDir, name), join(system, name), { recursive: true });
	}
	cpSync(join(bundleDir, 'sqlite-database-integration'), join(system, 'sqlite-database-integration'), { recursive: true });
	copyFileSync(join(bundleDir, 'core.json'), join(system, 'core.json'));
	copyWordPress(bundleDir, making);
	const content = join(making, 'wp-content');
	copyFileSync(join(imageDir, 'wp-config.php'), join(making, 'wp-config.php'));
	copyFileSync(join(imageDir, 'db.php'), join(content, 'db.php'));
	mkdirSync(join(content, 'mu-plugins'));
	copyFileSync(join(imageDir, '0-clone-guard.php'), join(content, 'mu-plugins', '0-clone-guard.php'));
	renameSync(making, wordpress);
}

/** Core, one theme, no plugins, and the template's database. */
export function copyWordPress(bundleDir: string, to: string): void {
	const from = join(bundleDir, 'wordpress');
	const content = join(from, 'wp-content');
	// Without a filter the copy is done natively: 0.9 s instead of 3 s for the 3,800 files of core.
	cpSync(from, to, { recursive: true });
	for (const name of ['themes/twentytwentythree', 'themes/twentytwentyfour', 'plugins/akismet', 'plugins/hello.php']) {
		if (existsSync(join(content, name)) && !name.endsWith(THEME)) rmSync(join(to, 'wp-content', name), { recursive: true, force: true });
	}
	mkdirSync(join(to, 'wp-content', 'database'), { recursive: true });
	mkdirSync(join(to, 'wp-content', 'uploads'), { recursive: true });
	copyFileSync(join(bundleDir, 'template.sqlite'), join(to, 'wp-content', 'database', '.ht.sqlite'));
}

/**
 * Tells a slot its address: in clone.json always; in the database only while it is the template's, since an import
 * writes the addresses itself (a site in a folder has two).
 */
export function publishAddress(slotDir: string, url: string): void {
	const path = join(slotDir, 'clone.json');
	const clone: Record<string, unknown> = JSON.parse(readFileSync(path, 'utf8'));
	if (clone.url !== url) writeAtomically(path, JSON.stringify({ ...clone, url }));
	if (clone.source_url === null) setAddress(join(slotDir, 'wordpress'), 'wp_', url);
}

/** Writes siteurl and home of an installed site. `prefix` is ours, never a foreign value. */
export function setAddress(documentRoot: string, prefix: string, url: string): void {
	const database = new DatabaseSync(join(documentRoot, 'wp-content', 'database', '.ht.sqlite'));
	try {
		database.prepare(`UPDATE ${prefix}options SET option_value = ? WHERE option_name IN ('siteurl', 'home')`).run(url);
	} finally {
		database.close();
	}
}

/** `allow_hosts` of clone.json; empty when it is being written or is not a list of strings. */
export function allowHostsOf(slotDir: string): readonly string[] {
	try {
		const clone: { allow_hosts?: unknown } = JSON.parse(readIfThere(join(slotDir, 'clone.json')) ?? '{}');
		const hosts: readonly unknown[] = Array.isArray(clone.allow_hosts) ? clone.allow_hosts : [];
		return hosts.filter((host) => typeof host === 'string');
	} catch {
		// Unreadable means nothing is allowed.
		return [];
	}
}
