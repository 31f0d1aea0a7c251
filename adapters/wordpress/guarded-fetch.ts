import { Agent } from 'undici';
import {
	type AddressPolicy,
	anywhere,
	checkSourceUrl,
	guardedConnector,
	publicOnly,
	type Resolver,
	systemResolver,
} from './address-guard.ts';
import { fetchError } from './fetch-errors.ts';
import { GuardedResponse } from './guarded-response.ts';
import { checkRedirect, parseLocation, RedirectRefusedError } from './site-redirects.ts';

export interface GuardedFetchOptions {
	/** Allows private and loopback addresses and any port (for one-machine use). Everything else stays as strict. */
	readonly allowPrivate: boolean;
	/** In place of the policy that `allowPrivate` names. */
	readonly policy?: AddressPolicy;
	/** @default 3 */
	readonly maxRedirects?: number;
	/** Name lookup, TCP and TLS. @default 10 000 */
	readonly connectTimeoutMs?: number;
	/** From the request sent to the answer's headers. @default 30 000 */
	readonly headersTimeoutMs?: number;
	/** Longest silence within a body. @default 30 000 */
	readonly bodyTimeoutMs?: number;
	/** The whole exchange, redirects and body included. @default 120 000 */
	readonly totalTimeoutMs?: number;
	/** @default 32 KiB */
	readonly maxHeaderBytes?: number;
	/** Of a body, both as sent and as decompressed. @default 16 MiB */
	readonly maxBytes?: number;
	/** Open connections to one site. @default 8 */
	readonly connections?: number;
	readonly userAgent?: string;
	/** @default the system's resolver */
	readonly resolve?: Resolver;
	/** PEM certificates to trust instead of the usual ones. */
	readonly ca?: string;
}

/** Keeps cookies between requests; asked before and told after every hop of a redirect. */
export interface Cookies {
	header(url: URL): string | undefined;
	store(url: URL, setCookies: readonly string[]): void;
}

export interface GuardedRequest {
	readonly url: string | URL;
	/** @default GET */
	readonly method?: 'GET' | 'HEAD' | 'POST' | 'DELETE';
	/** Lower-case names. `authorization` and `cookie` go to the first URL's own host only. */
	readonly headers?: Readonly<Record<string, string>>;
	readonly body?: string | Uint8Array;
	readonly cookies?: Cookies;
	/** Redirects of GET and HEAD are followed unless this is false; those of other methods are handed back. */
	readonly followRedirects?: boolean;
	readonly maxBytes?: number;
	readonly totalTimeoutMs?: number;
	readonly headersTimeoutMs?: number;
	readonly signal?: AbortSignal;
}

export interface GuardedFetch {
	/**
	 * @throws SourceNotAllowedError (`source_not_allowed`) before any socket is opened; RedirectRefusedError
	 * (`redirect_refused`); PermanentError `tls_invalid`, `answer_too_large`; TransientError `host_not_found`,
	 * `source_timeout`, `source_unavailable`, `bad_answer`, `aborted`.
	 */
	fetch(request: GuardedRequest): Promise<GuardedResponse>;
	/** Ends what is under way and closes every connection. */
	close(): Promise<void>;
}

const PRODUCT_USER_AGENT = 'wp-clone-service/1 (WordPress staging copies)';

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * HTTP for addresses that callers and foreign sites name. Dials public addresses only, follows few redirects and only
 * within the site, bounds time and size of everything, never uses a proxy.
 */
export function createGuardedFetch(options: GuardedFetchOptions): GuardedFetch {
	const maxRedirects = options.maxRedirects ?? 3;
	const maxHeaderBytes = options.maxHeaderBytes ?? 32 * 1024;
	const policy = options.policy ?? (options.allowPrivate ? anywhere : publicOnly);
	const agent = new Agent({
		connect: guardedConnector({
			resolve: options.resolve ?? systemResolver,
			policy,
			timeoutMs: options.connectTimeoutMs ?? 10_000,
			...(options.ca === undefined ? {} : { ca: options.ca }),
		}),
		connections: options.connections ?? 8,
		allowH2: false,
		pipelining: 1,
		headersTimeout: options.headersTimeoutMs ?? 30_000,
		bodyTimeout: options.bodyTimeoutMs ?? 30_000,
		maxHeaderSize: maxHeaderBytes,
	});

	async function once(
		url: URL,
		request: GuardedRequest,
		headers: Readonly<Record<string, string>>,
		signal: AbortSignal,
	): Promise<GuardedResponse> {
		const cookie = request.cookies?.header(url);
		try {
			const answer = await agent.request({
				origin: url.origin,
				path: url.pathname + url.search,
				method: request.method ?? 'GET',
				headers: { ...headers, ...(cookie === undefined ? {} : { cookie }) },
				...(request.body === undefined ? {} : { body: request.body }),
				...(request.headersTimeoutMs === undefined ? {} : { headersTimeout: request.headersTimeoutMs }),
				signal,
			});
			const response = new GuardedResponse(url, answer, {
				maxBytes: request.maxBytes ?? options.maxBytes ?? 16 * 1024 * 1024,
				maxHeaderBytes,
			});
			request.cookies?.store(url, response.setCookies());
			return response;
		} catch (cause) {
			throw fetchError(cause, maxHeaderBytes);
		}
	}

	return {
		async fetch(request) {
			const start = checkSourceUrl(request.url, policy);
			const limit = AbortSignal.timeout(request.totalTimeoutMs ?? options.totalTimeoutMs ?? 120_000);
			const signal = request.signal ? AbortSignal.any([limit, request.signal]) : limit;
			const follow = request.followRedirects !== false && ['GET', 'HEAD'].includes(request.method ?? 'GET');
			const all: Record<string, string> = {
				'user-agent': options.userAgent ?? PRODUCT_USER_AGENT,
				'accept-encoding': 'gzip, br',
				...request.headers,
			};
			const { authorization: _authorization, cookie: _cookie, ...harmless } = all;
			let url = start;
			for (let hop = 0; ; hop += 1) {
				const response = await once(url, request, url.host === start.host ? all : harmless, signal);
				const location = response.header('location');
				if (!follow || location === undefined || !REDIRECTS.has(response.status)) return response;
				await response.discard();
				if (hop === maxRedirects) throw new RedirectRefusedError(`redirects more than ${maxRedirects} times`);
				// The literal check first: an address inside is refused as such, wherever it is.
				const next = checkSourceUrl(parseLocation(url, location), policy);
				checkRedirect(start, url, next);
				url = next;
			}
		},
		async close() {
			await agent.destroy();
		},
	};
}
