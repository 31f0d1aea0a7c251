import type { ProductError } from '../../core/errors.ts';
import type { GuardedResponse } from './guarded-response.ts';
import { siteError } from './site-errors.ts';

/** What a browser sends, for the firewalls that refuse everything else. Tried after a refusal, once a site. */
export const BROWSER_USER_AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';

/** Longest time another side may make us wait, in seconds: what a queue can delay a message. */
const MAX_RETRY_AFTER = 900;

/** Retry-After in seconds (RFC 9110: seconds or a date), undefined when absent or nonsense. */
export function retryAfterSeconds(value: string | undefined, now: number): number | undefined {
	if (value === undefined) return undefined;
	const seconds = /^\d+$/.test(value.trim()) ? Number(value) : Math.ceil((Date.parse(value) - now) / 1000);
	return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds, MAX_RETRY_AFTER) : undefined;
}

export const looksLikeHtml = (response: GuardedResponse, text: string): boolean =>
	/text\/html/i.test(response.header('content-type') ?? '') || /^\s*<(!doctype|html|head|body)/i.test(text);

/** Marks of the pages that a protection service puts before a site and that want a browser with a person. */
const CHALLENGE =
	/cf-chl-|challenge-platform|__cf_chl|cf-browser-verification|Just a moment\.\.\.|_Incapsula_Resource|sucuri_cloudproxy|sgcaptcha|DDoS-Guard/;

export const isChallenge = (response: GuardedResponse, text: string): boolean =>
	response.header('cf-mitigated') === 'challenge' || response.header('sg-captcha') === 'challenge' || CHALLENGE.test(text);

/**
 * Why a site answered something else than what was asked for, as far as the status and the text tell. For answers that
 * are of no use to the caller; an answer that is right never gets here.
 */
export function foreignAnswerError(response: GuardedResponse, text: string, now: number): ProductError {
	const { status } = response;
	const retry = retryAfterSeconds(response.header('retry-after'), now);
	const wait = { ...(retry === undefined ? {} : { retryAfterSeconds: retry }), detail: `status ${status}` };
	if (status === 401 && response.header('www-authenticate') !== undefined) return siteError('http_auth_required');
	if (isChallenge(response, text)) return siteError('login_challenged');
	if (status === 429) return siteError('rate_limited', wait);
	if (status >= 500) return siteError('source_unavailable', wait);
	if (status === 403 || status === 406) return siteError('request_blocked', wait);
	return siteError(looksLikeHtml(response, text) ? 'html_answer' : 'bad_answer', wait);
}
