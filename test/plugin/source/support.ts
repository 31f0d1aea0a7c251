import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { Agent } from '../../support/migrator/agent.ts';
import { bootSite, SOURCE_ADMIN, type SourceSite } from '../../support/sites/boot-site.ts';

export const PLUGIN = fileURLToPath(new URL('../../../wordpress/custom-migrator', import.meta.url));

export interface Source {
	readonly site: SourceSite;
	readonly agent: Agent;
}

/** A WordPress with the plugin active, and an agent whose key an administrator registered. */
export async function bootSource(options: Parameters<typeof bootSite>[0] = {}): Promise<Source> {
	const site = await bootSite({ ...options, plugins: [PLUGIN, ...(options.plugins ?? [])] });
	return { site, agent: await registered(site, 'clone-0123456789ab') };
}

export interface Session {
	readonly cookie: string;
	/** For X-WP-Nonce. */
	readonly nonce: string;
}

/** Logs in as a browser does. */
export async function login(
	url: string,
	username: string = SOURCE_ADMIN.username,
	password: string = SOURCE_ADMIN.password,
): Promise<Session> {
	const response = await fetch(`${url}/wp-login.php`, {
		method: 'POST',
		headers: { cookie: 'wordpress_test_cookie=WP%20Cookie%20check' },
		body: new URLSearchParams({ log: username, pwd: password, testcookie: '1' }),
		redirect: 'manual',
	});
	if (response.status !== 302) throw new Error(`login answered ${response.status}`);
	const cookie = response.headers
		.getSetCookie()
		.map((each) => each.split(';')[0])
		.join('; ');
	const answer = await fetch(`${url}/wp-admin/admin-ajax.php?action=rest-nonce`, { headers: { cookie } });
	return { cookie, nonce: await answer.text() };
}

export const REST_JOBS = '/?rest_route=/custom-migrator/v1/jobs';
export const AJAX_JOBS = '/wp-admin/admin-ajax.php?action=custom_migrator_register';

/** What a worker would send to register a key. */
export function registration(jobId: string, key: Buffer, changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
	return {
		job_id: jobId,
		key: key.toString('base64'),
		role: 'source',
		expires_at: Math.floor(Date.now() / 1000) + 3600,
		uploaded: false,
		protocol: 1,
		...changes,
	};
}

export async function register(
	url: string,
	path: string,
	session: Partial<Session>,
	body: unknown,
): Promise<{ status: number; body: unknown }> {
	const response = await fetch(`${url}${path}`, {
		method: 'POST',
		headers: {
			'content-type': 'application/json',
			...(session.cookie ? { cookie: session.cookie } : {}),
			...(session.nonce ? { 'x-wp-nonce': session.nonce } : {}),
		},
		body: JSON.stringify(body),
		redirect: 'manual',
	});
	const text = await response.text();
	try {
		return { status: response.status, body: JSON.parse(text) };
	} catch {
		return { status: response.status, body: text };
	}
}

/** Registers a fresh key as the administrator. */
export async function registered(
	site: Pick<SourceSite, 'url'>,
	jobId: string,
	changes: Readonly<Record<string, unknown>> = {},
): Promise<Agent> {
	const key = randomBytes(32);
	const answer = await register(site.url, REST_JOBS, await login(site.url), registration(jobId, key, changes));
	if (answer.status !== 200) throw new Error(`registration answered ${answer.status} ${JSON.stringify(answer.body)}`);
	return new Agent(site.url, jobId, key);
}
