import { bareHost } from '../../core/api/source-url.ts';
import { PermanentError } from '../../core/errors.ts';

/** The site sends us elsewhere: to another site, from https to http, or round in circles. */
export class RedirectRefusedError extends PermanentError {
	constructor(reason: string, options?: { cause?: unknown }) {
		super('redirect_refused', `The site ${reason}. Give the address that a browser shows once the site has loaded.`, options);
	}
}

const withoutWww = (url: URL): string => bareHost(url.hostname).replace(/^www\./, '');
const portOf = (url: URL): string => url.port || (url.protocol === 'https:' ? '443' : '80');

/** Same host, or its twin with or without `www.`; same port, or from http's default to https's. */
export function isSameSite(from: URL, to: URL): boolean {
	if (withoutWww(from) !== withoutWww(to)) return false;
	return portOf(from) === portOf(to) || (portOf(from) === '80' && portOf(to) === '443' && from.protocol === 'http:');
}

/** @throws RedirectRefusedError */
export function parseLocation(from: URL, location: string): URL {
	try {
		return new URL(location, from);
	} catch (cause) {
		throw new RedirectRefusedError('redirects to something that is not a URL', { cause });
	}
}

/**
 * Whether a redirect may be followed.
 * @param start the first URL of the chain: the whole chain stays on its site.
 * @param from the URL that answered.
 * @throws RedirectRefusedError
 */
export function checkRedirect(start: URL, from: URL, to: URL): void {
	if (from.protocol === 'https:' && to.protocol === 'http:') throw new RedirectRefusedError('redirects from https to http');
	if (!isSameSite(start, to)) throw new RedirectRefusedError('redirects to another site');
}
