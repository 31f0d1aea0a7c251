import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient, type MigratorClient } from '../../adapters/wordpress/migrator-client.ts';
import { createWordPressSite } from '../../adapters/wordpress/wordpress-site.ts';
import type { Site, SourceConnection } from '../../core/ports.ts';
import { bootSite, SOURCE_ADMIN, type SourceSite } from '../support/sites/boot-site.ts';
import { codeOf } from './support/servers.ts';

/** Real WordPress with the real plugin: what the fake cannot vouch for is markup, order and leftovers. */

const pluginFolder = resolve(import.meta.dirname, '../../wordpress/custom-migrator');
const PLUGIN = 'custom-migrator/custom-migrator.php';
const JOB = 'clone-0123456789ab';
const agent_key = randomBytes(32).toString('base64');
const clock = { now: () => Date.now() };

/** Each is on while a file of that name lies beside wp-config.php. */
const SWITCHES = `
	define( 'WP_ENVIRONMENT_TYPE', 'local' );
	if ( file_exists( __DIR__ . '/no-file-mods' ) ) { define( 'DISALLOW_FILE_MODS', true ); }
	if ( file_exists( __DIR__ . '/ftp' ) ) { define( 'FS_METHOD', 'ftpext' ); }
`;
const NO_REST = `<?php
	add_filter( 'rest_authentication_errors', function ( $error ) {
		return is_user_logged_in() && file_exists( ABSPATH . 'rest-for-users' ) ? $error : new WP_Error( 'rest_login_required', 'REST is closed.', array( 'status' => 401 ) );
	} );`;

class Rig {
	readonly source: SourceSite;
	readonly http: GuardedFetch;
	readonly client: MigratorClient;
	readonly site: Site;
	readonly requests: string[] = [];

	constructor(source: SourceSite) {
		this.source = source;
		this.http = createGuardedFetch({ allowPrivate: true });
		const counted: GuardedFetch = {
			fetch: (request) => {
				this.requests.push(`${request.method ?? 'GET'} ${new URL(request.url).pathname}`);
				return this.http.fetch(request);
			},
			close: () => this.http.close(),
		};
		this.client = createMigratorClient({ http: counted, clock, random: { hex: (digits) => randomBytes(digits / 2).toString('hex') } });
		this.site = createWordPressSite({ http: counted, client: this.client, clock, pluginFolder });
	}

	connect(credentials: { username: string; password: string } = SOURCE_ADMIN): Promise<SourceConnection> {
		this.requests.length = 0;
		return this.site.connect({ url: this.source.url, credentials, job_id: JOB, agent_key, expires_at: Date.now() + 3_600_000 });
	}

	disconnect(connection: SourceConnection, credentials: { username: string; password: string } | null = null): Promise<void> {
		this.requests.length = 0;
		return this.site.disconnect({ connection, job_id: JOB, agent_key, credentials });
	}

	cleanUp(): Promise<void> {
		this.requests.length = 0;
		return this.site.cleanUp({ url: this.source.url, credentials: SOURCE_ADMIN, job_id: JOB, agent_key });
	}

	hello(connection: SourceConnection): Promise<unknown> {
		return this.client.call({ agent_url: connection.agent_url, key_id: JOB, agent_key }, 'hello', {});
	}

	/** Everything that an upload, a login or the plugin could leave on the site. */
	async traces(): Promise<unknown> {
		const printed = await this.source.evalPhp(`
			global $wpdb;
			wp_cache_flush();
			$names = $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name NOT LIKE '\\\\_%' AND option_name NOT IN ( 'cron', 'recovery_keys' ) ORDER BY option_name" );
			echo wp_json_encode( array(
				'options'  => $names,
				'active'   => get_option( 'active_plugins' ),
				'tables'   => $wpdb->get_col( 'SHOW TABLES' ),
				'plugins'  => scandir( WP_PLUGIN_DIR ),
				'posts'    => $wpdb->get_col( "SELECT post_title FROM $wpdb->posts WHERE post_type = 'attachment'" ),
				'sessions' => get_user_meta( 1, 'session_tokens', true ),
				'cleanups' => substr_count( serialize( _get_cron_array() ), 'upgrader_scheduled_cleanup' ),
				'uploads'  => file_exists( WP_CONTENT_DIR . '/uploads' ) ? iterator_count( new RecursiveIteratorIterator( new RecursiveDirectoryIterator( WP_CONTENT_DIR . '/uploads', FilesystemIterator::SKIP_DOTS ) ) ) : 0,
				'upgrade'  => file_exists( WP_CONTENT_DIR . '/upgrade' ) ? count( scandir( WP_CONTENT_DIR . '/upgrade' ) ) - 2 : 0,
			) );`);
		return JSON.parse(printed) as unknown;
	}

	plugin(): Promise<string> {
		return this.source.evalPhp(
			`require_once ABSPATH . 'wp-admin/includes/plugin.php'; wp_cache_flush(); echo file_exists( WP_PLUGIN_DIR . '/${PLUGIN}' ) ? ( is_plugin_active( '${PLUGIN}' ) ? 'active' : 'inactive' ) : 'absent';`,
		);
	}

	/** Puts the owner's own copy there. */
	async install(active: boolean): Promise<void> {
		cpSync(pluginFolder, join(this.source.dir, 'wp-content/plugins/custom-migrator'), { recursive: true });
		await this.source.evalPhp(
			`require_once ABSPATH . 'wp-admin/includes/plugin.php'; wp_clean_plugins_cache(); ${active ? `activate_plugin( '${PLUGIN}' );` : ''}`,
		);
		await this.source.php.recycle();
	}

	deactivate(): Promise<string> {
		return this.source.evalPhp(`require_once ABSPATH . 'wp-admin/includes/plugin.php'; deactivate_plugins( '${PLUGIN}' );`);
	}

	/** Back to a site without the plugin. */
	async reset(): Promise<void> {
		for (const name of ['no-file-mods', 'ftp', 'rest-for-users', 'wp-content/mu-plugins/no-rest.php'])
			rmSync(join(this.source.dir, name), { force: true });
		await this.source.evalPhp(`
			require_once ABSPATH . 'wp-admin/includes/plugin.php';
			deactivate_plugins( '${PLUGIN}' );
			update_option( 'recently_activated', array() );
			WP_Session_Tokens::destroy_all_for_all_users();`);
		rmSync(join(this.source.dir, 'wp-content/plugins/custom-migrator'), { recursive: true, force: true });
		await this.source.php.recycle();
	}

	switchOn(name: string, content = ''): void {
		writeFileSync(join(this.source.dir, name), content);
	}

	async stop(): Promise<void> {
		await this.http.close();
		await this.source.stop();
	}
}

const boot = async (options: Parameters<typeof bootSite>[0]): Promise<Rig> => new Rig(await bootSite({ config: SWITCHES, ...options }));

describe.each(['7.4', '8.4'])('WordPress on PHP %s', (php) => {
	let rig: Rig;
	beforeAll(async () => {
		rig = await boot({ php });
		// One visit of wp-admin writes what any first visit writes.
		await rig.connect().then((connection) => rig.disconnect(connection));
		await rig.reset();
	});
	afterEach(() => rig.reset());
	afterAll(() => rig.stop());

	it('is connected and left as it was', async () => {
		const before = await rig.traces();
		const connection = await rig.connect();
		expect(connection).toEqual({ agent_url: `${rig.source.url}/wp-admin/admin-ajax.php`, site_url: rig.source.url, uploaded: true });
		expect(rig.requests).toHaveLength(8);
		expect(await rig.hello(connection)).toMatchObject({ protocol: 1 });
		expect(await rig.plugin()).toBe('active');
		await rig.disconnect(connection);
		expect(rig.requests).toHaveLength(1);
		expect(await rig.plugin()).toBe('absent');
		expect(await codeOf(rig.hello(connection))).toBe('agent_missing');
		expect(await rig.traces()).toEqual(before);
		await rig.disconnect(connection, SOURCE_ADMIN);
	});

	it('replaces an inactive copy, without leaving the upload in the media library', async () => {
		const before = await rig.traces();
		await rig.install(false);
		const connection = await rig.connect();
		expect(connection.uploaded).toBe(true);
		expect(await rig.hello(connection)).toMatchObject({ protocol: 1 });
		await rig.disconnect(connection);
		expect(await rig.traces()).toEqual(before);
	});
});

describe('a site that has its ways', () => {
	let rig: Rig;
	beforeAll(async () => {
		rig = await boot({ php: '8.4' });
	});
	afterEach(() => rig.reset());
	afterAll(() => rig.stop());

	it("uses the owner's active copy and leaves it, without a trace of the job", async () => {
		await rig.install(true);
		const connection = await rig.connect();
		expect(connection.uploaded).toBe(false);
		await rig.disconnect(connection);
		expect(await rig.plugin()).toBe('active');
		const options = await rig.source.evalPhp(
			`global $wpdb; echo $wpdb->get_var( "SELECT COUNT(*) FROM $wpdb->options WHERE option_name LIKE 'custom_migrator%'" );`,
		);
		expect(options).toBe('0');
	});

	it('is connected twice by the same job, and once more after an interruption', async () => {
		const before = await rig.traces();
		const first = await rig.connect();
		expect(await rig.connect()).toEqual(first);
		expect(rig.requests).not.toContain('POST /wp-admin/update.php');
		// What a crash between activation and registration leaves.
		await rig.source.evalPhp(`global $wpdb; $wpdb->query( "DELETE FROM $wpdb->options WHERE option_name LIKE 'custom_migrator%'" );`);
		await rig.source.php.recycle();
		expect(await rig.connect()).toEqual(first);
		await rig.disconnect(first);
		expect(await rig.plugin()).toBe('absent');
		await rig.reset();
		expect(await rig.traces()).toEqual(before);
	});

	it('is cleared through wp-admin when the agent cannot be asked any more', async () => {
		const before = await rig.traces();
		const connection = await rig.connect();
		await rig.deactivate();
		await rig.disconnect(connection, SOURCE_ADMIN);
		expect(await rig.plugin()).toBe('absent');
		await rig.connect();
		await rig.cleanUp();
		expect(await rig.plugin()).toBe('absent');
		await rig.connect();
		await rig.deactivate();
		await rig.cleanUp();
		expect(await rig.plugin()).toBe('absent');
		await rig.cleanUp();
		expect(rig.requests).not.toContain('POST /wp-login.php');
		await rig.reset();
		// Only the plugin, when it removes itself, also takes back the event that WordPress schedules at every upload.
		expect(await rig.traces()).toEqual({ ...(before as object), cleanups: expect.any(Number) });
	});

	it('takes an application password where the plugin is active, and says so where it is not', async () => {
		const password = await rig.source.evalPhp(
			`list( $password ) = WP_Application_Passwords::create_new_application_password( 1, array( 'name' => 'copies' ) ); echo WP_Application_Passwords::chunk_password( $password );`,
		);
		const application = { username: SOURCE_ADMIN.username, password };
		expect(await codeOf(rig.connect(application))).toBe('agent_required');
		await rig.install(true);
		const connection = await rig.connect(application);
		expect(rig.requests).toHaveLength(3);
		expect(connection.uploaded).toBe(false);
		await rig.disconnect(connection, application);
		expect(await rig.plugin()).toBe('active');
		expect(await codeOf(rig.connect({ username: SOURCE_ADMIN.username, password: 'abcd EFGH 1234 ijkl MNOP 6789' }))).toBe('login_refused');
	});

	it('tells a wrong password, an editor, an unconfirmed e-mail address', async () => {
		expect(await codeOf(rig.connect({ username: 'admin', password: 'wrong' }))).toBe('login_refused');
		await rig.source.evalPhp(`wp_insert_user( array( 'user_login' => 'eddie', 'user_pass' => 'pw', 'role' => 'editor' ) );`);
		expect(await codeOf(rig.connect({ username: 'eddie', password: 'pw' }))).toBe('not_administrator');
		await rig.source.evalPhp(`update_option( 'admin_email_lifespan', 1 );`);
		await rig.disconnect(await rig.connect());
	});

	it('tells that files may not be changed, or only by FTP', async () => {
		rig.switchOn('no-file-mods');
		expect(await codeOf(rig.connect())).toBe('file_changes_disabled');
		await rig.reset();
		rig.switchOn('ftp');
		expect(await codeOf(rig.connect())).toBe('filesystem_credentials_required');
		expect(await rig.plugin()).toBe('absent');
	});

	it('works where the REST API is closed to strangers, or to everyone', async () => {
		rig.switchOn('wp-content/mu-plugins/no-rest.php', NO_REST);
		for (const open of [true, false]) {
			if (open) rig.switchOn('rest-for-users');
			else rmSync(join(rig.source.dir, 'rest-for-users'));
			const connection = await rig.connect();
			expect(await rig.hello(connection)).toMatchObject({ protocol: 1 });
			await rig.disconnect(connection);
			expect(await rig.plugin()).toBe('absent');
		}
	});

	it('is not mistaken for something else when its login is moved', async () => {
		await rig.source.php.recycle();
		const login = join(rig.source.dir, 'wp-login.php');
		cpSync(login, `${login}.moved`);
		rmSync(login);
		try {
			expect(await codeOf(rig.connect())).toBe('login_hidden');
		} finally {
			cpSync(`${login}.moved`, login);
			rmSync(`${login}.moved`);
		}
		expect(existsSync(login)).toBe(true);
	});
});

describe('an upload limit below the plugin', () => {
	it.each([
		['upload_max_filesize', { post_max_size: '64M' }],
		['post_max_size', {}],
	])('%s', async (_which, ini) => {
		const rig = await boot({ uploadLimit: '8K', ini });
		try {
			expect(await codeOf(rig.connect())).toBe('upload_limit_too_small');
			expect(await rig.plugin()).toBe('absent');
		} finally {
			await rig.stop();
		}
	});
});
