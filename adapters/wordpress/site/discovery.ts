import { isChallenge } from '../foreign-answer.ts';
import { siteError } from '../site-errors.ts';
import { isSameSite } from '../site-redirects.ts';
import { isJson, jsonObject, type SiteSession } from './site-session.ts';
import { looksLikeWordPress, wordpressRoot } from './wp-pages.ts';

/** What a site tells about itself before anyone has logged in. */
export interface Discovery {
	/** The site's address after redirects, with a final slash. */
	readonly home: URL;
	/** Where wp-login.php and wp-admin lie, with a final slash. */
	readonly wordpress: URL;
	/** `closed`: WordPress answers, but not to strangers. `absent`: something else answers. */
	readonly rest: 'open' | 'closed' | 'absent';
	/** Whether custom-migrator is active; null when the site does not tell. */
	readonly agentActive: boolean | null;
}

const withSlash = (url: URL): URL => {
	const clean = new URL(url);
	clean.search = '';
	clean.hash = '';
	if (!clean.pathname.endsWith('/')) clean.pathname += '/';
	return clean;
};

/**
 * A place that the site names for itself, as far as it can be believed: its own host or www twin and no step back to
 * http; else only the path of it, on the host that answered.
 */
function believed(named: unknown, reached: URL): URL {
	if (typeof named !== 'string' || !URL.canParse(named)) return reached;
	const url = new URL(named);
	if (url.protocol !== 'http:' && url.protocol !== 'https:') return reached;
	const trusted = isSameSite(reached, url) && !(reached.protocol === 'https:' && url.protocol === 'http:');
	return withSlash(trusted ? url : new URL(url.pathname, reached));
}

/**
 * Asks for the index of the REST API: one request that shows redirects of the whole site, where WordPress lies, and
 * whether the agent is there. Any answer but an error of the way there is an answer.
 * @throws PermanentError `http_auth_required`, `login_challenged`, and what GuardedFetch.fetch throws
 */
export async function discover(session: SiteSession, siteUrl: string): Promise<Discovery> {
	const base = withSlash(new URL(siteUrl));
	const index = new URL(base);
	index.search = '?rest_route=/&_fields=name,url,home,namespaces';
	const { response, status, text } = await session.request({ url: index, headers: { accept: 'application/json' }, followRedirects: true });
	if (status === 401 && response.header('www-authenticate') !== undefined) throw siteError('http_auth_required');
	if (isChallenge(response, text)) throw siteError('login_challenged');
	const reached = response.url.searchParams.has('rest_route') ? withSlash(response.url) : withSlash(new URL(base.pathname, response.url));
	const json = isJson(response) || /^\s*\{/.test(text) ? jsonObject(text) : null;
	if (json !== null && Array.isArray(json.namespaces)) {
		const agentActive = json.namespaces.includes('custom-migrator/v1');
		return { home: believed(json.home, reached), wordpress: believed(json.url, reached), rest: 'open', agentActive };
	}
	const closed = json !== null && typeof json.code === 'string' && status >= 400;
	return { home: reached, wordpress: reached, rest: closed ? 'closed' : 'absent', agentActive: null };
}

/** Looks at the home page, for a site whose login and REST API did not answer as WordPress. */
export async function lookAtHome(session: SiteSession, home: URL): Promise<{ isWordPress: boolean; wordpress: URL | null }> {
	const { response, text } = await session.request({ url: home, followRedirects: true });
	const root = wordpressRoot(text, response.url);
	return {
		isWordPress: looksLikeWordPress(text) || (response.header('link') ?? '').includes('https://api.w.org/'),
		wordpress: root === null ? null : believed(root.href, withSlash(home)),
	};
}
