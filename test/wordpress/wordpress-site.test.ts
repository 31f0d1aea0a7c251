import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createGuardedFetch, type GuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient } from '../../adapters/wordpress/migrator-client.ts';
import { createWordPressSite } from '../../adapters/wordpress/wordpress-site.ts';
import { TransientError } from '../../core/errors.ts';
import type { Site, SourceConnection } from '../../core/ports.ts';
import { AGENT_KEY } from './support/fake-agent.ts';
import { type FakeTraits, type FakeWordPress, loginPage, startFakeWordPress, wpDie } from './support/fake-wordpress.ts';
import { codeOf } from './support/servers.ts';

const folder = mkdtempSync(join(tmpdir(), 'plugin-'));
const clock = { now: () => Date.now() };
let http: GuardedFetch;
let site: Site;
let fake: FakeWordPress;

beforeAll(() => {
	mkdirSync(join(folder, 'includes'));
	writeFileSync(
		join(folder, 'custom-migrator.php'),
		'<?php\n/**\n * Plugin Name: Custom Migrator\n * Requires at least: 5.2\n * Requires PHP: 7.4\n */\n',
	);
	writeFileSync(join(folder, 'includes/load.php'), '<?php\n');
	writeFileSync(join(folder, '.hidden'), 'no');
	http = createGuardedFetch({ allowPrivate: true });
	const random = { hex: (digits: number) => randomBytes(digits / 2).toString('hex') };
	site = createWordPressSite({ http, clock, client: createMigratorClient({ http, clock, random }), pluginFolder: folder });
});
afterAll(async () => {
	await http.close();
	rmSync(folder, { recursive: true });
});
afterEach(async () => {
	await fake.close();
});

const JOB = 'clone-0123456789ab';
const credentials = { username: 'admin', password: 'correct horse' };
const connect = (more: object = {}): Promise<SourceConnection> =>
	site.connect({ url: fake.url, credentials, job_id: JOB, agent_key: AGENT_KEY, expires_at: Date.now() + 3_600_000, ...more });
const disconnect = (connection: SourceConnection, more: object = {}): Promise<void> =>
	site.disconnect({ connection, job_id: JOB, agent_key: AGENT_KEY, credentials, ...more });
const cleanUp = (more: object = {}): Promise<void> =>
	site.cleanUp({ url: fake.url, credentials, job_id: JOB, agent_key: AGENT_KEY, ...more });
async function start(traits: Partial<FakeTraits> = {}): Promise<void> {
	fake = await startFakeWordPress(traits);
}
const sorted = (list: readonly string[]): string[] => [...list].sort((one, other) => (one < other ? -1 : 1));
const sends =
	(status: number, body: string, headers: Record<string, string> = { 'content-type': 'text/html' }) =>
	(response: ServerResponse): void =>
		void response.writeHead(status, headers).end(body);

describe('connect', () => {
	it('logs in, uploads, activates, registers and calls, in eight requests', async () => {
		await start();
		expect(await connect()).toEqual({ agent_url: `${fake.url}/wp-admin/admin-ajax.php`, site_url: fake.url, uploaded: true });
		expect(sorted(fake.paths())).toEqual(
			sorted([
				'GET /',
				'POST /wp-login.php',
				'GET /wp-admin/plugin-install.php',
				'POST /wp-admin/update.php',
				'GET /wp-admin/plugins.php',
				'POST /',
				'POST /wp-admin/admin-ajax.php',
				'GET /wp-login.php',
			]),
		);
		expect(fake.jobs.get(JOB)).toEqual({ key: Buffer.from(AGENT_KEY, 'base64'), uploaded: true });
		expect(sorted(Object.keys(fake.files))).toEqual([
			'custom-migrator/custom-migrator.php',
			'custom-migrator/includes/load.php',
			'custom-migrator/uploaded.txt',
		]);
		expect(fake.sessions.size).toBe(0);
	});

	it('says where it comes from, and sends the password to the login form only', async () => {
		await start();
		await connect();
		for (const seen of fake.seen) {
			expect(seen.headers['user-agent']).toMatch(/^wp-clone-service/);
			expect(seen.headers.referer).toMatch(new RegExp(`^${fake.url}/`));
			const holdsPassword =
				seen.body.includes('correct+horse') || seen.url.includes('correct') || JSON.stringify(seen.headers).includes('correct');
			expect(holdsPassword).toBe(seen.url === '/wp-login.php');
		}
	});

	it('asks for a REST nonce where admin pages carry none', async () => {
		await start({ nonceInPages: false });
		expect((await connect()).uploaded).toBe(true);
		expect(fake.paths().filter((path) => path === 'GET /wp-admin/admin-ajax.php')).toHaveLength(1);
	});

	it('twice is one connection', async () => {
		await start();
		const first = await connect();
		expect(await connect()).toEqual(first);
		expect(fake.jobs.size).toBe(1);
		expect(fake.paths().filter((path) => path === 'POST /wp-admin/update.php')).toHaveLength(1);
	});

	it("uses the owner's active plugin and leaves it there", async () => {
		await start({ plugin: 'active' });
		const connection = await connect();
		expect(connection.uploaded).toBe(false);
		expect(fake.paths()).not.toContain('POST /wp-admin/update.php');
		expect(fake.seen).toHaveLength(6);
		await disconnect(connection);
		expect(fake.traits.plugin).toBe('active');
		expect(fake.jobs.size).toBe(0);
	});

	it('knows an active copy that an interrupted connect left there as ours', async () => {
		await start({ plugin: 'active', marker: true });
		const connection = await connect();
		expect(connection.uploaded).toBe(true);
		await disconnect(connection);
		expect(fake.traits.plugin).toBe('absent');
	});

	it('replaces an inactive copy, and leaves no upload waiting', async () => {
		await start({ plugin: 'inactive' });
		const connection = await connect();
		expect(connection.uploaded).toBe(true);
		expect(fake.traits.plugin).toBe('active');
		expect(fake.waiting).toBe(0);
	});

	it.each(['closed', 'off'] as const)('works with the REST API %s', async (rest) => {
		await start({ rest });
		expect((await connect()).uploaded).toBe(true);
		expect(fake.jobs.has(JOB)).toBe(true);
	});

	it.each(['open', 'off'] as const)('finds WordPress in a subdirectory (REST API %s)', async (rest) => {
		await start({ root: '/wp/', rest });
		expect(await connect()).toEqual({ agent_url: `${fake.url}/wp/wp-admin/admin-ajax.php`, site_url: fake.url, uploaded: true });
	});

	it('follows the login form to where the site sends it, once', async () => {
		await start({
			before: (_request, response, url) => {
				if (url.pathname !== '/wp-login.php') return false;
				response.writeHead(301, { location: '/blog/wp-login.php' }).end();
				return true;
			},
			root: '/blog/',
			rest: 'closed',
		});
		expect((await connect()).agent_url).toBe(`${fake.url}/blog/wp-admin/admin-ajax.php`);
	});

	it.each([
		['the screen that asks for the admin e-mail', '/wp-login.php?action=confirm_admin_email'],
		['a dashboard on another host', 'http://intranet.example/'],
	])('does not mind where the login leads: %s', async (_what, location) => {
		await start({
			before: (_request, response, url) => {
				if (url.pathname === '/wp-login.php' && url.search === '') {
					const { writeHead } = response;
					response.writeHead = ((status: number, headers?: Record<string, string>) =>
						writeHead.call(response, status, headers && { ...headers, location })) as typeof writeHead;
				}
				return false;
			},
		});
		expect((await connect()).uploaded).toBe(true);
	});

	it('looks for https before it sends a password over the network', async () => {
		await start();
		const resolve = () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]);
		const far = createGuardedFetch({ allowPrivate: true, resolve });
		const random = { hex: (digits: number) => randomBytes(digits / 2).toString('hex') };
		const there = createWordPressSite({
			http: far,
			clock,
			client: createMigratorClient({ http: far, clock, random }),
			pluginFolder: folder,
		});
		fake.traits.before = (_request, response, url) => {
			if (url.search === '') return false;
			response.writeHead(301, { location: 'https://shop.example.evil.example/' }).end();
			return true;
		};
		const request = {
			url: `http://shop.example:${fake.port}`,
			credentials,
			job_id: JOB,
			agent_key: AGENT_KEY,
			expires_at: Date.now() + 1000,
		};
		expect(await codeOf(there.connect(request))).toBe('redirect_refused');
		expect(fake.paths()).toEqual(['GET /']);
		await far.close();
	});

	it('does not take the password to another site', async () => {
		const other = await startFakeWordPress();
		await start({
			before: (_request, response, url) => {
				if (url.pathname !== '/wp-login.php') return false;
				response.writeHead(307, { location: `${other.url}/wp-login.php` }).end();
				return true;
			},
		});
		expect(await codeOf(connect())).toBe('redirect_refused');
		expect(other.seen).toHaveLength(0);
		await other.close();
	});

	it('takes the REST route where admin-ajax.php is closed', async () => {
		await start({
			before: (request, response, url) => {
				if (request.headers['x-migrator-verb'] === undefined || !url.pathname.endsWith('admin-ajax.php')) return false;
				response.writeHead(403, { 'content-type': 'text/html' }).end('<html>closed</html>');
				return true;
			},
		});
		expect((await connect()).agent_url).toBe(`${fake.url}/?rest_route=/custom-migrator/v1/call`);
	});

	it('asks once more as a browser where a firewall refuses our user agent', async () => {
		await start({
			before: (request, response) => {
				if (String(request.headers['user-agent']).includes('Mozilla')) return false;
				response.writeHead(403, { 'content-type': 'text/html' }).end('<html>no bots</html>');
				return true;
			},
		});
		expect((await connect()).uploaded).toBe(true);
	});
});

describe('an application password', () => {
	const applicationPassword = 'abcd EFGH 1234 ijkl MNOP 6789';
	const application = { username: 'admin', password: applicationPassword };

	it('registers with the active plugin in three requests', async () => {
		await start({ plugin: 'active', applicationPassword });
		const connection = await connect({ credentials: application });
		expect(connection).toEqual({ agent_url: `${fake.url}/wp-admin/admin-ajax.php`, site_url: fake.url, uploaded: false });
		expect(fake.seen).toHaveLength(3);
		await disconnect(connection, { credentials: application });
		expect(fake.jobs.size).toBe(0);
		expect(fake.traits.plugin).toBe('active');
	});

	it('cannot bring the plugin', async () => {
		await start({ applicationPassword });
		expect(await codeOf(connect({ credentials: application }))).toBe('agent_required');
	});

	it('may turn out to be the password of the account', async () => {
		await start({ password: 'abcdEFGH1234ijklMNOP6789' });
		expect((await connect({ credentials: { username: 'admin', password: 'abcdEFGH1234ijklMNOP6789' } })).uploaded).toBe(true);
	});
});

describe('what a site may have against it', () => {
	const at =
		(pathname: string, answer: (response: ServerResponse) => void, method?: string): NonNullable<FakeTraits['before']> =>
		(request, response, url) => {
			if (!url.pathname.endsWith(pathname) || (method !== undefined && request.method !== method)) return false;
			answer(response);
			return true;
		};
	const everywhere =
		(answer: (response: ServerResponse) => void): NonNullable<FakeTraits['before']> =>
		(_request, response) => {
			answer(response);
			return true;
		};
	/** The upload page is forbidden, and the other admin pages look like this. */
	const forbidden =
		(dashboard: (response: ServerResponse) => void): NonNullable<FakeTraits['before']> =>
		(_request, response, url) => {
			if (!url.pathname.startsWith('/wp-admin/')) return false;
			(url.pathname === form ? sends(403, wpDie('Sorry, you are not allowed to install plugins on this site.')) : dashboard)(response);
			return true;
		};
	const registering =
		(answer: (response: ServerResponse) => void): NonNullable<FakeTraits['before']> =>
		(request, response, url) => {
			if (request.method !== 'POST' || !/jobs|register/.test(url.search)) return false;
			answer(response);
			return true;
		};
	const calling =
		(answer: (response: ServerResponse) => void): NonNullable<FakeTraits['before']> =>
		(request, response) => {
			if (request.headers['x-migrator-verb'] === undefined) return false;
			answer(response);
			return true;
		};
	const login = (answer: (response: ServerResponse) => void) => at('/wp-login.php', answer, 'POST');
	const form = '/wp-admin/plugin-install.php';
	const settings = '<a href="options-general.php">Settings</a>';
	const ftpForm = '<form id="request-filesystem-credentials-form"><input name="hostname"><input name="connection_type"></form>';
	const phpText = 'The package could not be installed. The PHP version on your server is 7.2.34, however the uploaded plugin requires 7.4.';

	it.each<[string, Partial<FakeTraits>, string, boolean?]>([
		['wrong password', { password: 'another' }, 'login_refused'],
		[
			'a captcha on the form',
			{ before: login(sends(200, loginPage('<div class="g-recaptcha" data-sitekey="x"></div>'))) },
			'login_challenged',
		],
		[
			'a second factor',
			{ before: login(sends(200, '<html><body class="login"><input name="authcode"></body></html>')) },
			'login_challenged',
		],
		[
			'a second factor on a page of its own',
			{ before: login(sends(302, '', { location: '/wp-login.php?action=validate_2fa' })) },
			'login_challenged',
		],
		['a lock after too many attempts', { before: login(sends(403, wpDie('You have been locked out.'))) }, 'login_challenged'],
		[
			'Cloudflare',
			{ before: everywhere(sends(403, '<title>Just a moment...</title>', { 'cf-mitigated': 'challenge' })) },
			'login_challenged',
		],
		[
			'Basic Auth in front',
			{ before: everywhere(sends(401, 'no', { 'www-authenticate': 'Basic realm="staging"' })) },
			'http_auth_required',
		],
		['a hidden login (404)', { before: login(sends(404, '<html>Not found</html>')) }, 'login_hidden'],
		['a hidden login (home page)', { before: login(sends(302, '', { location: '/' })) }, 'login_hidden'],
		['a hidden login, REST off', { rest: 'off', before: login(sends(404, '<html>Not found</html>')) }, 'login_hidden'],
		['another system', { before: everywhere(sends(200, '<html><body>Welcome to Joomla</body></html>')) }, 'not_wordpress'],
		['nothing there', { before: everywhere(sends(404, 'nothing')) }, 'not_wordpress'],
		['a customer', { before: at(form, sends(302, '', { location: '/my-account/' })) }, 'not_administrator'],
		['an editor', { before: forbidden(sends(200, '<html><body class="wp-admin">Dashboard</body></html>')) }, 'not_administrator'],
		[
			'DISALLOW_FILE_MODS',
			{ before: forbidden(sends(200, `<html><body class="wp-admin">${settings}</body></html>`)) },
			'file_changes_disabled',
		],
		['no upload form', { before: at(form, sends(200, `<html><body class="wp-admin">${settings}</body></html>`)) }, 'file_changes_disabled'],
		['a network', { before: at(form, sends(302, '', { location: '/wp-admin/network/plugin-install.php' })) }, 'multisite_unsupported'],
		[
			'a site of a network',
			{ before: forbidden(sends(200, `<html><body class="wp-admin multisite">${settings}</body></html>`)) },
			'multisite_unsupported',
		],
		[
			'a database to update',
			{ before: at(form, sends(302, '', { location: '/wp-admin/upgrade.php?_wp_http_referer=x' })) },
			'database_upgrade_needed',
		],
		['a session that does not hold', { before: at(form, sends(302, '', { location: '/wp-login.php?reauth=1' })) }, 'session_lost'],
		['FTP credentials wanted', { uploadAnswer: sends(200, ftpForm) }, 'filesystem_credentials_required'],
		[
			'an upload limit (PHP)',
			{ uploadAnswer: sends(500, wpDie('The uploaded file exceeds the upload_max_filesize directive in php.ini.')) },
			'upload_limit_too_small',
		],
		[
			'an upload limit (post_max_size)',
			{ uploadAnswer: sends(403, wpDie('The link you followed has expired.')) },
			'upload_limit_too_small',
		],
		['an upload limit (web server)', { uploadAnswer: sends(413, '<html>413 Request Entity Too Large</html>') }, 'upload_limit_too_small'],
		['an old PHP', { uploadAnswer: sends(200, `<html><p>${phpText}</p></html>`) }, 'php_too_old'],
		[
			'an old WordPress',
			{ uploadAnswer: sends(200, '<p>Your WordPress version is 4.9.8, however the uploaded plugin requires 5.2.</p>') },
			'wordpress_too_old',
		],
		['a full disk', { uploadAnswer: sends(200, '<p>Could not copy file.</p>') }, 'upload_failed'],
		[
			'a plugin that stops activation',
			{ activateAnswer: sends(302, '', { location: 'plugins.php?error=true&plugin=x' }) },
			'activation_failed',
		],
		['a fatal error at activation', { activateAnswer: sends(500, '<p>There has been a critical error</p>') }, 'activation_failed'],
		[
			'an old PHP, found at activation',
			{ activateAnswer: sends(500, wpDie('Current PHP version (7.2.34) does not meet minimum requirements.')) },
			'php_too_old',
		],
		['maintenance', { before: everywhere(sends(503, 'Briefly unavailable', { 'retry-after': '600' })) }, 'source_unavailable', true],
		['an error page', { before: login(sends(500, '<html>oops</html>')) }, 'source_unavailable', true],
		['too many requests', { before: login(sends(429, 'slow down', { 'retry-after': '9' })) }, 'rate_limited', true],
		['a firewall before the login', { before: login(sends(403, '<html>Forbidden</html>')) }, 'request_blocked', true],
		['HTML where JSON belongs', { plugin: 'active', before: registering(sends(200, '<html>cached</html>')) }, 'html_answer', true],
		['HTML from the agent', { before: calling(sends(200, '<html>cached</html>')) }, 'html_answer', true],
		[
			'another protocol',
			{ plugin: 'active', before: registering(sends(409, '{"ok":false,"code":"protocol_mismatch"}')) },
			'agent_outdated',
		],
		['a redirect to another site', { before: everywhere(sends(301, '', { location: 'http://other.example/' })) }, 'redirect_refused'],
	])('%s', async (_what, traits, code, transient = false) => {
		await start(traits);
		const error = await connect().catch((cause: unknown) => cause);
		expect(error).toMatchObject({ code });
		expect(error instanceof TransientError).toBe(transient);
		expect(String(error)).not.toContain('correct horse');
		expect(JSON.stringify(error)).not.toContain(AGENT_KEY);
		// What failed for good leaves nothing behind.
		if (!transient && traits.plugin === undefined) expect(fake.traits.plugin).toBe('absent');
	});

	it('output at activation is no failure', async () => {
		await start();
		fake.traits.activateAnswer = (response) => {
			fake.traits.plugin = 'active';
			sends(302, '', { location: 'plugins.php?error=true&charsout=12&plugin=x' })(response);
		};
		expect((await connect()).uploaded).toBe(true);
	});

	it('a waiting upload is taken back when the copy there cannot be replaced', async () => {
		await start({ plugin: 'inactive' });
		fake.traits.uploadAnswer = (response) => {
			fake.waiting += 1;
			const cancel = '<a href="update.php?action=upload-plugin-cancel-overwrite&amp;package=5&amp;_wpnonce=no">Cancel</a>';
			sends(200, `<table class="update-from-upload-comparison"></table><p>${phpText}</p>${cancel}`)(response);
		};
		expect(await codeOf(connect())).toBe('php_too_old');
		expect(fake.waiting).toBe(0);
	});
});

describe('disconnect', () => {
	it('takes the plugin away by the key alone, twice', async () => {
		await start();
		const connection = await connect();
		fake.seen.length = 0;
		await disconnect(connection, { credentials: null });
		expect(fake.traits.plugin).toBe('absent');
		expect(fake.seen).toHaveLength(1);
		await disconnect(connection, { credentials: null });
		await disconnect(connection);
		expect(fake.paths()).not.toContain('POST /wp-login.php');
	});

	it('leaves the plugin to another job that still needs it', async () => {
		await start();
		const connection = await connect();
		await site.connect({ url: fake.url, credentials, job_id: 'clone-other', agent_key: AGENT_KEY, expires_at: Date.now() + 3_600_000 });
		await disconnect(connection);
		expect(fake.traits.plugin).toBe('active');
		await site.disconnect({ connection, job_id: 'clone-other', agent_key: AGENT_KEY, credentials });
		expect(fake.traits.plugin).toBe('absent');
	});

	it('deletes it through wp-admin when it was switched off meanwhile', async () => {
		await start();
		const connection = await connect();
		fake.traits.plugin = 'inactive';
		await disconnect(connection);
		expect(fake.traits.plugin).toBe('absent');
	});

	it('registers anew to remove when the agent has forgotten the key', async () => {
		await start();
		const connection = await connect();
		fake.jobs.clear();
		await disconnect(connection);
		expect(fake.traits.plugin).toBe('absent');
	});

	it('is tried again when the site does not answer', async () => {
		await start();
		const connection = await connect();
		fake.traits.before = (_request, response) => {
			response.destroy();
			return true;
		};
		const error = await disconnect(connection).catch((cause: unknown) => cause);
		expect(error).toBeInstanceOf(TransientError);
		expect(fake.traits.plugin).toBe('active');
	});
});

describe('cleanUp', () => {
	it.each<[string, Partial<FakeTraits>, FakeTraits['plugin']]>([
		['uploaded, not activated', { plugin: 'inactive', marker: true }, 'absent'],
		['activated, not registered', { plugin: 'active', marker: true }, 'absent'],
		["the owner's, active", { plugin: 'active' }, 'active'],
		["the owner's, inactive", { plugin: 'inactive' }, 'inactive'],
		['nothing', {}, 'absent'],
	])('%s', async (_what, traits, left) => {
		await start(traits);
		await cleanUp();
		expect(fake.traits.plugin).toBe(left);
		expect(fake.jobs.size).toBe(0);
		await cleanUp();
	});

	it('registered', async () => {
		await start();
		await connect();
		await cleanUp({ credentials: { username: 'admin', password: 'changed since' } });
		expect(fake.traits.plugin).toBe('absent');
	});

	it('does not try a refused password again when nothing can be there', async () => {
		await start({ password: 'another' });
		expect(await codeOf(connect())).toBe('login_refused');
		await cleanUp();
		expect(fake.paths().filter((path) => path === 'POST /wp-login.php')).toHaveLength(1);
	});

	it('ends quietly where nobody can log in', async () => {
		await start({ plugin: 'inactive', marker: true, password: 'another' });
		await cleanUp();
		expect(fake.traits.plugin).toBe('inactive');
	});
});
