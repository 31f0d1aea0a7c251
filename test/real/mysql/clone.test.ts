import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseConnection } from '../../../core/ports.ts';
import type { ImportStatus } from '../../plugin/import/support/slot.ts';
import { registered } from '../../plugin/source/support.ts';
import type { Agent } from '../../support/migrator/agent.ts';
import { type CloneHosting, logIn, startCloneHosting } from './clone-hosting.ts';
import { allCells, type Cells, hostileTables } from './hostile-tables.ts';
import { type NativeClone, startNativeClone } from './native-clone.ts';
import { type NativeSite, startNativeSite } from './native-site.ts';

/** A clone on MySQL of a site on MySQL, from the image's boot to a working WordPress. */

const hex = (text: string): string => Buffer.from(text).toString('hex').toUpperCase();

const byCode = (a: string, b: string): number => (a < b ? -1 : 1);

let hosting: CloneHosting;
let shared: CloneHosting['shared'];
let databases: CloneHosting['databases'];
let tree: CloneHosting['tree'];
let site: NativeSite;
let source: Agent;

beforeAll(async () => {
	hosting = await startCloneHosting();
	({ shared, databases, tree } = hosting);
	site = await startNativeSite();
	await site.sql(hostileTables(site.url));
	source = await registered(site, 'clone-0123456789ab');
});
afterAll(async () => {
	await hosting.stop();
	await site.stop();
});

describe('a clone on MySQL of a site on MySQL', () => {
	let clone: NativeClone;
	let connection: DatabaseConnection;
	let status: ImportStatus;
	let before: Cells;
	let after: Cells;

	beforeAll(async () => {
		connection = await databases.create('slot-native');
		clone = await startNativeClone(tree, connection);
		before = await allCells(site.db, 'wp');
		status = await clone.import(source);
		after = await allCells(shared, connection.name);
	});
	afterAll(async () => {
		await clone.stop();
		await databases.drop('slot-native');
	});

	test('ends, with a proof that names what differs and nothing else', () => {
		expect(status).toMatchObject({ state: 'done', progress: 100, error: null });
		expect(status.proof?.differences).toEqual([]);
		expect(status.proof?.tables).toBe(Object.keys(before).filter((name) => !name.includes('custom_migrator')).length);
		expect(status.facts.warnings.filter((warning) => !warning.includes('PHP'))).toEqual([]);
		expect(status.proof?.left_out.filter((each) => each.table !== undefined)).toEqual([
			{ table: 'wp_h_view', reason: 'view' },
			{ table: 'wp_h_child', reason: 'foreign key wp_h_child_ibfk_1 left out' },
			{ table: 'wp_h_generated', reason: 'generated column sum is a plain one' },
		]);
	});

	test('every cell of the hostile tables is as it was, byte for byte', () => {
		const names = Object.keys(before).filter((name) => name.startsWith('wp_h_') && name !== 'wp_h_rewritten');
		expect(names.length).toBeGreaterThan(8);
		for (const name of names) {
			expect(after[name]?.length, name).toBe(before[name]?.length);
			expect(after[name]?.join('\n') === before[name]?.join('\n'), `${name}: ${after[name]?.[0]?.slice(0, 300)}`).toBe(true);
		}
	});

	test('addresses are rewritten, also in serialized text, in JSON and in large values', () => {
		const at = (url: string): string[] => {
			const [text, json] = [`${url}/a`, JSON.stringify({ u: url }).replaceAll('/', '\\/')];
			return [
				[hex('1'), hex(text), hex(`s:${url.length}:"${url}";`)],
				[hex('2'), hex(json), hex(`é ${url}`)],
				[
					hex('3'),
					createHash('sha256')
						.update(`${'x'.repeat(3_000_000)}${url}`)
						.digest('hex'),
					'NULL',
				],
			].map(([id = '', ...values]) => [Buffer.from(id, 'hex').toString(), ...values].join('|'));
		};
		expect(before.wp_h_rewritten).toEqual(at(site.url));
		expect(after.wp_h_rewritten).toEqual(at(clone.url));
	});

	test('WordPress’s own tables are the source’s with the clone’s address', () => {
		const decoded = (lines: readonly string[] | undefined): string[] =>
			(lines ?? []).map((line) =>
				line
					.split('|')
					.map((cell) => (/^([0-9A-F]{2})+$/.test(cell) ? Buffer.from(cell, 'hex').toString() : cell))
					.join('|'),
			);
		for (const name of ['wp_posts', 'wp_postmeta', 'wp_terms', 'wp_term_relationships', 'wp_term_taxonomy', 'wp_comments']) {
			const wanted = decoded(before[name]).map((line) => line.replaceAll(site.url, clone.url));
			expect(decoded(after[name]).toSorted(byCode)).toEqual(wanted.toSorted(byCode));
		}
		expect(before.wp_posts?.length).toBeGreaterThan(2);
		const mine = (line: string): boolean => line.includes('clone-admin') || line.includes('clone_guard_admin');
		expect(decoded(after.wp_users).filter((line) => !mine(line)).length).toBe(before.wp_users?.length);
	});

	test('nothing of the import is left: no table, no file, no SQLite; the password is in clone.json alone', async () => {
		expect(Object.keys(after).filter((name) => name.includes('custom_migrator'))).toEqual([]);
		expect((await readdir(join(clone.dir, 'import'))).sort()).toEqual(['lock', 'request.json', 'start.lock', 'state.json']);
		expect(existsSync(join(clone.dir, 'wordpress/wp-content/database'))).toBe(false);
		expect(await clone.json('clone.json')).toMatchObject({ engine: 'mysql', table_prefix: 'wp_', database: { name: 'clone_slot_native' } });
		expect((await stat(join(clone.dir, 'clone.json'))).mode & 0o777).toBe(0o600);
		for (const name of ['request.json', 'state.json'])
			expect(JSON.stringify(await clone.json(`import/${name}`))).not.toContain(connection.password);
		expect(clone.log()).not.toContain(connection.password);
	});

	test('the clone works: logs in, shows the site, writes to its database', async () => {
		expect((await fetch(`${clone.url}/`, { redirect: 'manual' })).status).not.toBe(200);
		const cookie = await logIn(clone);
		const home = await (await fetch(`${clone.url}/`, { headers: { cookie } })).text();
		expect(home).toContain('Hello world!');
		expect((await fetch(`${clone.url}/wp-admin/plugins.php`, { headers: { cookie } })).status).toBe(200);
		const nonce = await (await fetch(`${clone.url}/wp-admin/admin-ajax.php?action=rest-nonce`, { headers: { cookie } })).text();
		const made = await fetch(`${clone.url}/?rest_route=/wp/v2/posts`, {
			method: 'POST',
			headers: { cookie, 'x-wp-nonce': nonce, 'content-type': 'application/json' },
			body: JSON.stringify({ title: 'Written on the clone 🦊', status: 'publish' }),
		});
		expect(made.status).toBe(201);
		const stored = await shared.sql("SELECT post_title FROM wp_posts WHERE post_title LIKE 'Written%'", connection.name);
		expect(stored.trim()).toBe('Written on the clone 🦊');
		expect(await site.sql("SELECT COUNT(*) FROM wp_posts WHERE post_title LIKE 'Written%'")).toBe('0\n');
	});

	/** Without its database WordPress shows a page of its own. */
	const answers = async (): Promise<boolean> => (await clone.agent.send('import_status')).body.toString().startsWith('CMIG1');

	test('takes over a new password within seconds, and is shut until then', async () => {
		const renewed = await databases.create('slot-native');
		expect(await answers()).toBe(false);
		await clone.setDatabase(renewed);
		await expect.poll(answers, { timeout: 15_000, interval: 300 }).toBe(true);
		expect(await clone.json('clone.json')).toMatchObject({ database: { password: renewed.password }, engine: 'mysql' });
	});

	test('is gone with its database', async () => {
		await databases.drop('slot-native');
		expect(await answers()).toBe(false);
		expect(await shared.sql("SELECT COUNT(*) FROM mysql.user WHERE User = 'clone_slot_native'")).toBe('0\n');
	});
});

/** A way to the database server that can be shut. */
async function startGate(port: number): Promise<{ readonly port: number; shut(): void; open(): void; close(): Promise<void> }> {
	const open = new Set<Socket>();
	let shut = false;
	const server = createServer((client) => {
		if (shut) {
			client.destroy();
			return;
		}
		const upstream = connect(port, '127.0.0.1');
		for (const [from, to] of [
			[client, upstream],
			[upstream, client],
		] as const) {
			open.add(from);
			from.pipe(to);
			from.on('error', () => to.destroy());
			from.on('close', () => {
				open.delete(from);
				to.destroy();
			});
		}
	});
	await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
	return {
		port: (server.address() as AddressInfo).port,
		shut() {
			shut = true;
			for (const socket of open) socket.destroy();
		},
		open() {
			shut = false;
		},
		close: () => new Promise((resolve) => server.close(() => resolve())),
	};
}

describe('what goes wrong', () => {
	test('kill -9 of the importer, a new password and a server that goes away cost nothing but time', async () => {
		const gate = await startGate(shared.port ?? 0);
		const connection = { ...(await databases.create('slot-faults')), port: gate.port };
		const clone = await startNativeClone(tree, connection, { drive: false });
		try {
			const before = await allCells(site.db, 'wp');
			await clone.import(source);
			const phases = new Set<unknown>();
			for (let kill = 0; kill < 8; kill++) {
				// Any moment of a step will do; a seed is of no use, since the other side's timing decides.
				await clone.step(10, 300 + Math.random() * 2500);
				phases.add((await clone.json('import/state.json')).phase);
			}
			expect(phases.size).toBeGreaterThan(1);

			gate.shut();
			let line = await clone.step(2);
			expect(line).toMatchObject({ state: 'running', wait_ms: 2000 });
			expect(await clone.json('import/state.json')).toMatchObject({ message: "Waiting for the clone's database server" });
			gate.open();

			const renewed = { ...(await databases.create('slot-faults')), port: gate.port };
			expect(await clone.step(2)).toMatchObject({ state: 'running', wait_ms: 2000 });
			const file = join(clone.dir, 'clone.json');
			writeFileSync(file, JSON.stringify({ ...(await clone.json('clone.json')), database: renewed }));

			for (let step = 0; step < 100 && line?.state !== 'done'; step++) line = await clone.step(10);
			const status = await clone.json('import/state.json');
			expect(status).toMatchObject({ state: 'done', proof: { differences: [] } });
			const after = await allCells(shared, renewed.name);
			for (const name of Object.keys(before).filter((each) => each.startsWith('wp_h_') && each !== 'wp_h_rewritten')) {
				expect(after[name]?.join('\n') === before[name]?.join('\n'), name).toBe(true);
			}
			expect(Object.keys(after).filter((name) => name.includes('custom_migrator'))).toEqual([]);
		} finally {
			await clone.stop();
			await gate.close();
			await databases.drop('slot-faults');
		}
	});

	test('an import that fails leaves its database empty and the template running; the next one begins anew', async () => {
		const connection = await databases.create('slot-fails');
		const clone = await startNativeClone(tree, connection);
		try {
			await expect(clone.import(source, { limits: { max_bytes: 1000 } })).rejects.toThrow('site_too_large');
			expect(Object.keys(await allCells(shared, connection.name))).toEqual([]);
			expect(await clone.json('clone.json')).toMatchObject({ engine: 'sqlite' });
			expect(await clone.status()).toMatchObject({ state: 'failed', error: { code: 'site_too_large', permanent: true } });
			const status = await clone.import(source, { job_id: 'clone-ffffffffffff' });
			expect(status.proof?.differences).toEqual([]);
		} finally {
			await clone.stop();
			await databases.drop('slot-fails');
		}
	});
});
