import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { unzipSync } from 'fflate';
import { frame, isSigned, nonceOf } from './fake-agent.ts';
import { startServer, type TestServer } from './servers.ts';

/**
 * As much of WordPress as an uploader meets, with a switch for each thing that can be different on a site. Real
 * WordPress has tests of its own (real-wordpress.test.ts); this one fails in ways that a real one cannot be brought to.
 */
export interface FakeTraits {
	username: string;
	password: string;
	/** Path of WordPress, with a final slash; the home page stays at `/`. */
	root: string;
	/** Answers instead of WordPress; return true when it did. */
	before?: (request: IncomingMessage, response: ServerResponse, url: URL, body: Buffer) => boolean;
	plugin: 'absent' | 'inactive' | 'active';
	/** Whether the copy that is there is one that we uploaded. */
	marker: boolean;
	rest: 'open' | 'closed' | 'off';
	/** What POST update.php answers instead of installing. */
	uploadAnswer?: (response: ServerResponse) => void;
	activateAnswer?: (response: ServerResponse) => void;
	/** Admin pages carry a REST nonce, as those of newer WordPress do. */
	nonceInPages: boolean;
	applicationPassword?: string;
}

export interface FakeWordPress extends TestServer {
	readonly traits: FakeTraits;
	readonly jobs: Map<string, { key: Buffer; uploaded: boolean }>;
	/** Live sessions. */
	readonly sessions: Set<string>;
	/** What was unpacked from the last upload: path → bytes. */
	files: Record<string, Uint8Array>;
	/** Uploads that wait in the media library. */
	waiting: number;
	/** `GET /path` lines, without queries. */
	paths(): string[];
}

const NONCE = 'abcdef0123';
const html = (body: string, attributes = ''): string => `<!DOCTYPE html><html><head></head><body ${attributes}>${body}</body></html>`;
export const wpDie = (text: string): string => html(`<div class="wp-die-message">${text}</div>`, 'id="error-page"');
export const loginPage = (more = ''): string =>
	html(
		`<div id="login_error">wrong</div><form name="loginform" id="loginform" action="/wp-login.php" method="post"><input name="log"><input name="pwd">${more}</form>`,
		'class="login no-js login-action-login wp-core-ui"',
	);

export async function startFakeWordPress(changes: Partial<FakeTraits> = {}): Promise<FakeWordPress> {
	const traits: FakeTraits = {
		username: 'admin',
		password: 'correct horse',
		root: '/',
		plugin: 'absent',
		marker: false,
		rest: 'open',
		nonceInPages: true,
		...changes,
	};
	const jobs: FakeWordPress['jobs'] = new Map();
	const sessions = new Set<string>();

	const server = await startServer((request, response, body) => {
		const url = new URL(request.url ?? '/', server.url);
		if (traits.before?.(request, response, url, body)) return;
		const path = url.pathname.startsWith(traits.root) ? url.pathname.slice(traits.root.length - 1) : `/outside${url.pathname}`;
		const json = (status: number, value: object): void => {
			response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(value));
		};
		const page = (text: string, status = 200): void => {
			response.writeHead(status, { 'content-type': 'text/html; charset=UTF-8' }).end(text);
		};
		const redirect = (to: string): void => void response.writeHead(302, { location: to }).end();
		const cookie = /wordpress_logged_in_x=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? '';
		const loggedIn = sessions.has(cookie);
		const basic = `Basic ${Buffer.from(`${traits.username}:${traits.applicationPassword ?? ''}`).toString('base64')}`;
		const byApplication = traits.applicationPassword !== undefined && request.headers.authorization === basic;
		const route = url.searchParams.get('rest_route');

		if (request.headers['x-migrator-verb'] !== undefined && traits.plugin === 'active') {
			const job = jobs.get(String(request.headers['x-migrator-key']));
			if (job === undefined || !isSigned(request, body, job.key)) return json(401, { code: 'unauthorized' });
			if (request.headers['x-migrator-verb'] === 'remove') {
				jobs.delete(String(request.headers['x-migrator-key']));
				const goes = jobs.size === 0 && (job.uploaded || traits.marker);
				if (goes) Object.assign(traits, { plugin: 'absent', marker: false });
				response.end(frame(nonceOf(request), { removed: goes ? 'plugin' : 'key' }, { key: job.key }));
				return;
			}
			response.end(frame(nonceOf(request), { protocol: 1, version: '0', time: 0 }, { key: job.key }));
			return;
		}
		const register = (): void => {
			const job = JSON.parse(body.toString()) as { job_id: string; key: string; uploaded: boolean };
			jobs.set(job.job_id, { key: Buffer.from(job.key, 'base64'), uploaded: job.uploaded });
			json(200, { ok: true, protocol: 1, version: '0' });
		};
		if (route !== null && traits.rest !== 'off') {
			if (traits.rest === 'closed') return json(401, { code: 'rest_login_required', message: 'no' });
			const namespaces = ['wp/v2', ...(traits.plugin === 'active' ? ['custom-migrator/v1'] : [])];
			if (route === '/') return json(200, { name: 'Fake', url: server.url + traits.root.replace(/\/$/, ''), home: server.url, namespaces });
			if (route === '/wp/v2/users/me') return byApplication ? json(200, { id: 1 }) : json(401, { code: 'rest_not_logged_in' });
			if (route === '/custom-migrator/v1/jobs' && traits.plugin === 'active') {
				if (!byApplication && !(loggedIn && request.headers['x-wp-nonce'] === NONCE)) return json(401, { code: 'rest_forbidden' });
				return register();
			}
			return json(404, { code: 'rest_no_route', message: 'No route' });
		}
		if (path === `/wp-content/plugins/custom-migrator/uploaded.txt` && traits.marker) {
			response.end('This copy was uploaded for one copy or restore of the site and goes away with it.\n');
			return;
		}
		if (path === '/wp-login.php') {
			if (url.searchParams.get('action') === 'logout') {
				sessions.delete(cookie);
				return redirect(`${server.url}/`);
			}
			const form = new URLSearchParams(body.toString());
			const right = form.get('log') === traits.username && form.get('pwd') === traits.password;
			if (!right || !request.headers.cookie?.includes('wordpress_test_cookie=')) return page(loginPage());
			const session = randomBytes(8).toString('hex');
			sessions.add(session);
			response.setHeader('set-cookie', [
				`wordpress_x=${session}; path=${traits.root}wp-admin; HttpOnly`,
				`wordpress_logged_in_x=${session}; path=/; HttpOnly`,
			]);
			return redirect(form.get('redirect_to') ?? '/');
		}
		if (path === '/wp-admin/admin-ajax.php') {
			const action = url.searchParams.get('action');
			if (!loggedIn) return page('0', 400);
			if (action === 'rest-nonce') return page(NONCE);
			if (action === 'custom_migrator_register' && traits.plugin === 'active') {
				return request.headers['x-wp-nonce'] === NONCE ? register() : json(403, { ok: false, code: 'forbidden' });
			}
			return page('0', 400);
		}
		if (path.startsWith('/wp-admin/')) {
			if (!loggedIn) return redirect(`${server.url}${traits.root}wp-login.php?redirect_to=x&reauth=1`);
			return admin(path, url, request, response, body);
		}
		if (path === '/' || url.pathname === '/')
			return page(html(`<link rel="stylesheet" href="${server.url}${traits.root}wp-content/themes/x/style.css">`));
		page(html('Not found'), 404);
	});

	function admin(path: string, url: URL, request: IncomingMessage, response: ServerResponse, body: Buffer) {
		const file = 'custom-migrator%2Fcustom-migrator.php';
		const redirect = (to: string): void => {
			response.writeHead(302, { location: to }).end();
		};
		const expired = (): void => {
			response.writeHead(403, { 'content-type': 'text/html' }).end(wpDie('expired'));
		};
		const link = (to: string): string => `<a href="${to.replaceAll('&', '&amp;')}">x</a>`;
		// Whoever accepts JSON gets no admin bar.
		const bar = request.headers.accept?.includes('application/json')
			? ''
			: link(`${server.url}${traits.root}wp-login.php?action=logout&_wpnonce=1`);
		const menu = `<a href='options-general.php'>Settings</a>${bar}`;
		const send = (text: string, status = 200): void => {
			response.writeHead(status, { 'content-type': 'text/html; charset=UTF-8' }).end(html(menu + text, 'class="wp-admin wp-core-ui"'));
		};
		const action = url.searchParams.get('action');
		if (path === '/wp-admin/plugin-install.php') {
			const script = traits.nonceInPages
				? `<script>wp.apiFetch.nonceMiddleware = wp.apiFetch.createNonceMiddleware( "${NONCE}" );</script>`
				: '';
			return send(
				`${script}<form action="/search"><input name="_wpnonce" value="wrong"></form><form method="post" enctype="multipart/form-data" class="wp-upload-form" action="${server.url}${traits.root}wp-admin/update.php?action=upload-plugin"><input type="hidden" id="_wpnonce" name="_wpnonce" value="up10ad" /><input type="file" name="pluginzip"></form>`,
			);
		}
		if (path === '/wp-admin/update.php' && action === 'upload-plugin') {
			const activate = link(`plugins.php?action=activate&plugin=${file}&_wpnonce=act`);
			if (url.searchParams.get('overwrite') === 'update-plugin') {
				fake.waiting -= 1;
				traits.marker = true;
				return send(traits.plugin === 'active' ? 'Updated.' : activate);
			}
			if (!body.includes('name="_wpnonce"\r\n\r\nup10ad')) return expired();
			if (traits.uploadAnswer) return traits.uploadAnswer(response);
			const start = body.indexOf('PK\u0003\u0004');
			fake.files = unzipSync(body.subarray(start, body.lastIndexOf('\r\n--')));
			if (traits.plugin !== 'absent') {
				fake.waiting += 1;
				const to = 'update.php?action=upload-plugin';
				return send(
					`<table class="update-from-upload-comparison"></table>${link(`${to}&package=5&overwrite=update-plugin&_wpnonce=up10ad`)}${link('update.php?action=upload-plugin-cancel-overwrite&package=5&_wpnonce=no')}`,
				);
			}
			Object.assign(traits, { plugin: 'inactive', marker: true });
			return send(`<p>Plugin installed successfully.</p>${activate}`);
		}
		if (path === '/wp-admin/update.php' && action === 'upload-plugin-cancel-overwrite') {
			fake.waiting -= 1;
			return redirect('plugin-install.php');
		}
		if (path === '/wp-admin/plugins.php') {
			if (action === 'activate') {
				if (traits.activateAnswer) return traits.activateAnswer(response);
				traits.plugin = 'active';
				return redirect('plugins.php?activate=true&plugin_status=all');
			}
			if (action === 'deactivate') {
				traits.plugin = 'inactive';
				jobs.clear();
				return redirect('plugins.php?deactivate=true');
			}
			if (request.method === 'POST') {
				const form = new URLSearchParams(body.toString());
				if (form.get('_wpnonce') !== 'bu1k' || form.get('verify-delete') !== '1') return expired();
				if (traits.plugin === 'inactive' && form.get('checked[]') === 'custom-migrator/custom-migrator.php') {
					Object.assign(traits, { plugin: 'absent', marker: false });
				}
				return redirect('plugins.php?deleted=1&plugin_status=all');
			}
			const toggle = traits.plugin === 'active' ? 'deactivate' : 'activate';
			const row = `<tr data-plugin="custom-migrator/custom-migrator.php">${link(`plugins.php?action=${toggle}&plugin=${file}&_wpnonce=t`)}</tr>`;
			return send(
				`<form method="post" id="bulk-action-form"><input type="hidden" name="_wpnonce" value="bu1k" />${traits.plugin === 'absent' ? '' : row}</form>`,
			);
		}
		send('Dashboard');
	}

	const fake: FakeWordPress = {
		...server,
		traits,
		jobs,
		sessions,
		files: {},
		waiting: 0,
		paths: () => server.seen.map((seen) => `${seen.method} ${seen.url.split('?')[0] ?? ''}`),
	};
	return fake;
}
