/**
 * Requests to clones alone, by Node's own HTTP client: for the API, whose bundle is to stay small. No redirects, no address
 * but those below the clones' own domain.
 */
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { fetchError } from './fetch-errors.ts';
import type { GuardedFetch, GuardedRequest } from './guarded-fetch.ts';
import { GuardedResponse } from './guarded-response.ts';
import { siteError } from './site-errors.ts';

const LIMITS = { maxBytes: 16 * 1024 * 1024, maxHeaderBytes: 32 * 1024 };

/** @param domain clones are at `{slot}.{domain}` */
export function createCloneFetch(domain: string): GuardedFetch {
	return {
		fetch(wanted: GuardedRequest): Promise<GuardedResponse> {
			const url = new URL(wanted.url);
			const request = url.protocol === 'https:' ? secure : url.protocol === 'http:' ? plain : undefined;
			if (request === undefined || !url.hostname.endsWith(`.${domain}`)) return Promise.reject(siteError('source_not_allowed'));
			const end = AbortSignal.timeout(wanted.totalTimeoutMs ?? 60_000);
			const signal = wanted.signal === undefined ? end : AbortSignal.any([end, wanted.signal]);
			const options = { method: wanted.method ?? 'GET', headers: { ...wanted.headers }, maxHeaderSize: LIMITS.maxHeaderBytes, signal };
			return new Promise((resolve, reject) => {
				const sent = request(url, options, (body) => {
					const limits = { ...LIMITS, maxBytes: wanted.maxBytes ?? LIMITS.maxBytes };
					resolve(new GuardedResponse(url, { statusCode: body.statusCode ?? 0, headers: body.headers, body }, limits));
				});
				sent.once('error', (cause) => reject(fetchError(end.aborted ? end.reason : cause, LIMITS.maxHeaderBytes)));
				sent.end(wanted.body);
			});
		},
		close: async () => {},
	};
}
