import type { ProductError } from '../../../core/errors.ts';
import type { Clock, SourceCredentials } from '../../../core/ports.ts';
import { foreignAnswerError, isChallenge } from '../foreign-answer.ts';
import { siteError } from '../site-errors.ts';
import { checkRedirect } from '../site-redirects.ts';
import type { Page, SiteSession } from './site-session.ts';
import { asksForMore, isLoginForm, isWpDie } from './wp-pages.ts';

const LOGGED_IN = 'wordpress_logged_in_';

/** The form may be answered from another address of the same site (https, www, a subdirectory): so often at most. */
const MAX_HOPS = 3;

export type LoginResult =
	/** `wordpress`: where the login was, with a final slash. */
	| { readonly outcome: 'in'; readonly wordpress: URL }
	/** No login form here: hidden, elsewhere, or no WordPress at all. */
	| { readonly outcome: 'no_form' };

/**
 * Posts the login form without asking for it first: WordPress wants no nonce there, only its test cookie back. The
 * session then holds the login's cookies. Where WordPress would go next (the dashboard, or its screen that asks
 * whether the admin e-mail is still right) does not matter, since the cookies are set by then.
 * @throws PermanentError `login_refused`, `login_challenged`, `http_auth_required`; TransientError `source_unavailable`,
 * `rate_limited`, `request_blocked`; what GuardedFetch.fetch throws
 */
export async function logIn(session: SiteSession, wordpress: URL, credentials: SourceCredentials, clock: Clock): Promise<LoginResult> {
	let target = new URL('wp-login.php', wordpress);
	for (let hop = 0; ; hop += 1) {
		session.cookies.set(target, 'wordpress_test_cookie', 'WP%20Cookie%20check');
		const page = await session.request({
			url: target,
			method: 'POST',
			headers: { 'content-type': 'application/x-www-form-urlencoded' },
			body: new URLSearchParams({
				log: credentials.username,
				pwd: credentials.password,
				testcookie: '1',
				redirect_to: new URL('wp-admin/', target).href,
				'wp-submit': 'Log In',
			}).toString(),
		});
		if (session.cookies.has(target, LOGGED_IN)) return { outcome: 'in', wordpress: new URL('.', target) };
		const next = page.location === null ? null : loginFormAt(page.location);
		if (next !== null && next.href !== target.href && hop < MAX_HOPS) {
			// The password goes along, so only within the site and never from https to http.
			checkRedirect(wordpress, page.response.url, next);
			target = next;
			continue;
		}
		const problem = loginProblem(page, clock.now());
		if (problem === null) return { outcome: 'no_form' };
		throw problem;
	}
}

function loginFormAt(location: URL): URL | null {
	if (!location.pathname.endsWith('/wp-login.php') || location.searchParams.has('action')) return null;
	const form = new URL(location);
	form.search = '';
	return form;
}

/** Why nobody is logged in; null when the answer is not that of a login form. */
function loginProblem(page: Page, now: number): ProductError | null {
	const { response, status, text, location } = page;
	if (isChallenge(response, text)) return siteError('login_challenged');
	if (location !== null) {
		// A second factor often has a screen of its own. A redirect elsewhere is what hides the login; one to the very
		// form is what WordPress answers where there is no wp-login.php.
		return location.pathname.endsWith('/wp-login.php') && location.search !== '' ? siteError('login_challenged') : null;
	}
	if (status === 404 || status === 410) return null;
	if (isWpDie(text) && status < 500) return siteError('login_challenged', { detail: 'the login is locked' });
	if (status !== 200) return foreignAnswerError(response, text, now);
	if (asksForMore(text)) return siteError('login_challenged');
	if (isLoginForm(text)) return siteError('login_refused');
	return /<body[^>]*class=["'][^"']*\blogin\b/.test(text) ? siteError('login_challenged') : null;
}
