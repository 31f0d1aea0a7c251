import { randomBytes } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Agent } from '../../support/migrator/agent.ts';
import { bootSite, type SourceSite } from '../../support/sites/boot-site.ts';
import { AJAX_JOBS, login, PLUGIN, REST_JOBS, register, registration, type Session } from './support.ts';

/** Who may register a key. */

let site: SourceSite;
let admin: Session;

const ROLES = ['subscriber', 'contributor', 'author', 'editor', 'shop'] as const;

beforeAll(async () => {
	site = await bootSite({ plugins: [PLUGIN] });
	// The last one may activate plugins, but not install them.
	await site.evalPhp(`
		add_role( 'shop', 'Shop manager', array( 'read' => true, 'activate_plugins' => true, 'edit_posts' => true, 'manage_options' => true ) );
		foreach ( array( ${ROLES.map((role) => `'${role}'`).join(', ')} ) as $role ) {
			wp_insert_user( array( 'user_login' => $role, 'user_pass' => 'password', 'role' => $role ) );
		}`);
	admin = await login(site.url);
});
afterAll(() => site.stop());

const body = (changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> =>
	registration('clone-111111111111', randomBytes(32), changes);
const jobs = async (): Promise<string> => site.evalPhp("echo get_option( 'custom_migrator_jobs', 'none' );");

for (const [how, path] of [
	['REST', REST_JOBS],
	['admin-ajax', AJAX_JOBS],
] as const)
	describe(`by ${how}`, () => {
		test('an administrator with a nonce may, as often as they like', async () => {
			const key = randomBytes(32);
			for (let i = 0; i < 2; i++) {
				const answer = await register(site.url, path, admin, registration('clone-222222222222', key));
				expect(answer).toEqual({ status: 200, body: { ok: true, protocol: 1, version: expect.any(String) } });
			}
			expect((await new Agent(site.url, 'clone-222222222222', key).ask('hello')).ok).toBe(true);
		});

		test('nobody else may', async () => {
			const before = await jobs();
			const attempts: Partial<Session>[] = [{}, { nonce: admin.nonce }, { cookie: admin.cookie }, { ...admin, nonce: 'aaaaaaaaaa' }];
			for (const role of ROLES) attempts.push(await login(site.url, role, 'password'));
			for (const attempt of attempts) {
				const answer = await register(site.url, path, attempt, body());
				expect(answer.status).toBeGreaterThanOrEqual(400);
				expect(answer.status).toBeLessThan(404);
			}
			expect(await jobs()).toBe(before);
		});

		test('not by GET', async () => {
			const response = await fetch(`${site.url}${path}&job_id=x`, { headers: { cookie: admin.cookie, 'x-wp-nonce': admin.nonce } });
			expect(response.status).toBeGreaterThanOrEqual(400);
		});

		test('only with everything in its form', async () => {
			const before = await jobs();
			const soon = Math.floor(Date.now() / 1000);
			const wrong: Record<string, unknown>[] = [
				{ job_id: '' },
				{ job_id: 'a/b' },
				{ job_id: ['x'] },
				{ key: '' },
				{ key: randomBytes(31).toString('base64') },
				{ key: '!'.repeat(44) },
				{ key: null },
				{ role: 'clone' },
				{ role: 'target' },
				{ expires_at: soon },
				{ expires_at: soon + 8 * 24 * 3600 },
				{ expires_at: String(soon + 60) },
				{ uploaded: 1 },
			];
			for (const changes of wrong)
				expect(await register(site.url, path, admin, body(changes))).toMatchObject({
					status: 400,
					body: { ok: false, code: 'bad_arguments' },
				});
			expect(await register(site.url, path, admin, body({ protocol: 2 }))).toMatchObject({
				status: 409,
				body: { code: 'protocol_mismatch' },
			});
			expect(await jobs()).toBe(before);
		});
	});

test('six registrations at once all last', async () => {
	const keys = Array.from({ length: 6 }, (_, i) => ({ id: `clone-33333333333${i}`, key: randomBytes(32) }));
	const answers = await Promise.all(keys.map(({ id, key }) => register(site.url, REST_JOBS, admin, registration(id, key))));
	expect(answers.map((answer) => answer.status)).toEqual(keys.map(() => 200));
	for (const { id, key } of keys) expect((await new Agent(site.url, id, key).ask('hello')).ok).toBe(true);
});

test('a registration between another one\u2019s reading and writing loses neither', async () => {
	const ids = await site.evalPhp(`
		require_once WP_PLUGIN_DIR . '/custom-migrator/includes/load.php';
		$add = static function ( $id ) { ( new Custom_Migrator_Jobs() )->add( $id, str_repeat( 'k', 32 ), 'source', time() + 600, false ); };
		$add( 'clone-555555555550' );
		$between = 0;
		add_filter( 'query', static function ( $sql ) use ( $add, &$between ) {
			if ( 0 === strpos( $sql, 'UPDATE' ) && false !== strpos( $sql, 'clone-555555555551' ) && $between < 3 ) {
				++$between;
				$add( 'clone-66666666666' . $between );
			}
			return $sql;
		} );
		$add( 'clone-555555555551' );
		echo $between, ' ', implode( ' ', array_keys( json_decode( Custom_Migrator_Jobs::raw_option( 'custom_migrator_jobs' ), true )['jobs'] ) );`);
	expect(ids.split(' ')).toEqual(
		expect.arrayContaining([
			'3',
			'clone-555555555550',
			'clone-555555555551',
			'clone-666666666661',
			'clone-666666666662',
			'clone-666666666663',
		]),
	);
});

test('other plugins never see the key: no hook of the options API carries it', async () => {
	writeFileSync(
		join(site.dir, 'wp-content/mu-plugins/spy.php'),
		"<?php add_action( 'all', static function ( $hook, ...$args ) { if ( preg_match( '/option|transient/', $hook ) ) { file_put_contents( ABSPATH . 'spied.log', $hook . ' ' . json_encode( $args ) . \"\\n\", FILE_APPEND ); } }, 10, 9 );",
	);
	await site.php.recycle();
	// No slash in its base64, which JSON would write in another way.
	const key = Buffer.alloc(32, 'A');
	expect((await register(site.url, REST_JOBS, admin, registration('clone-444444444444', key))).status).toBe(200);
	const spied = readFileSync(join(site.dir, 'spied.log'), 'utf8');
	expect(spied).toContain('active_plugins');
	expect(spied).not.toContain(key.toString('base64').slice(0, 20));
	writeFileSync(join(site.dir, 'wp-content/mu-plugins/spy.php'), '<?php');
	await site.php.recycle();
});

test('where file changes are forbidden nobody may, which the service is to tell apart from a wrong password', async () => {
	appendFileSync(join(site.dir, 'wp-content/mu-plugins/spy.php'), " define( 'DISALLOW_FILE_MODS', true );");
	await site.php.recycle();
	expect((await register(site.url, REST_JOBS, admin, body())).status).toBe(403);
	expect((await register(site.url, AJAX_JOBS, admin, body())).status).toBe(403);
});
