import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Agent, type Forged, openFrame } from '../../support/migrator/agent.ts';
import { bootSource, registered, type Source } from './support.ts';

/** Who is answered, and how: everything but a right signature gets the same 401. */

let source: Source;
let agent: Agent;

/** Another plugin that prints where it should not. */
const NOISE = `<?php
if ( ! isset( $_SERVER['HTTP_X_MIGRATOR_VERB'] ) ) {
	return;
}
ob_start();
echo '<!-- noise before -->';
ob_start();
trigger_error( 'a notice of somebody else', E_USER_NOTICE );
register_shutdown_function( static function () { echo '<!-- noise after -->'; } );
add_action( 'shutdown', static function () { echo '<!-- more noise -->'; } );
header( 'Set-Cookie: noise=1' );
`;

beforeAll(async () => {
	source = await bootSource({ ini: { display_errors: '1' } });
	agent = source.agent;
	const muPlugins = join(source.site.dir, 'wp-content/mu-plugins');
	mkdirSync(muPlugins, { recursive: true });
	writeFileSync(join(muPlugins, 'noise.php'), NOISE);
	await source.site.php.recycle();
});
afterAll(() => source.site.stop());

const now = (): number => Math.floor(Date.now() / 1000);

describe('the frame', () => {
	test('stands alone in the answer, whatever other plugins print', async () => {
		const raw = await agent.send('hello');
		expect(raw.body.toString()).not.toContain('noise');
		expect(raw.headers.get('content-length')).toBe(String(raw.body.length));
		expect(raw.headers.get('cache-control')).toContain('no-store');
		expect(raw.headers.get('set-cookie')).toBeNull();
		expect(openFrame(raw, agent.key).data).toMatchObject({ protocol: 1, version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
	});

	test('comes from any address of the site', async () => {
		for (const path of ['/?rest_route=/custom-migrator/v1/call', '/', '/wp-login.php', '/wp-admin/admin-ajax.php?x=1'])
			expect((await agent.ask('hello', {}, { path })).ok).toBe(true);
	});

	test('is proved for this very request', async () => {
		const one = await agent.send('hello');
		const two = await agent.send('hello');
		expect(() => openFrame({ ...one, nonce: two.nonce }, agent.key)).toThrow('wrong proof');
		expect(() => openFrame(one, randomBytes(32))).toThrow('wrong proof');
	});

	test('tells an authorized caller what was wrong with the call', async () => {
		const unknown = await agent.ask('no_such_verb');
		expect([unknown.status, unknown.ok, unknown.code]).toEqual([404, false, 'unknown_verb']);
		for (const args of [[], 'x', 7, null]) {
			const bad = await agent.ask('hello', args);
			expect([bad.status, bad.code]).toEqual([400, 'bad_arguments']);
		}
	});

	test('may be compressed, and says so', async () => {
		const answer = await agent.call('rows', { table: 'wp_options', gzip: true });
		expect(answer.head.encoding).toBe('gzip');
		expect(answer.payload.length).toBe(answer.head.raw_bytes);
		expect(Number(answer.head.bytes)).toBeLessThan(answer.payload.length / 2);
	});
});

describe('what is refused', () => {
	const refused: Readonly<Record<string, Forged>> = {
		'an unknown key id': { keyId: 'clone-ffffffffffff' },
		'a key id that is no key id': { keyId: "x' OR '1'='1" },
		'another key': { key: randomBytes(32) },
		'an empty key, as a failed decryption would leave it': { key: Buffer.alloc(0) },
		'a key of null bytes': { key: Buffer.alloc(32) },
		'another verb than the signed one': { verb: 'remove', signedVerb: 'hello' },
		'a verb that is no verb': { verb: 'hello;remove' },
		'another body than the signed one': { body: '{"x":1}' },
		'a body over 1 MiB': { body: ' '.repeat(1_100_000) },
		'no body': { body: '' },
		'no signature': { without: ['x-migrator-signature'] },
		'no key': { without: ['x-migrator-key'] },
		'no time': { without: ['x-migrator-time'] },
		'no nonce': { without: ['x-migrator-nonce'] },
		'an empty signature': { signature: '' },
		'a signature in upper case': { signature: 'A'.repeat(64) },
		'a signature that PHP would take for a number': { signature: `0e${'1'.repeat(62)}` },
		'a signature twice': { headers: { 'x-migrator-signature': `${'a'.repeat(64)}, ${'a'.repeat(64)}` } },
		'a short nonce': { nonce: 'abc' },
		'a nonce in upper case': { nonce: 'A'.repeat(32) },
		'a time that is no number': { time: '1e9' },
		'a negative time': { time: '-5' },
		GET: { method: 'GET' },
		PUT: { method: 'PUT' },
	};
	for (const [what, forged] of Object.entries(refused))
		test(what, async () => {
			const raw = await agent.send('hello', {}, forged);
			expect([raw.status, raw.body.toString()]).toEqual([401, '{"code":"unauthorized"}']);
		});

	test('a nonce that was used before', async () => {
		const nonce = randomBytes(16).toString('hex');
		expect((await agent.ask('hello', {}, { nonce })).ok).toBe(true);
		for (const verb of ['hello', 'preflight']) {
			const again = await agent.send(verb, {}, { nonce });
			expect([again.status, again.body.toString()]).toEqual([401, '{"code":"unauthorized"}']);
		}
	});

	test('all but one of eight that bring the same nonce at once', async () => {
		const nonce = randomBytes(16).toString('hex');
		const time = now();
		const all = await Promise.all(Array.from({ length: 8 }, () => agent.send('hello', {}, { nonce, time })));
		expect(all.map((raw) => raw.status).filter((status) => status === 200)).toEqual([200]);
	});

	test('a nonce is not used up by a request with a wrong signature', async () => {
		const nonce = randomBytes(16).toString('hex');
		expect((await agent.send('hello', {}, { nonce, key: randomBytes(32) })).status).toBe(401);
		expect((await agent.ask('hello', {}, { nonce })).ok).toBe(true);
	});

	test('a wrong clock, which only the key\u2019s owner is told of', async () => {
		for (const time of [now() - 75, now() + 75]) {
			const raw = await agent.send('hello', {}, { time });
			expect(raw.status).toBe(401);
			const body = JSON.parse(raw.body.toString());
			expect(body.code).toBe('clock_skew');
			expect(Math.abs(body.time - now())).toBeLessThan(5);
			const stranger = await agent.send('hello', {}, { time, key: randomBytes(32) });
			expect(stranger.body.toString()).toBe('{"code":"unauthorized"}');
		}
		expect((await agent.ask('hello', {}, { time: now() - 45 })).ok).toBe(true);
		expect((await agent.ask('hello', {}, { time: now() + 45 })).ok).toBe(true);
	});

	test('a job that has expired, from its very second', async () => {
		const short = await registered(source.site, 'clone-aaaaaaaaaaaa');
		expect((await short.ask('hello')).ok).toBe(true);
		await source.site.evalPhp(`
			global $wpdb;
			$state = json_decode( $wpdb->get_var( "SELECT option_value FROM $wpdb->options WHERE option_name = 'custom_migrator_jobs'" ), true );
			$state['jobs']['clone-aaaaaaaaaaaa']['expires_at'] = time();
			$wpdb->update( $wpdb->options, array( 'option_value' => wp_json_encode( $state ) ), array( 'option_name' => 'custom_migrator_jobs' ) );`);
		expect((await short.send('hello')).body.toString()).toBe('{"code":"unauthorized"}');
		expect((await agent.ask('hello')).ok).toBe(true);
	});

	test('everyone, when the stored keys are not what they should be', async () => {
		const kept = await source.site.evalPhp(
			`echo base64_encode( $GLOBALS['wpdb']->get_var( "SELECT option_value FROM wp_options WHERE option_name = 'custom_migrator_jobs'" ) );`,
		);
		const broken = ['', 'false', '{"jobs":1}', ...['', 'AAAA', '!'].map((key) => JSON.stringify(jobWithKey(key)))];
		for (const stored of broken) {
			await store(Buffer.from(stored).toString('base64'));
			for (const key of [Buffer.alloc(0), Buffer.alloc(32), agent.key])
				expect((await agent.send('hello', {}, { key })).body.toString()).toBe('{"code":"unauthorized"}');
		}
		await store(kept);
		expect((await agent.ask('hello')).ok).toBe(true);
	});

	test('everyone, when used nonces cannot be noted; the key\u2019s owner is told why', async () => {
		await source.site.evalPhp("$GLOBALS['wpdb']->dbh->get_sqlite_pdo()->exec( 'DROP TABLE wp_custom_migrator_nonces' );");
		const broken = await agent.ask('hello');
		expect([broken.status, broken.ok, broken.code]).toEqual([503, false, 'nonce_store_failed']);
		expect((await agent.send('hello', {}, { key: randomBytes(32) })).body.toString()).toBe('{"code":"unauthorized"}');
		await registered(source.site, 'clone-bbbbbbbbbbbb');
		expect((await agent.ask('hello')).ok).toBe(true);
	});
});

const jobWithKey = (key: string): unknown => ({ jobs: { [agent.keyId]: { key, role: 'source', expires_at: 9_999_999_999 } } });
const store = (base64: string): Promise<string> =>
	source.site.evalPhp(`
		global $wpdb;
		$wpdb->update( $wpdb->options, array( 'option_value' => base64_decode( '${base64}' ) ), array( 'option_name' => 'custom_migrator_jobs' ) );`);

test('a plugin that somebody switched on by hand answers 401 only', async () => {
	await source.site.evalPhp(`
		global $wpdb;
		$wpdb->query( "DELETE FROM $wpdb->options WHERE option_name LIKE 'custom_migrator%'" );
		$wpdb->dbh->get_sqlite_pdo()->exec( 'DROP TABLE wp_custom_migrator_nonces' );`);
	for (const verb of ['hello', 'preflight', 'remove', 'import_start']) {
		const raw = await agent.send(verb);
		expect([raw.status, raw.body.toString()]).toEqual([401, '{"code":"unauthorized"}']);
	}
	expect((await fetch(`${source.site.url}/`)).status).toBe(200);
});
