import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootSource, type Source } from '../source/support.ts';
import { cell, HOSTILE_ROWS, SITE, seedHostileRows } from './support/hostile-rows.ts';
import { CLONE_ADMIN, CLONE_URL, type ImportStatus, importRequest, makeSlot, type TestSlot } from './support/slot.ts';

/** Every table of a site's database, each cell as bytes (`typeof` before them), by row. */
function dump(path: string): Map<string, Map<string, Buffer>[]> {
	const database = new DatabaseSync(path, { readOnly: true });
	const tables = new Map<string, Map<string, Buffer>[]>();
	const names = database
		.prepare(
			"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_wp\\_%' ESCAPE '\\'",
		)
		.all();
	for (const { name } of names) {
		const columns = database.prepare(`PRAGMA table_info("${name}")`).all();
		// `hex` of a large value would exceed SQLite's length limit for none of these; bytes are compared as they are.
		const wanted = columns.map((column, i) => `typeof("${column.name}") AS t${i}, CAST("${column.name}" AS BLOB) AS v${i}`);
		const rows = database.prepare(`SELECT ${wanted.join(', ')} FROM "${name}" ORDER BY rowid`).all();
		tables.set(
			String(name),
			rows.map(
				(row) =>
					new Map(
						columns.map((column, i) => {
							const value = row[`v${i}`];
							return [
								String(column.name),
								Buffer.concat([Buffer.from(`${row[`t${i}`]}:`), value instanceof Uint8Array ? value : Buffer.alloc(0)]),
							];
						}),
					),
			),
		);
	}
	database.close();
	return tables;
}

const text = (bytes: Buffer | undefined): string => bytes?.toString('utf8').slice(bytes.indexOf(':') + 1) ?? '';

describe.each(['7.4', '8.4'] as const)('rows of a hostile site, on PHP %s', (php) => {
	let source: Source;
	let slot: TestSlot;
	let status: ImportStatus;
	let before: Map<string, Map<string, Buffer>[]>;
	let after: Map<string, Map<string, Buffer>[]>;

	beforeAll(async () => {
		source = await bootSource({ php, memoryLimit: '256M' });
		const scratch = mkdtempSync(join(source.site.dir, 'scratch-'));
		await seedHostileRows(source.site, (name, bytes) => {
			const path = join(scratch, name);
			writeFileSync(path, bytes);
			return path;
		});
		await source.site.evalPhp(`update_option( 'siteurl', '${SITE}' ); update_option( 'home', '${SITE}' );
			update_option( 'widget_x', array( 'link' => '${SITE}/w', 'n' => 1 ) );
			wp_insert_user( array( 'user_login' => '${CLONE_ADMIN.username}', 'user_pass' => 'x', 'user_email' => 'owner@a.com', 'role' => 'editor' ) );`);
		await rm(scratch, { recursive: true });
		slot = await makeSlot(php);
		before = dump(join(source.site.dir, 'wp-content/database/.ht.sqlite'));
		await slot.verb('import_start', importRequest(source.agent));
		await slot.host.toEnd();
		status = await slot.status();
		if (status.state !== 'done') throw new Error(`${JSON.stringify(status)} ${slot.host.log}`);
		after = dump(slot.path('wordpress/wp-content/database/.ht.sqlite'));
	}, 300_000);
	afterAll(async () => {
		await slot.remove();
		await source.site.stop();
	});

	test('ends, with a proof that names no difference', () => {
		expect(status).toMatchObject({ state: 'done', progress: 100, error: null });
		expect(status.proof?.differences).toEqual([]);
		expect(status.proof?.tables).toBe(
			[...before.keys()].filter((name) => !name.startsWith('custom_migrator') && !name.includes('custom_migrator_')).length,
		);
	});

	test.each(HOSTILE_ROWS.map((row) => [row.name, row] as const))('%s', (name, row) => {
		const landed = after.get('wp_hostile')?.find((each) => text(each.get('name')) === name);
		const sent = before.get('wp_hostile')?.find((each) => text(each.get('name')) === name);
		expect(landed).toBeDefined();
		// Node's own comparison of 20 MB is quick; vitest's is not.
		const same = (column: string, wanted: Buffer | undefined): void => {
			const got = landed?.get(column);
			expect(
				wanted !== undefined && got?.equals(wanted),
				`${column}: ${got?.subarray(0, 300)} instead of ${wanted?.subarray(0, 300)}`,
			).toBe(true);
		};
		const expected = (template: HostileTemplate, type: string): Buffer => {
			const value = template === undefined || template === null ? null : cell(template(CLONE_URL));
			return value === null ? Buffer.from('null:') : Buffer.concat([Buffer.from(`${type}:`), value]);
		};
		same('txt', expected(row.txt, 'text'));
		same('j', expected(row.json, 'text'));
		for (const column of ['id', 'bin', 'big', 'dbl', 'dt', 'bits']) same(column, sent?.get(column));
		if (row.bin) expect(landed?.get('bin')?.subarray(5).equals(row.bin)).toBe(true);
		if (row.big) expect(text(landed?.get('big'))).toBe(row.big);
	});

	test('every other cell is as it was, but for the declared rewrites', () => {
		let cells = 0;
		const rewritten: string[] = [];
		for (const [table, rows] of before) {
			if (table === 'wp_hostile' || table.includes('custom_migrator')) continue;
			const landed = after.get(table) ?? [];
			const key = [...(rows[0]?.keys() ?? [])].slice(0, table === 'wp_term_relationships' ? 2 : 1);
			const id = (row: Map<string, Buffer>): string => key.map((column) => text(row.get(column))).join('/');
			const byId = new Map(landed.map((row) => [id(row), row]));
			for (const row of rows) {
				const name = text(row.get('option_name'));
				if (name.includes('custom_migrator')) continue;
				for (const [column, value] of row) {
					const got = byId.get(id(row))?.get(column);
					const where = `${table}.${column} of ${id(row)} ${name}`;
					if (table === 'wp_options' && column === 'option_value' && ['siteurl', 'home', 'blog_public', 'active_plugins'].includes(name))
						continue;
					cells += 1;
					if (value.includes('//a.com/') || value.includes('//a.com"')) {
						rewritten.push(where);
						expect(got?.includes(CLONE_URL), where).toBe(true);
						expect(got?.includes('//a.com'), where).toBe(false);
					} else {
						expect(got?.equals(value), `${where}: ${got} instead of ${value}`).toBe(true);
					}
				}
			}
		}
		expect(cells).toBeGreaterThan(500);
		expect(rewritten.join()).toContain('widget_x');
	});

	test('the clone has its own address and administrator, and is hidden from search engines', () => {
		const option = (name: string): string =>
			text(
				after
					.get('wp_options')
					?.find((row) => text(row.get('option_name')) === name)
					?.get('option_value'),
			);
		expect(option('siteurl')).toBe(CLONE_URL);
		expect(option('home')).toBe(CLONE_URL);
		expect(option('blog_public')).toBe('0');
		expect(option('admin_email')).toBe(
			text(
				before
					.get('wp_options')
					?.find((row) => text(row.get('option_name')) === 'admin_email')
					?.get('option_value'),
			),
		);
		// The site has a user of that name: it keeps it.
		expect(status.facts.username).toBe(`${CLONE_ADMIN.username}-2`);
		expect(status.facts.warnings.join()).toContain(`${CLONE_ADMIN.username}-2`);
		const user = after.get('wp_users')?.find((row) => text(row.get('user_login')) === `${CLONE_ADMIN.username}-2`);
		expect(text(user?.get('user_pass'))).toMatch(/^\$wp\$2y\$/);
		const meta = after.get('wp_usermeta')?.filter((row) => text(row.get('user_id')) === text(user?.get('ID'))) ?? [];
		expect(Object.fromEntries(meta.map((row) => [text(row.get('meta_key')), text(row.get('meta_value'))]))).toMatchObject({
			wp_capabilities: 'a:1:{s:13:"administrator";b:1;}',
			clone_guard_admin: '1',
		});
	});

	test('the driver knows every table as it was', async () => {
		const ask = (dir: string, path: string): string => `
			require '${dir}/system/sqlite-database-integration/wp-includes/database/load.php';
			$driver = new WP_MySQL_On_SQLite( 'mysql-on-sqlite:path=${path};dbname=wordpress', null, null, array( 'sqlite_journal_mode' => 'DELETE' ) );
			$driver->setAttribute( PDO::ATTR_STRINGIFY_FETCHES, true );
			foreach ( array( 'wp_hostile', 'wp_posts', 'wp_options', 'wp_term_relationships' ) as $t ) {
				echo preg_replace( '/ AUTO_INCREMENT=\\d+/', '', $driver->query( "SHOW CREATE TABLE $t" )->fetchAll( PDO::FETCH_NUM )[0][1] ), "\\n";
			}`;
		const cloned = await slot.host.run(ask(slot.dir, slot.path('wordpress/wp-content/database/.ht.sqlite')));
		const original = await source.site.php.raw(
			`<?php ${ask('', join(source.site.dir, 'wp-content/database/.ht.sqlite')).replace('/system/sqlite-database-integration', join(source.site.dir, 'wp-content/mu-plugins/sqlite-database-integration'))}`,
		);
		expect(cloned).toContain('CREATE TABLE `wp_hostile`');
		expect(cloned).toBe(original);
	});

	test('nothing of the import is left, neither staged files nor secrets', async () => {
		const left = await slot.host.run(`echo implode( ' ', array_diff( scandir( '${slot.path('import')}' ), array( '.', '..' ) ) );`);
		expect(left.split(' ').sort()).toEqual(['lock', 'request.json', 'start.lock', 'state.json']);
		const request = JSON.stringify(slot.json('import/request.json'));
		expect(request).not.toContain(CLONE_ADMIN.password);
		expect(request).not.toContain(source.agent.key.toString('base64'));
		expect(slot.json('clone.json')).toMatchObject({ table_prefix: 'wp_', admin_user: `${CLONE_ADMIN.username}-2`, access: 'login' });
	});
});

type HostileTemplate = ((url: string) => string | Uint8Array) | null | undefined;
