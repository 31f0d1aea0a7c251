import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { processIdentity } from '../../../adapters/embedded/playground/process-identity.ts';
import { SiteState } from '../../../adapters/embedded/playground/server/state.ts';
import { listed, type ReadySlot, slotSpec, until, untilReady } from '../../contracts/clone-host.ts';
import { makePlaygroundHost, type PlaygroundHarness, processesOf } from '../../support/sites/playground-host.ts';

describe('a Playground slot', () => {
	const spec = slotSpec({ slot_id: 'slot-probe' });
	let harness: PlaygroundHarness;
	let ready: ReadySlot;
	let cloneDir: string;
	beforeAll(async () => {
		harness = await makePlaygroundHost();
		cloneDir = harness.cloneDir(spec.slot_id);
		await harness.host.start(spec);
		ready = await untilReady(harness.host, spec.slot_id);
	});
	afterAll(() => harness.close());

	/** Runs PHP in the slot, without WordPress. */
	async function php(code: string, query = ''): Promise<{ status: number; text: string }> {
		writeFileSync(join(cloneDir, 'wordpress', 'probe.php'), `<?php ${code}`);
		const response = await fetch(`${ready.endpoint.url}/probe.php${query}`);
		return { status: response.status, text: await response.text() };
	}

	it('is laid out as the protocol says, with secrets readable by its owner alone', () => {
		const clone: Record<string, unknown> = JSON.parse(readFileSync(join(cloneDir, 'clone.json'), 'utf8'));
		expect(clone).toMatchObject({
			slot_id: spec.slot_id,
			agent_key: spec.agent_key,
			url: ready.endpoint.url,
			table_prefix: 'wp_',
			access: 'login',
			allow_hosts: [],
			php_version: '8.4',
			source_url: null,
		});
		const salts = Object.values(clone.salts as Record<string, string>);
		expect([salts.length, new Set(salts).size, Math.min(...salts.map((salt) => salt.length))]).toEqual([8, 8, 64]);
		expect(statSync(join(cloneDir, 'clone.json')).mode & 0o777).toBe(0o600);
		for (const path of [
			'wordpress/wp-config.php',
			'wordpress/wp-content/db.php',
			'wordpress/wp-content/mu-plugins/0-clone-guard.php',
			'wordpress/wp-content/database/.ht.sqlite',
			'system/custom-migrator/custom-migrator.php',
			'system/sqlite-database-integration/wp-includes/database/load.php',
			'system/core.json',
			'import',
		]) {
			expect([path, existsSync(join(cloneDir, path))]).toEqual([path, true]);
		}
	});

	it('gives its process no secret: not in arguments, not in the environment, not in its configuration', () => {
		const pid = new SiteState(harness.stateDir(spec.slot_id)).process?.pid;
		const seen = [
			readFileSync(`/proc/${pid}/cmdline`),
			readFileSync(`/proc/${pid}/environ`),
			readFileSync(join(harness.stateDir(spec.slot_id), 'config.json')),
		].join('\n');
		expect(seen).toContain('playground-site.ts');
		expect(seen).not.toContain(spec.agent_key);
	});

	it('shows its PHP its own folder and nothing else of the machine', async () => {
		const { text } = await php(`
			chdir( '/' );
			echo json_encode( array( is_dir( '${cloneDir}/wordpress' ), file_exists( '/etc/passwd' ), file_exists( '${harness.stateDir(spec.slot_id)}' ), is_dir( '${import.meta.dirname}' ),
				@symlink( '/etc', '${cloneDir}/wordpress/etc' ), function_exists( 'exec' ) ? @exec( 'id' ) : '' ) );`);
		expect(JSON.parse(text)).toEqual([true, false, false, false, false, expect.not.stringContaining('uid=')]);
		expect(existsSync(join(cloneDir, 'wordpress', 'etc'))).toBe(false);
	});

	it('lets its PHP connect to itself and to nothing else', async () => {
		const reached: string[] = [];
		const other = createServer((request, response) => {
			reached.push(request.url ?? '');
			response.end('reached');
		});
		other.listen(0, '127.0.0.1');
		await once(other, 'listening');
		const { port } = other.address() as AddressInfo;
		const probe = async (url: string): Promise<string> =>
			(
				await php(
					"$c = curl_init( $_GET['url'] ); curl_setopt_array( $c, array( CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 5 ) ); $a = curl_exec( $c ); echo false === $a ? 'refused' : 'reached';",
					`?url=${encodeURIComponent(url)}`,
				)
			).text;
		for (const url of [
			`http://127.0.0.1:${port}/`,
			`http://localhost:${port}/`,
			'http://169.254.169.254/latest/',
			'http://10.0.0.1/',
			'http://example.com/',
			'http://wordpress.org.evil.example/',
			'http://downloads.wordpress.org:8080/',
		]) {
			expect([url, await probe(url)]).toEqual([url, 'refused']);
		}
		expect(
			(
				await php(
					`$s = @stream_socket_client( 'tcp://127.0.0.1:${port}', $no, $message, 3 ); if ( $s ) { fwrite( $s, "GET /raw HTTP/1.0\\r\\n\\r\\n" ); echo fread( $s, 10 ); }`,
				)
			).text,
		).toBe('');
		expect(reached).toEqual([]);
		expect(await probe(`${ready.endpoint.url}/wp-includes/css/dashicons.css`)).toBe('reached');
		expect(readFileSync(join(harness.stateDir(spec.slot_id), 'site.log'), 'utf8')).toContain('refused a connection to 169.254.169.254:80');
		other.close();
	});

	it('reaches a host once the agent has allowed it', async () => {
		const path = join(cloneDir, 'clone.json');
		const before = readFileSync(path, 'utf8');
		const log = join(harness.stateDir(spec.slot_id), 'site.log');
		const connect =
			"$s = @stream_socket_client( 'tcp://allowed.invalid:80', $no, $message, 5 ); $a = $s ? fread( $s, 1 ) : ''; echo 'tried';";
		writeFileSync(path, JSON.stringify({ ...JSON.parse(before), allow_hosts: ['allowed.invalid'] }));
		await php(connect);
		expect(readFileSync(log, 'utf8')).not.toContain('allowed.invalid');
		writeFileSync(path, before);
		await php(connect);
		expect(readFileSync(log, 'utf8')).toContain('refused a connection to allowed.invalid:80');
	});

	it('refuses to run with a clone.json that is not right', async () => {
		const path = join(cloneDir, 'clone.json');
		const before = readFileSync(path, 'utf8');
		const clone = JSON.parse(before);
		for (const bad of [
			{ ...clone, table_prefix: "wp_'; --" },
			{ ...clone, salts: { ...clone.salts, AUTH_KEY: 'short' } },
			{ ...clone, salts: {} },
			[],
			'text',
		]) {
			writeFileSync(path, JSON.stringify(bad));
			const response = await fetch(`${ready.endpoint.url}/wp-login.php`);
			expect(response.status).toBe(503);
			expect(await response.text()).toBe('This clone is not configured yet.');
		}
		writeFileSync(path, before);
		expect((await fetch(`${ready.endpoint.url}/wp-login.php`)).status).toBe(200);
	});

	it('ends at its deadline even while PHP keeps it busy', async () => {
		const busy = slotSpec();
		await harness.host.start(busy);
		const { endpoint } = await untilReady(harness.host, busy.slot_id);
		writeFileSync(join(harness.cloneDir(busy.slot_id), 'wordpress', 'loop.php'), '<?php while ( true ) {}');
		const answer = fetch(`${endpoint.url}/loop.php`).catch(() => 'cut off');
		await harness.host.extend(busy.slot_id, Date.now() + 500);
		expect(await answer).toBe('cut off');
		await until(
			() => harness.leftovers(busy.slot_id),
			(left) => left.length === 0,
		);
	});

	it('ends by itself when its folder is taken away', async () => {
		const orphan = slotSpec();
		await harness.host.start(orphan);
		await untilReady(harness.host, orphan.slot_id);
		const folder = join(harness.slotsDir, orphan.slot_id);
		const { rm } = await import('node:fs/promises');
		// The slot may be writing into it at this moment.
		await rm(folder, { recursive: true, force: true, maxRetries: 10 });
		await until(
			async () => processesOf(`${folder}/`),
			(left) => left.length === 0,
		);
		expect((await harness.host.status(orphan.slot_id)).state).toBe('gone');
		await harness.host.remove(orphan.slot_id);
	});

	it('never ends a process that only has the same id', async () => {
		const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true });
		await once(stranger, 'spawn');
		const pid = stranger.pid ?? 0;
		for (const identity of ['linux:another-boot:1', processIdentity(pid) ?? '']) {
			const slotId = `slot-reused-${identity.length}`;
			const state = new SiteState(harness.stateDir(slotId));
			mkdirSync(state.dir, { recursive: true });
			state.process = { pid, identity };
			expect((await harness.host.status(slotId)).state).toBe('gone');
			await harness.host.remove(slotId);
			expect(await listed(harness.host)).not.toContain(slotId);
		}
		expect(processIdentity(pid)).toBeDefined();
		stranger.kill('SIGKILL');
		await once(stranger, 'exit');
		expect(processIdentity(pid)).toBeUndefined();
	});

	it('starts over when a start was cut off before its process', async () => {
		const cut = slotSpec();
		mkdirSync(harness.cloneDir(cut.slot_id), { recursive: true });
		writeFileSync(join(harness.cloneDir(cut.slot_id), 'half'), 'made');
		expect(await listed(harness.host)).toContain(cut.slot_id);
		await harness.host.start(cut);
		await untilReady(harness.host, cut.slot_id);
		expect(existsSync(join(harness.cloneDir(cut.slot_id), 'half'))).toBe(false);
		await harness.host.remove(cut.slot_id);
	});

	it('says no to what it cannot do', async () => {
		const mysql = { host: 'db', port: 3306, name: 'clone_a', user: 'clone_a', password: 'secret', tls: false };
		await expect(harness.host.start(slotSpec({ database: mysql }))).rejects.toMatchObject({ code: 'database_not_available' });
		await expect(harness.host.start(slotSpec({ slot_id: '../outside' }))).rejects.toMatchObject({ code: 'bad_slot_id' });
		await expect(harness.host.remove('..')).rejects.toMatchObject({ code: 'bad_slot_id' });
	});
});
