import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLONE_ADMIN, cookiesOf, type RunningClone, startClone } from './clone.ts';

const now = (): number => Math.floor(Date.now() / 1000);

describe.each(['7.4', '8.4'])('a clone on PHP %s, from outside', (php) => {
	let clone: RunningClone;
	let cookie: string;
	beforeAll(async () => {
		clone = await startClone(php);
		cookie = await clone.logIn();
	}, 300_000);
	afterAll(() => clone.close());

	/** What a plugin in the clone got when it tried. */
	const probe = async (what: string, url = ''): Promise<unknown> => {
		const response = await clone.get(`/?probe=${what}&url=${encodeURIComponent(url)}`, { headers: { cookie } });
		const answer: { probe: unknown } = JSON.parse(await response.text());
		return answer.probe;
	};

	test('is what the source was', () => {
		expect(clone.status.proof?.differences).toEqual([]);
	});

	describe('lets nobody in', () => {
		test('also before anything was imported', () => {
			expect(clone.warmStatus).toBe(302);
		});

		test.each(['/', '/?p=1', '/feed/', '/wp-admin/', '/wp-admin/plugins.php', '/wp-login.php?action=register', '/?clone_login='])(
			'%s leads to the login or is refused',
			async (path) => {
				const response = await clone.get(path);
				if (path.includes('clone_login')) expect(response.status).toBe(403);
				else {
					expect(response.status).toBe(302);
					expect(response.headers.get('location')).toContain(`${clone.url}/wp-login.php`);
				}
				expect(await response.text()).not.toContain('Hello world');
			},
		);

		test.each([
			['/wp-json/', {}],
			['/wp-json/wp/v2/posts', {}],
			['/?rest_route=/wp/v2/users', {}],
			['/wp-admin/admin-ajax.php?action=probe', {}],
			['/wp-admin/admin-ajax.php?action=probe&rest_route=/', { headers: { authorization: 'Basic eDp5' } }],
			['/wp-admin/admin-post.php?action=x', {}],
			['/xmlrpc.php', { method: 'POST', body: '<methodCall><methodName>system.listMethods</methodName></methodCall>' }],
			['/wp-comments-post.php', { method: 'POST', body: 'comment=x' }],
			['/?x=1', { method: 'POST', body: 'a=b' }],
			['/wp-json/wp/v2/posts', { headers: { authorization: 'Basic eDp5' } }],
			['/?p=1', { headers: { authorization: 'Basic eDp5' } }],
			['/?rest_route=/wp/v2/posts&p=1', { headers: { authorization: 'Bearer x' } }],
		] as const)('%s answers nothing of the site', async (path, init) => {
			const response = await clone.get(path, init);
			const body = await response.text();
			expect([302, 401]).toContain(response.status);
			expect(body).not.toContain('Hello world');
			expect(body).not.toContain('probe-open');
		});

		test('but a logged-in user', async () => {
			expect(await (await clone.get('/', { headers: { cookie } })).text()).toContain('Hello world');
		});

		test('with a forged cookie', async () => {
			const name = cookie
				.split('; ')
				.find((each) => each.startsWith('wordpress_logged_in_'))
				?.split('=')[0];
			const forged = `${name}=${CLONE_ADMIN.username}%7C${now() + 9999}%7Cx%7C${'a'.repeat(64)}`;
			expect((await clone.get('/', { headers: { cookie: forged } })).status).toBe(302);
		});

		test('unless an application password says who it is', async () => {
			const nonce = await (await clone.get('/wp-admin/admin-ajax.php?action=rest-nonce', { headers: { cookie } })).text();
			const made = await clone.get('/wp-json/wp/v2/users/me/application-passwords', {
				method: 'POST',
				headers: { cookie, 'x-wp-nonce': nonce, 'content-type': 'application/json' },
				body: JSON.stringify({ name: 'test' }),
			});
			expect(made.status).toBe(201);
			const { password }: { password: string } = JSON.parse(await made.text());
			const authorization = `Basic ${Buffer.from(`${CLONE_ADMIN.username}:${password}`).toString('base64')}`;
			expect((await clone.get('/wp-json/wp/v2/posts', { headers: { authorization } })).status).toBe(200);
			expect((await clone.get('/wp-json/wp/v2/posts', { headers: { authorization: 'Basic eDp5' } })).status).toBe(401);
		});
	});

	describe('lets its administrator in', () => {
		test('by name and password', async () => {
			const response = await clone.get('/wp-login.php', {
				method: 'POST',
				headers: { cookie: 'wordpress_test_cookie=WP%20Cookie%20check' },
				body: new URLSearchParams({ log: CLONE_ADMIN.username, pwd: CLONE_ADMIN.password, testcookie: '1' }),
			});
			expect(response.status).toBe(302);
			const page = await clone.get('/wp-admin/profile.php', { headers: { cookie: cookiesOf(response) } });
			expect(page.status).toBe(200);
			// Nobody who was logged in before is logged out by it (WordPress would, if it had to hash the password anew).
			expect((await clone.get('/', { headers: { cookie } })).status).toBe(200);
		});

		test('once by a login link, which a wrong guess or a HEAD does not use up', async () => {
			const link = (await clone.loginLink()).slice(clone.url.length);
			expect((await clone.get(`/?clone_login=${'0'.repeat(64)}`)).status).toBe(403);
			expect((await clone.get(link, { method: 'HEAD' })).status).toBe(403);
			const answers = await Promise.all([clone.get(link), clone.get(link), clone.get(link)]);
			expect(answers.map((each) => each.status).sort()).toEqual([302, 403, 403]);
			expect((await clone.get(link)).status).toBe(403);
			const winner = answers.find((each) => each.status === 302);
			expect(winner?.headers.get('location')).toBe(`${clone.url}/wp-admin/`);
			expect((await clone.get('/wp-admin/profile.php', { headers: { cookie: cookiesOf(winner ?? new Response()) } })).status).toBe(200);
		});

		test('not by a link that another one has replaced', async () => {
			const first = (await clone.loginLink()).slice(clone.url.length);
			const second = (await clone.loginLink()).slice(clone.url.length);
			expect((await clone.get(first)).status).toBe(403);
			expect((await clone.get(second)).status).toBe(302);
		});
	});

	describe('is hidden from search engines', () => {
		test('in robots.txt, which needs no login', async () => {
			const response = await clone.get('/robots.txt');
			expect(response.status).toBe(200);
			expect(await response.text()).toBe('User-agent: *\nDisallow: /\n');
		});

		test.each(['/', '/wp-login.php', '/feed/', '/wp-json/'])('by a header on %s', async (path) => {
			for (const headers of [{}, { cookie }]) {
				expect((await clone.get(path, { headers })).headers.get('x-robots-tag')).toContain('noindex');
			}
		});

		test('in the page itself and by the setting, which stays as it is in the database', async () => {
			expect(await (await clone.get('/', { headers: { cookie } })).text()).toMatch(
				/<meta name='robots' content='noindex, nofollow, noarchive'/,
			);
			expect(await probe('public')).toBe('0');
		});
	});

	describe('lets nothing out', () => {
		test('no mail, also not past the filters or by a plugin that brings its own wp_mail()', async () => {
			expect(await probe('mail')).toBe(true);
			expect(await probe('mail-filtered')).toBe(true);
			expect(await probe('phpmailer')).toBe(0);
			expect(clone.hasFile('wordpress/wp-content/mail-left.txt')).toBe(false);
			const mails = (await clone.outbox()).filter((item) => item.kind === 'mail');
			expect(mails.map((item) => [item.to, item.subject])).toEqual([
				['victim@example.com', 'Your order'],
				['other@example.com', 'Second'],
				['third@example.com', 'Third'],
			]);
			expect(JSON.stringify(await clone.outbox())).not.toContain('secret text');
		});

		test.each([
			'https://api.stripe.com/v1/charges?key=sk_live_x',
			'http://example.com/hook',
			'http://user:pw@example.org/',
			'http://127.0.0.1:1/',
			'http://localhost/',
			'https://wordpress.org.evil.example/',
			'http://evil.example\\@wordpress.org/',
		])('no request to %s', async (url) => {
			expect(await probe('http', url)).toBe('clone_guard_blocked');
		});

		test('and lists them, without what may be secret', async () => {
			const calls = (await clone.outbox()).filter((item) => item.kind === 'http');
			expect(calls.map((item) => item.url)).toContain('https://api.stripe.com/v1/charges');
			expect(JSON.stringify(calls)).not.toMatch(/sk_live|user:pw/);
		});

		test('but to WordPress.org, hosts that were allowed, and itself', async () => {
			for (const url of [
				'https://api.wordpress.org/core/',
				'https://downloads.wordpress.org/plugin/x.zip',
				'https://ps.w.org/x',
				'https://hooks.example.net/x',
			]) {
				expect(await probe('allowed', url), url).toBe(true);
			}
			expect(await probe('http', `${clone.url}/robots.txt`)).toBe(200);
		});

		test('no scheduled job runs; they are listed and stay scheduled', async () => {
			const response = await clone.get('/wp-cron.php?doing_wp_cron');
			expect(response.status).toBe(403);
			expect((await clone.get('/wp-cron.php', { headers: { cookie } })).status).toBe(403);
			expect(await probe('cron')).toEqual([0, true, 0, false]);
			expect(clone.hasFile('wordpress/wp-content/cron-ran.txt')).toBe(false);
			expect((await clone.outbox()).some((item) => item.kind === 'cron' && item.to === 'probe_event')).toBe(true);
		});
	});

	test('pages of the outbox follow each other', async () => {
		const first = await clone.agent.call('outbox');
		const rest = await clone.agent.call('outbox', { cursor: first.data.cursor });
		expect(rest.data.items).toEqual([]);
		await probe('mail');
		const next = await clone.agent.call('outbox', { cursor: first.data.cursor });
		expect(next.data.items).toMatchObject([{ kind: 'mail', to: 'victim@example.com' }]);
	});

	describe('has an end', () => {
		const banner = 'id="clone-guard-banner"';

		test('which every page names', async () => {
			await clone.agent.call('set_expiry', { expires_at: now() + 3600 });
			const until = new Date((now() + 3600) * 1000).toISOString().slice(0, 13).replace('T', ' ');
			for (const [path, headers] of [
				['/', { cookie }],
				['/wp-admin/profile.php', { cookie }],
				['/wp-login.php', {}],
			] as const) {
				const page = await (await clone.get(path, { headers })).text();
				expect(page, path).toContain(banner);
				expect(page, path).toContain(`It is deleted on ${until}`);
			}
			expect(await (await clone.get('/wp-admin/profile.php', { headers: { cookie } })).text()).toContain('notice notice-info');
		});

		test('a name of the source cannot break out of the banner', async () => {
			clone.configure({ source_url: 'http://"><script>alert(1)</script>/' });
			expect(await (await clone.get('/wp-login.php')).text()).not.toContain('<script>alert(1)');
		});

		test('after which it answers nobody but its agent', async () => {
			await clone.agent.call('set_expiry', { expires_at: now() });
			for (const [path, init] of [
				['/', { headers: { cookie } }],
				['/wp-login.php', {}],
				['/wp-admin/admin-ajax.php', { method: 'POST' }],
				['/wp-json/', {}],
				['/robots.txt', {}],
				['/wp-cron.php', {}],
				['/', { headers: { 'x-migrator-verb-x': 'hello' } }],
			] as const) {
				const response = await clone.get(path, init);
				expect(response.status, path).toBe(410);
				expect(await response.text()).not.toContain('Hello world');
			}
			expect((await clone.get('/', { headers: { 'x-migrator-verb': 'hello' } })).status).toBe(401);
			expect((await clone.agent.call('import_status')).data.state).toBe('done');
			await expect(clone.agent.call('set_expiry', { expires_at: Date.now() })).rejects.toThrow('bad_arguments');
			await clone.agent.call('set_expiry', { expires_at: now() + 60 });
			expect((await clone.get('/wp-login.php')).status).toBe(200);
		});

		test('and closes when nobody can tell what it is', async () => {
			clone.configure({ expires_at: now() + 600, access: 'login' });
			expect((await clone.get('/wp-login.php')).status).toBe(200);
		});
	});

	test('shows itself to everyone when it is public, as harmless as before', async () => {
		clone.configure({ access: 'public' });
		const page = await clone.get('/');
		expect(page.status).toBe(200);
		expect(await page.text()).toContain('Hello world');
		expect(page.headers.get('x-robots-tag')).toContain('noindex');
		const open = await clone.get('/?probe=http&url=http://example.com/');
		expect(await open.json()).toEqual({ probe: 'clone_guard_blocked' });
		expect((await clone.get('/wp-cron.php')).status).toBe(403);
	});
});
