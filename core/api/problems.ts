/**
 * Every problem that the API itself answers with, as RFC 9457 problem details. The source of docs/errors.md and of the
 * error responses in openapi.json. Codes are stable; titles and details may be reworded.
 */
import { RETENTION_DAYS } from '../retention.ts';

export interface ProblemKind {
	readonly status: number;
	readonly title: string;
	/** What the caller can do about it; the default `detail`. */
	readonly advice: string;
}

const kinds = {
	malformed_json: {
		status: 400,
		title: 'Malformed JSON',
		advice: 'The body is not valid JSON in UTF-8. Send one JSON object.',
	},
	malformed_request: { status: 400, title: 'Malformed request', advice: 'The request is not valid HTTP, or its target is not a path.' },
	unauthorized: {
		status: 401,
		title: 'Not authorised',
		advice: 'Send a valid token in the header `Authorization: Bearer TOKEN`.',
	},
	not_found: { status: 404, title: 'No such route', advice: 'Look the path up in /openapi.json.' },
	job_not_found: {
		status: 404,
		title: 'No such job',
		advice: `Check the job id. Jobs of other callers are not shown; a finished job is removed after ${RETENTION_DAYS} days.`,
	},
	clone_not_found: {
		status: 404,
		title: 'No such clone',
		advice: 'Check the clone id. It may have been deleted at the end of its time; clones of other callers are not shown.',
	},
	method_not_allowed: { status: 405, title: 'Method not allowed', advice: 'Use one of the methods in the Allow header.' },
	request_timeout: { status: 408, title: 'Request timed out', advice: 'The request did not arrive in time. Send it again.' },
	idempotency_conflict: {
		status: 409,
		title: 'Idempotency key already used',
		advice: 'This Idempotency-Key came with another request before. Use a new key for a new request.',
	},
	clone_id_taken: {
		status: 409,
		title: 'Clone id is taken',
		advice: 'A live clone already has this customer_id. Choose another one, or delete that clone first.',
	},
	clone_not_live: {
		status: 409,
		title: 'Clone is not live',
		advice: 'Only a live clone has a time that can be changed. Wait until its job has completed.',
	},
	job_finished: { status: 409, title: 'Job has ended', advice: 'A job that has completed or failed cannot be cancelled.' },
	job_not_cancellable: {
		status: 409,
		title: 'Job cannot be cancelled',
		advice: 'A deletion is not taken back. To keep a clone longer, change its ttl_minutes.',
	},
	cancelled: { status: 409, title: 'Job was cancelled', advice: 'The job was cancelled while this request waited for it.' },
	payload_too_large: { status: 413, title: 'Body too large', advice: 'A request body may have 256 KiB at the most.' },
	unsupported_media_type: {
		status: 415,
		title: 'Unsupported media type',
		advice: 'Send the body as `Content-Type: application/json` in UTF-8, without a Content-Encoding.',
	},
	misdirected_request: {
		status: 421,
		title: 'Host is not served here',
		advice: 'Call the service by localhost, 127.0.0.1, [::1] or a name that it was configured with.',
	},
	invalid_request: { status: 422, title: 'Invalid request', advice: 'Correct the fields named in `errors`.' },
	source_not_allowed: {
		status: 422,
		title: 'Source is not allowed',
		advice: 'source_url must be an http or https address of a site on the public internet, without user name and password in it.',
	},
	credentials_required: {
		status: 422,
		title: 'Credentials are required',
		advice: 'Give source_username and source_password of an administrator of the source site.',
	},
	database_not_available: {
		status: 422,
		title: 'Database is not available',
		advice: 'This service cannot run clones on that database. Leave `database` out, or use "sqlite".',
	},
	not_supported: {
		status: 422,
		title: 'Not supported here',
		advice: 'This service was not set up for what the field asks. Leave the field out.',
	},
	ttl_in_the_past: {
		status: 422,
		title: 'Time is already over',
		advice: 'The clone has been up for longer than that. Give a longer ttl_minutes, or delete the clone.',
	},
	bad_cursor: {
		status: 422,
		title: 'Invalid cursor',
		advice: 'Use next_cursor of the page before as it is, or leave `cursor` out to begin again.',
	},
	rate_limited: { status: 429, title: 'Too many requests', advice: 'Wait for the seconds in the Retry-After header.' },
	too_many_clones: {
		status: 429,
		title: 'Too many live clones',
		advice: 'You have as many live clones as one caller may have. Delete one, or wait until one ends.',
	},
	headers_too_large: { status: 431, title: 'Headers too large', advice: 'Send fewer or shorter headers.' },
	internal: {
		status: 500,
		title: 'Internal error',
		advice: 'The service failed. Try again; if it goes on, report the request_id to whoever runs the service.',
	},
	job_failed: { status: 502, title: 'Job failed', advice: 'The job failed; `code` and `detail` are those of its error.' },
	unavailable: { status: 503, title: 'Temporarily unavailable', advice: 'Try again after the seconds in the Retry-After header.' },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof kinds;
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = kinds;
export const PROBLEM_CODES = Object.keys(kinds) as readonly ProblemCode[];

export function isProblemCode(code: string): code is ProblemCode {
	return Object.hasOwn(kinds, code);
}

/** What is wrong with one field of a request. Never repeats the value: it may be a password. */
export interface FieldFault {
	/** Name of the field, the query parameter or the header. */
	readonly field: string;
	/** Where in the body, as a JSON pointer in a URI fragment (`#/ttl_minutes`); only for bodies. */
	readonly pointer?: string;
	readonly code: string;
	readonly message: string;
}

/**
 * An answer other than success. Thrown by use cases, rendered once by the handler.
 * `code` and `status` differ from the catalogue's only for a failed job that a v1 request waited for.
 */
export class Problem extends Error {
	readonly kind: ProblemCode;
	readonly code: string;
	readonly status: number;
	readonly detail: string;
	readonly errors: readonly FieldFault[] | undefined;
	readonly headers: Readonly<Record<string, string>>;

	constructor(
		kind: ProblemCode,
		extra: {
			code?: string;
			status?: number;
			detail?: string;
			errors?: readonly FieldFault[];
			headers?: Readonly<Record<string, string>>;
			cause?: unknown;
		} = {},
	) {
		super(extra.detail ?? PROBLEMS[kind].advice, { cause: extra.cause });
		this.name = 'Problem';
		this.kind = kind;
		this.code = extra.code ?? kind;
		this.status = extra.status ?? PROBLEMS[kind].status;
		this.detail = extra.detail ?? PROBLEMS[kind].advice;
		this.errors = extra.errors;
		this.headers = extra.headers ?? {};
	}

	/**
	 * The body. It names neither the path nor, below 500, the request: the answer to another caller's id is the same
	 * byte for byte as to an id that never was. (The request id is in the header X-Request-Id.)
	 */
	body(requestId?: string): ProblemBody {
		return {
			type: `urn:wp-clone:problem:${this.code}`,
			title: PROBLEMS[this.kind].title,
			status: this.status,
			detail: this.detail,
			code: this.code,
			...(this.errors === undefined ? {} : { errors: this.errors }),
			...(this.status >= 500 && requestId !== undefined ? { request_id: requestId } : {}),
		};
	}
}

export interface ProblemBody {
	readonly type: string;
	readonly title: string;
	readonly status: number;
	readonly detail: string;
	readonly code: string;
	readonly errors?: readonly FieldFault[];
	readonly request_id?: string;
}
