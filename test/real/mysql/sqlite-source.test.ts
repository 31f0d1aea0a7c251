import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseConnection } from '../../../core/ports.ts';
import { cell, HOSTILE_ROWS, SITE, seedHostileRows } from '../../plugin/import/support/hostile-rows.ts';
import type { ImportStatus } from '../../plugin/import/support/slot.ts';
import { bootSource, type Source } from '../../plugin/source/support.ts';
import { type CloneHosting, logIn, startCloneHosting } from './clone-hosting.ts';
import { type NativeClone, startNativeClone } from './native-clone.ts';

/** A clone on MySQL of a site on SQLite, with the hostile rows that test/plugin/import/rows.test.ts lands in SQLite. */

let source: Source;
let hosting: CloneHosting;
let shared: CloneHosting['shared'];
let clone: NativeClone;
let connection: DatabaseConnection;
let status: ImportStatus;

beforeAll(async () => {
	hosting = await startCloneHosting();
	({ shared } = hosting);
	source = await bootSource({ memoryLimit: '256M' });
	const scratch = mkdtempSync(join(source.site.dir, 'scratch-'));
	await seedHostileRows(source.site, (name, bytes) => {
		const path = join(scratch, name);
		writeFileSync(path, bytes);
		return path;
	});
	await source.site.evalPhp(`update_option( 'siteurl', '${SITE}' ); update_option( 'home', '${SITE}' );
		wp_insert_post( array( 'post_title' => 'Seen on the clone', 'post_status' => 'publish' ) );`);
	rmSync(scratch, { recursive: true });
	connection = await hosting.databases.create('slot-sqlite');
	clone = await startNativeClone(hosting.tree, connection);
	status = await clone.import(source.agent);
});
afterAll(async () => {
	await clone.stop();
	await hosting.stop();
	await source.site.stop();
});

test('ends, with a proof that names the column that became another', () => {
	expect(status).toMatchObject({ state: 'done', error: null });
	expect(status.proof?.differences).toEqual([
		{ table: 'wp_hostile', reason: 'column txt is longblob: it holds values that its type on the source cannot hold here' },
	]);
	expect(status.proof?.tables).toBeGreaterThan(12);
});

test.each(HOSTILE_ROWS.map((row) => [row.name, row] as const))('%s', async (name, row) => {
	const where = `FROM wp_hostile WHERE name = '${name.replaceAll("'", "''")}'`;
	const wanted: Readonly<Record<string, Buffer | null>> = {
		txt: cell(row.txt?.(clone.url)),
		j: cell(row.json?.(clone.url)),
		bin: cell(row.bin),
		'CAST(big AS CHAR)': cell(row.big),
		'CAST(dt AS CHAR)': cell(row.dt),
		'CAST(bits + 0 AS CHAR)': cell(row.bits),
	};
	for (const [column, value] of Object.entries(wanted)) {
		// As one line: a value of 20 MB in hex would be more than a packet takes.
		const got = await shared.sql(
			`SELECT IFNULL(CONCAT(LENGTH(${column}), ' ', SHA2(${column}, 256), ' ', HEX(LEFT(${column}, 99))), 'NULL') ${where}`,
			connection.name,
		);
		const line = value === null ? 'NULL' : `${value.length} ${createHash('sha256').update(value).digest('hex')} `;
		expect(got.startsWith(line), `${column}: ${got} instead of ${value?.subarray(0, 99).toString('hex')}`).toBe(true);
	}
	const doubles = await shared.sql(`SELECT dbl = ${row.dbl ?? 'NULL'} ${where}`, connection.name);
	expect(doubles.trim()).toBe(row.dbl === undefined ? 'NULL' : '1');
});

test('the tables are WordPress’s, with keys, numbers that go on, and text in utf8mb4', async () => {
	const ddl = await shared.sql('SHOW CREATE TABLE wp_posts', connection.name);
	for (const part of [
		'`ID` bigint(20) unsigned NOT NULL AUTO_INCREMENT',
		'PRIMARY KEY (`ID`)',
		'KEY `post_name` (`post_name`(191))',
		'ENGINE=InnoDB',
		'utf8mb4',
	])
		expect(ddl).toContain(part);
	const options = await shared.sql("SELECT option_value FROM wp_options WHERE option_name IN ('siteurl', 'home')", connection.name);
	expect(options.trim().split('\n')).toEqual([clone.url, clone.url]);
});

test('the clone works', async () => {
	const cookie = await logIn(clone);
	const home = await (await fetch(`${clone.url}/`, { headers: { cookie } })).text();
	expect(home.includes('Seen on the clone'), home.slice(0, 500)).toBe(true);
	expect((await fetch(`${clone.url}/wp-admin/edit.php`, { headers: { cookie } })).status).toBe(200);
	expect(clone.log()).not.toMatch(/WordPress database error/);
});
