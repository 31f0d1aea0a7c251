import { PermanentError, ProductError } from '../../core/errors.ts';
import { siteError } from './site-errors.ts';

const TLS_CODES = new Set([
	'CERT_HAS_EXPIRED',
	'CERT_NOT_YET_VALID',
	'DEPTH_ZERO_SELF_SIGNED_CERT',
	'ERR_TLS_CERT_ALTNAME_INVALID',
	'SELF_SIGNED_CERT_IN_CHAIN',
	'UNABLE_TO_GET_ISSUER_CERT',
	'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
	'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

const TIMEOUT_CODES = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT']);

/** Beside zlib's (Z_), Brotli's (ERR_) and the HTTP parser's (HPE_). */
const BROKEN_ANSWER_CODES = new Set(['UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);

/** The answer is larger than the caller allowed. */
export class AnswerTooLargeError extends PermanentError {
	constructor(what: string, limit: number) {
		super('answer_too_large', `The site answered with ${what} larger than the limit of ${limit} bytes.`);
	}
}

/** The error's own code, or of the first attempt where several addresses were tried. */
function codeOf(cause: unknown): string {
	if (!(cause instanceof Error)) return '';
	if ('code' in cause && typeof cause.code === 'string') return cause.code;
	return cause instanceof AggregateError ? codeOf(cause.errors[0]) : '';
}

/** Classifies what undici, the socket or a decoder threw. Errors of the product pass as they are. */
export function fetchError(cause: unknown, headerLimit: number): ProductError {
	if (cause instanceof ProductError) return cause;
	const code = codeOf(cause);
	const name = cause instanceof Error ? cause.name : '';
	if (TLS_CODES.has(code)) return siteError('tls_invalid', { cause, detail: code });
	if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'HPE_HEADER_OVERFLOW') return new AnswerTooLargeError('headers', headerLimit);
	if (code === 'ENOTFOUND') return siteError('host_not_found', { cause });
	if (TIMEOUT_CODES.has(code) || name === 'TimeoutError') return siteError('source_timeout', { cause });
	if (name === 'AbortError') return siteError('aborted', { cause });
	if (name === 'HTTPParserError' || /^(Z_|HPE_|ERR__ERROR|ERR_BROTLI)/.test(code) || BROKEN_ANSWER_CODES.has(code))
		return siteError('bad_answer', { cause });
	return siteError('source_unavailable', { cause, detail: code || name });
}
