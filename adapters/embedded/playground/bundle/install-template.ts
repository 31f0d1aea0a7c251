import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { FileLockManagerInMemory } from '@php-wasm/universal';
import { TransientError } from '../../../../core/errors.ts';
import { openNetwork } from '../php/network-policy.ts';
import { runPhp } from '../php/run.ts';
import { createPhp, DEFAULT_PHP } from '../php/runtime.ts';

/** wp-config.php and the drop-ins of a slot, as they lie in the repository. */
export const imageDir = fileURLToPath(new URL('../../../../wordpress/image/', import.meta.url));

/** Installs WordPress into the database that the wp-config.php of the current folder names. Prints `installed:1`. */
export const INSTALL_CODE = `<?php
define( 'WP_INSTALLING', true );
require 'wp-load.php';
add_filter( 'pre_http_request', fn() => new WP_Error( 'offline' ) );
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
// No default post, page and comment.
function wp_install_defaults( $user_id ) {
	global $wpdb;
	$wpdb->insert( $wpdb->terms, array( 'term_id' => 1, 'name' => 'Uncategorized', 'slug' => 'uncategorized', 'term_group' => 0 ) );
	$wpdb->insert( $wpdb->term_taxonomy, array( 'term_id' => 1, 'taxonomy' => 'category', 'description' => '', 'parent' => 0, 'count' => 0 ) );
	update_option( 'default_category', 1 );
}
function wp_new_blog_notification() {}
$result = wp_install( 'WordPress', 'admin', 'admin@template.invalid', true, '', 'unused-password', '' );
update_option( 'siteurl', 'http://template.invalid' );
update_option( 'home', 'http://template.invalid' );
$GLOBALS['wp_rewrite']->set_permalink_structure( '/%postname%/' );
flush_rewrite_rules();
echo 'installed:', $result['user_id'];
`;

/**
 * Installs WordPress in `site` (a slot's layout with `wordpress/` and `system/sqlite-database-integration/`).
 * @returns the path of its database
 * @throws TransientError `template_failed`
 */
export async function installTemplate(site: string): Promise<string> {
	const wordpress = join(site, 'wordpress');
	await writeFile(join(site, 'clone.json'), JSON.stringify({ table_prefix: 'wp_', salts: randomSalts() }), { mode: 0o600 });
	await copyFile(join(imageDir, 'wp-config.php'), join(wordpress, 'wp-config.php'));
	await copyFile(join(imageDir, 'db.php'), join(wordpress, 'wp-content', 'db.php'));
	await mkdir(join(wordpress, 'wp-content', 'database'));
	const php = await createPhp({
		version: DEFAULT_PHP,
		mounts: [site],
		tmpDir: join(site, 'tmp'),
		ini: { memory_limit: '256M' },
		network: openNetwork,
		locks: new FileLockManagerInMemory(),
		symlinks: false,
	});
	let output: { stdout: string; stderr: string };
	try {
		php.chdir(wordpress);
		output = await runPhp(php, { code: INSTALL_CODE, $_SERVER: { HTTP_HOST: 'template.invalid' } });
	} finally {
		php.exit();
	}
	if (!output.stdout.endsWith('installed:1')) {
		const cause = new Error(`${output.stdout}\n${output.stderr}`.trim());
		throw new TransientError('template_failed', 'WordPress could not be installed from its package. Try again.', { cause });
	}
	const path = join(wordpress, 'wp-content', 'database', '.ht.sqlite');
	const database = new DatabaseSync(path);
	// Not a password hash: nothing matches it until a password is set.
	database.exec("UPDATE wp_users SET user_pass = '!'; DELETE FROM wp_options WHERE option_name LIKE '\\_transient%' ESCAPE '\\'; VACUUM");
	database.close();
	return path;
}

/** Eight salts as wp-config.php wants them. */
export function randomSalts(): Record<string, string> {
	const names = ['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'];
	return Object.fromEntries(
		names.flatMap((name) => [`${name}_KEY`, `${name}_SALT`]).map((name) => [name, randomBytes(48).toString('base64')]),
	);
}
