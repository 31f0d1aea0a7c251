import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootSource, type Source } from '../source/support.ts';
import { importRequest, makeSlot, openSlot } from './support/slot.ts';

const SCRIPT = fileURLToPath(new URL('./support/step-process.ts', import.meta.url));
const KILLS = 10;

/** SHA-256 of every file below a folder, by path. */
function hashes(root: string): Record<string, string> {
	return Object.fromEntries(
		readdirSync(root, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.map((entry) => join(entry.parentPath, entry.name))
			.map((path) => [path.slice(root.length + 1), createHash('sha256').update(readFileSync(path)).digest('hex')]),
	);
}

describe('kill -9 of the importing process', () => {
	let source: Source;
	beforeAll(async () => {
		source = await bootSource({
			seed: (site) =>
				site.evalPhp(`global $wpdb; for ( $i = 0; $i < 300; $i++ ) { file_put_contents( WP_CONTENT_DIR . "/uploads/f$i.bin", random_bytes( 30000 ) ); }
					file_put_contents( WP_CONTENT_DIR . '/uploads/big.bin', random_bytes( 12000000 ) );
					$wpdb->query( "CREATE TABLE {$wpdb->prefix}many (id bigint unsigned NOT NULL AUTO_INCREMENT, v longtext, PRIMARY KEY (id), KEY v (v(50)))" );
					$pdo = $wpdb->dbh->get_connection()->get_pdo(); $pdo->beginTransaction();
					$s = $pdo->prepare( "INSERT INTO {$wpdb->prefix}many (v) VALUES (?)" );
					for ( $i = 0; $i < 8000; $i++ ) { $s->execute( array( str_repeat( "row $i ", 100 ) ) ); }
					$pdo->commit();`),
		});
	});
	afterAll(() => source.site.stop());

	test(`at ${KILLS} random moments costs nothing but time`, async () => {
		const first = await makeSlot('8.4');
		await first.verb('import_start', importRequest(source.agent));
		first.host.stop();
		const old = hashes(first.path('wordpress/wp-content'));
		const phases: string[] = [];
		let printed = '';
		for (let i = 0; printed === ''; i++) {
			const child = spawn(process.execPath, [SCRIPT, first.dir, '8.4'], { stdio: ['ignore', 'pipe', 'inherit'] });
			child.stdout.on('data', (chunk: Buffer) => {
				printed += chunk.toString();
			});
			const ended = once(child, 'exit');
			if (i < KILLS) {
				// Any moment of a step will do; a seed is of no use, since the other side's timing decides.
				const timer = setTimeout(() => child.kill('SIGKILL'), 600 + Math.random() * 2500);
				await ended;
				clearTimeout(timer);
				phases.push(String(first.json('import/state.json').phase));
				const switching = existsSync(first.path('import/switch.json'));
				const done = ['switched'].includes(phases.at(-1) ?? '') || switching;
				// What is live is what was live, until the switch.
				if (!done && phases.at(-1) !== 'switch') expect(hashes(first.path('wordpress/wp-content'))).toEqual(old);
			} else {
				await ended;
			}
		}
		expect(JSON.parse(printed)).toMatchObject({ state: 'done' });
		expect(phases.length).toBeGreaterThan(2);

		const slot = await openSlot(first.dir, '8.4');
		const status = await slot.status();
		expect(status.proof?.differences).toEqual([]);
		const database = new DatabaseSync(slot.path('wordpress/wp-content/database/.ht.sqlite'), { readOnly: true });
		expect(database.prepare('PRAGMA integrity_check').get()).toEqual({ integrity_check: 'ok' });
		const sum = 'SELECT COUNT(*) AS rows, COUNT(DISTINCT id) AS ids, SUM(length(v)) AS bytes FROM wp_many';
		const origin = new DatabaseSync(join(source.site.dir, 'wp-content/database/.ht.sqlite'), { readOnly: true });
		expect(database.prepare(sum).get()).toEqual(origin.prepare(sum).get());
		expect(database.prepare("SELECT COUNT(*) AS n FROM sqlite_master WHERE name LIKE '%custom_migrator%'").get()).toEqual({ n: 0 });
		expect(database.prepare("SELECT COUNT(*) AS n FROM sqlite_master WHERE name = 'wp_many__v'").get()).toEqual({ n: 1 });
		expect(database.prepare("SELECT COUNT(*) AS n FROM wp_usermeta WHERE meta_key = 'clone_guard_admin'").get()).toEqual({ n: 1 });
		origin.close();
		database.close();
		const copied = hashes(slot.path('wordpress/wp-content/uploads'));
		expect(copied).toEqual(hashes(join(source.site.dir, 'wp-content/uploads')));
		expect(readdirSync(slot.path('import')).sort()).toEqual(['lock', 'request.json', 'start.lock', 'state.json']);
		await slot.remove();
	}, 580_000);

	test('two steps at once: one works, the other says so', async () => {
		const slot = await makeSlot('8.4');
		const other = await openSlot(slot.dir, '8.4');
		await slot.verb('import_start', importRequest(source.agent));
		const working = slot.host.step(4);
		await new Promise<void>((resolve) => {
			const look = setInterval(() => {
				if (slot.host.asked.length > 0) {
					clearInterval(look);
					resolve();
				}
			}, 5);
		});
		const line = await other.host.step(4);
		expect(line).toMatchObject({ state: 'running' });
		expect(other.host.asked).toEqual([]);
		await working;
		other.host.stop();
		await slot.remove();
	});
});
