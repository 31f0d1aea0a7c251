import { ProductError } from '../../../core/errors.ts';
import type { AgentClient, AgentTarget, Clock } from '../../../core/ports.ts';
import { foreignAnswerError } from '../foreign-answer.ts';
import { siteError } from '../site-errors.ts';
import type { Discovery } from './discovery.ts';
import { jsonObject, type SiteSession } from './site-session.ts';

const PROTOCOL = 1;

/** Who registers: the session's cookies with a REST nonce, or an application password. */
export type Authority = { readonly nonce: string } | { readonly authorization: string };

export interface JobKey {
	readonly job_id: string;
	/** Base64 of 32 bytes. */
	readonly key: string;
	/** Unix seconds. */
	readonly expires_at: number;
	/** Whether the copy of the plugin is one that we brought. */
	readonly uploaded: boolean;
}

export type Registered =
	| 'registered'
	/** WordPress knows no such route: the plugin is not active. */
	| 'no_agent'
	/** WordPress does not know who is asking. */
	| 'not_authenticated';

export const basicAuthorization = (username: string, password: string): string =>
	`Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** WordPress makes them of 24 letters and digits, shown in fours; the spaces do not matter. */
export const looksLikeApplicationPassword = (password: string): boolean => /^[A-Za-z0-9]{24}$/.test(password.replaceAll(' ', ''));

/** A fresh REST nonce for the session. @throws PermanentError `session_lost`; TransientError by the answer */
export async function restNonce(session: SiteSession, wordpress: URL, clock: Clock): Promise<string> {
	const page = await session.request({ url: new URL('wp-admin/admin-ajax.php?action=rest-nonce', wordpress) });
	const nonce = page.text.trim();
	if (/^[0-9a-f]{10}$/.test(nonce)) return nonce;
	if (nonce === '0' || nonce === '-1' || page.location?.pathname.endsWith('/wp-login.php')) throw siteError('session_lost');
	throw foreignAnswerError(page.response, page.text, clock.now());
}

/**
 * Gives the agent a job's key, over the REST API or, where that is closed and we have cookies, over admin-ajax.php.
 * The same registration twice is fine.
 * @throws PermanentError `agent_outdated`, `not_administrator`; TransientError by the answer
 */
export async function register(
	session: SiteSession,
	site: Discovery,
	key: JobKey,
	authority: Authority,
	clock: Clock,
): Promise<Registered> {
	const rest = new URL(site.home);
	rest.search = '?rest_route=/custom-migrator/v1/jobs';
	const ajax = new URL('wp-admin/admin-ajax.php?action=custom_migrator_register', site.wordpress);
	const byCookie = 'nonce' in authority;
	const urls = byCookie ? (site.rest === 'open' ? [rest, ajax] : [ajax]) : [rest];
	let problem: ProductError | undefined;
	for (const url of urls) {
		const page = await session.request({
			url,
			method: 'POST',
			headers: {
				accept: 'application/json',
				'content-type': 'application/json',
				...(byCookie ? { 'x-wp-nonce': authority.nonce } : { authorization: authority.authorization }),
			},
			body: JSON.stringify({ ...key, role: 'source', protocol: PROTOCOL }),
		});
		const json = jsonObject(page.text);
		const code = json?.code;
		if (json?.ok === true) {
			if (json.protocol !== PROTOCOL) throw siteError('agent_outdated');
			return 'registered';
		}
		if (code === 'rest_no_route' || page.text.trim() === '0') return 'no_agent';
		if (code === 'protocol_mismatch') throw siteError('agent_outdated');
		if (typeof code === 'string' && page.status === 401) return 'not_authenticated';
		if (typeof code === 'string' && page.status === 403 && code !== 'rest_cookie_invalid_nonce') {
			throw siteError('not_administrator');
		}
		problem ??= foreignAnswerError(page.response, page.text, clock.now());
	}
	throw problem ?? siteError('agent_missing');
}

/**
 * Finds the address at which the agent answers a signed call.
 * @throws PermanentError `agent_outdated`, and the fault of the first address when none answers
 */
export async function probeAgent(
	client: AgentClient,
	site: Pick<Discovery, 'home' | 'wordpress'>,
	key: { key_id: string; agent_key: string },
): Promise<string> {
	let problem: unknown;
	for (const agent_url of agentUrls(site)) {
		const target: AgentTarget = { ...key, agent_url };
		try {
			const hello = await client.call(target, 'hello', {});
			const protocol = typeof hello === 'object' && hello !== null && 'protocol' in hello ? hello.protocol : undefined;
			if (protocol !== PROTOCOL) throw siteError('agent_outdated');
			return agent_url;
		} catch (error) {
			if (!(error instanceof ProductError) || error.code === 'agent_outdated' || error.code === 'agent_unauthorized') throw error;
			problem ??= error;
		}
	}
	throw problem;
}

/** Where an agent may listen: admin-ajax.php first, as caches leave it alone. */
export function agentUrls(site: Pick<Discovery, 'home' | 'wordpress'>): readonly string[] {
	const rest = new URL(site.home);
	rest.search = '?rest_route=/custom-migrator/v1/call';
	return [new URL('wp-admin/admin-ajax.php', site.wordpress).href, rest.href];
}
