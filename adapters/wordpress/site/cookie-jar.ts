import type { Cookies } from '../guarded-fetch.ts';

interface Cookie {
	readonly value: string;
	readonly path: string;
	readonly secure: boolean;
}

/** More than WordPress with a dozen plugins sets; a hostile site gets no further. */
const MAX_COOKIES = 60;
const MAX_COOKIE_BYTES = 4096;

/** Printable ASCII without the blank, comma, semicolon and quotes that would end a value (RFC 6265, 4.1.1). */
const PRINTABLE = /^[!#-+\--:<-[\]-~]*$/;

/**
 * The cookies of one login, each kept for the very host (and port) that set it: a Domain attribute widens nothing.
 * Expiry matters only as deletion, since a jar lives for seconds.
 */
export class CookieJar implements Cookies {
	readonly #hosts = new Map<string, Map<string, Cookie>>();

	set(url: URL, name: string, value: string): void {
		this.#of(url).set(`${name};/`, { value, path: '/', secure: url.protocol === 'https:' });
	}

	store(url: URL, setCookies: readonly string[]): void {
		const cookies = this.#of(url);
		for (const line of setCookies) {
			const [pair = '', ...attributes] = line.split(';').map((part) => part.trim());
			const equals = pair.indexOf('=');
			const name = pair.slice(0, equals);
			if (equals < 1 || pair.length > MAX_COOKIE_BYTES || !PRINTABLE.test(pair)) continue;
			const attribute = (key: string): string | undefined =>
				attributes.find((one) => one.toLowerCase().split('=')[0] === key)?.replace(/^[^=]*=?/, '');
			const expires = Date.parse(attribute('expires') ?? '');
			const path = attribute('path');
			const key = `${name};${path?.startsWith('/') ? path : '/'}`;
			if (attribute('max-age') === '0' || expires < Date.now()) cookies.delete(key);
			else if (cookies.has(key) || cookies.size < MAX_COOKIES) {
				cookies.set(key, {
					value: pair.slice(equals + 1),
					path: path?.startsWith('/') ? path : '/',
					secure: attribute('secure') !== undefined,
				});
			}
		}
	}

	header(url: URL): string | undefined {
		const pairs = [...this.#of(url)]
			.filter(([, { path, secure }]) => (!secure || url.protocol === 'https:') && pathMatches(url.pathname, path))
			.map(([key, { value }]) => `${key.split(';')[0]}=${value}`);
		return pairs.length === 0 ? undefined : pairs.join('; ');
	}

	/** Whether a cookie whose name begins so is kept for the URL's host, whatever its path. */
	has(url: URL, prefix: string): boolean {
		return [...this.#of(url).keys()].some((key) => key.startsWith(prefix));
	}

	#of(url: URL): Map<string, Cookie> {
		const known = this.#hosts.get(url.host);
		if (known !== undefined) return known;
		const fresh = new Map<string, Cookie>();
		this.#hosts.set(url.host, fresh);
		return fresh;
	}
}

/** RFC 6265, 5.1.4. */
function pathMatches(path: string, cookiePath: string): boolean {
	return path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`);
}
