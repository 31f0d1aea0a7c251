import { PermanentError, ProductError, TransientError } from '../../core/errors.ts';

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

const BROKEN_ANSWER_CODES = new Set(['HPE_INVALID_CONSTANT', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH']);

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
	if (TLS_CODES.has(code)) {
		return new PermanentError(
			'tls_invalid',
			`The site's certificate is not valid (${code}). Renew it, or give the address that the certificate is for.`,
			{ cause },
		);
	}
	if (code === 'UND_ERR_HEADERS_OVERFLOW' || code === 'HPE_HEADER_OVERFLOW') return new AnswerTooLargeError('headers', headerLimit);
	if (code === 'ENOTFOUND') {
		return new TransientError('host_not_found', 'The name of the site does not resolve. Check the spelling and its DNS records.', {
			cause,
		});
	}
	if (TIMEOUT_CODES.has(code) || name === 'TimeoutError') {
		return new TransientError('source_timeout', 'The site did not answer in time. Try again when it is less busy.', { cause });
	}
	if (name === 'AbortError') return new TransientError('aborted', 'The request was given up before the site answered.', { cause });
	if (code.startsWith('Z_') || code.startsWith('ERR__ERROR') || BROKEN_ANSWER_CODES.has(code) || code.startsWith('HPE_')) {
		return new TransientError('bad_answer', 'The site sent an answer that is cut off or broken.', { cause });
	}
	return new TransientError('source_unavailable', `The site could not be reached, or cut the connection (${code || name}).`, {
		cause,
	});
}
