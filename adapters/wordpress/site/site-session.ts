import { BROWSER_USER_AGENT } from '../foreign-answer.ts';
import type { GuardedFetch, GuardedRequest } from '../guarded-fetch.ts';
import type { GuardedResponse } from '../guarded-response.ts';
import { parseLocation } from '../site-redirects.ts';
import { CookieJar } from './cookie-jar.ts';
import { isWpDie } from './wp-pages.ts';

/** An answer with its body read. */
export interface Page {
	readonly response: GuardedResponse;
	readonly status: number;
	readonly text: string;
	/** Where it redirects to, wherever that is: check it before going there. Null when it does not. */
	readonly location: URL | null;
}

/** plugins.php of a site with hundreds of plugins is under 2 MiB. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;

/** WordPress unpacks and installs within one request. */
const PAGE_TIMEOUT_MS = 90_000;

/** One conversation with one site: its cookies, the user agent that it takes, and where its WordPress lies. */
export class SiteSession {
	readonly cookies = new CookieJar();
	readonly #http: GuardedFetch;
	#browser = false;

	constructor(http: GuardedFetch) {
		this.#http = http;
	}

	/**
	 * One request. A redirect is not followed unless asked for.
	 * A firewall that refuses our user agent (403 or 406, and not WordPress's own words) is asked once more as a browser.
	 * @throws what GuardedFetch.fetch throws
	 */
	async request(request: GuardedRequest): Promise<Page> {
		const pretending = this.#browser;
		const page = await this.#send(request, pretending);
		const refused = (page.status === 403 || page.status === 406) && !isWpDie(page.text) && !isJson(page.response);
		if (!refused || pretending) return page;
		const again = await this.#send(request, true);
		// The same answer: it was not the user agent, so there is no need to pretend any further.
		if (again.status !== page.status) this.#browser = true;
		return again;
	}

	async #send(request: GuardedRequest, asBrowser: boolean): Promise<Page> {
		const url = new URL(request.url);
		const response = await this.#http.fetch({
			followRedirects: false,
			maxBytes: MAX_PAGE_BYTES,
			totalTimeoutMs: PAGE_TIMEOUT_MS,
			cookies: this.cookies,
			...request,
			headers: {
				// WordPress answers errors as JSON, and leaves out its admin bar, to whoever accepts application/json.
				accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
				referer: request.method === 'POST' ? url.href : `${url.origin}/`,
				...(request.method === 'POST' ? { origin: url.origin } : {}),
				...(asBrowser ? { 'user-agent': BROWSER_USER_AGENT } : {}),
				...request.headers,
			},
		});
		const location = response.header('location');
		const text = await response.text();
		const moved = location !== undefined && response.status >= 300 && response.status <= 399;
		return { response, status: response.status, text, location: moved ? parseLocation(response.url, location) : null };
	}
}

export const isJson = (response: GuardedResponse): boolean => /^application\/(\w+\+)?json\b/i.test(response.header('content-type') ?? '');

/** The body as a JSON object, or null when it is anything else. PHP notices printed before it are passed over. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | null {
	const start = text.indexOf('{');
	if (start < 0) return null;
	try {
		const value: unknown = JSON.parse(text.slice(start));
		return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null;
	} catch {
		return null;
	}
}
