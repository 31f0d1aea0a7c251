/**
 * What callers may send. These schemas are the one source of validation, of the TypeScript types and of the request
 * schemas in openapi.json.
 */
import * as z from 'zod';
import { RETENTION_DAYS } from '../retention.ts';
import type { ProblemCode } from './problems.ts';

/** Longest body the API reads, bytes (DESIGN's limit for a request). */
export const MAX_BODY_BYTES = 256 * 1024;

const MAX_URL = 2048;
/** RFC 1035 label, lower-case; 40 leaves room for a suffix in host and object names (63 at the most). */
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/;
/** RFC 1123 host name of at least two labels, whose last is no number (so not an IPv4 address). */
const HOST_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** Ids that the service gives to jobs and slots: nobody may take one as a name, which becomes a host name beside theirs. */
const OWN_ID = /^(?:clone|restore|delete|slot)-[0-9a-f]{12}$/;
const NO_CONTROL = /^\P{Cc}*$/u;

/** What decides about a request beside its shape. */
export interface RequestRules {
	/** What is wrong with a source address, as the end of a sentence that begins with the field's name; null when nothing is. */
	sourceUrlProblem(url: string): string | null;
	/** The same for an address that the service itself calls later. */
	callbackUrlProblem(url: string): string | null;
	readonly features: ApiFeatures;
}

export interface ApiFeatures {
	/** The host runs clones on MySQL too. */
	readonly mysql: boolean;
	/** Callbacks are delivered. When not, `callback_url` is refused rather than accepted and forgotten. */
	readonly callbacks: boolean;
	/** Clones without credentials, from what the source shows to everyone. */
	readonly publicClones: boolean;
}

/** A fault that has a code of its own in the problem catalogue, or in `errors` only. */
const fault = (code: ProblemCode | 'reserved' | 'required', message: string) => ({
	code: 'custom' as const,
	message,
	params: { code },
});

function cloneFields(rules: RequestRules) {
	return {
		source_url: z
			.string()
			.max(MAX_URL)
			.superRefine((url, context) => {
				const problem = rules.sourceUrlProblem(url);
				if (problem !== null) context.addIssue(fault('source_not_allowed', `source_url ${problem}.`));
			})
			.meta({ description: 'Address of the WordPress site to clone.', format: 'uri', examples: ['https://shop.example.com'] }),
		source_username: z
			.string()
			.min(1)
			.max(320)
			.regex(NO_CONTROL)
			.optional()
			.meta({ description: 'An administrator of the source site.', examples: ['admin'] }),
		source_password: z
			.string()
			.min(1)
			.max(4096)
			.optional()
			.meta({ description: 'Their password, or an application password.', format: 'password', writeOnly: true }),
		customer_id: z
			.string()
			.regex(DNS_LABEL)
			.refine((id) => !OWN_ID.test(id), {
				params: { code: 'reserved' },
				error: 'Names of this form are given by the service; choose another.',
			})
			.optional()
			.meta({ description: 'Name of the clone, a DNS label, unique among live clones. Default: the job id.', examples: ['acme-test'] }),
		ttl_minutes: z
			.int()
			.min(5)
			.max(1440)
			.default(30)
			.meta({ description: 'How long the clone lives, counted from the moment it is usable.' }),
		database: z
			.enum(['sqlite', 'mysql'])
			.superRefine((database, context) => {
				if (database === 'mysql' && !rules.features.mysql) {
					context.addIssue(fault('database_not_available', 'This service cannot run clones on MySQL. Use "sqlite".'));
				}
			})
			.default('sqlite')
			.meta({ description: 'What the clone keeps its data in.' }),
		access: z.enum(['login', 'public']).default('login').meta({ description: 'Whether visitors of the clone must log in.' }),
		allow_hosts: z
			.array(z.string().regex(HOST_NAME))
			.max(20)
			.default([])
			.meta({ description: 'Host names that the clone may call, beside those of WordPress.org.', examples: [['api.example.com']] }),
		callback_url: z
			.string()
			.max(MAX_URL)
			.superRefine((url, context) => {
				if (!rules.features.callbacks) {
					context.addIssue(fault('not_supported', 'This service does not call back. Leave callback_url out and read the job.'));
					return;
				}
				const problem = url.startsWith('https://') ? rules.callbackUrlProblem(url) : 'must begin with https://';
				if (problem !== null) context.addIssue({ code: 'custom', message: `callback_url ${problem}.`, params: { code: 'invalid_value' } });
			})
			.optional()
			.meta({ description: 'Called once when the job has ended, where the service was set up for it.', format: 'uri' }),
	};
}

/** Runs only when every field by itself is right, so that it never hides another fault. */
function checkCredentials(
	body: { source_username?: string | undefined; source_password?: string | undefined },
	context: z.core.$RefinementCtx,
	features: ApiFeatures,
): void {
	if (context.issues.length > 0) return;
	const missing = (['source_username', 'source_password'] as const).filter((name) => body[name] === undefined);
	if (missing.length === 0) return;
	for (const name of missing) {
		if (missing.length === 1) {
			context.addIssue({ ...fault('required', 'Give source_username and source_password together.'), path: [name] });
		} else if (!features.publicClones) {
			context.addIssue({ ...fault('credentials_required', 'An administrator of the source site is required.'), path: [name] });
		}
	}
}

const patchClone = z
	.strictObject({
		ttl_minutes: z.int().min(5).max(1440).meta({ description: 'New time to live, counted from the moment the clone became usable.' }),
	})
	.meta({ examples: [{ ttl_minutes: 120 }] });

const listQuery = z.strictObject({
	limit: z.int().min(1).max(100).default(20).meta({ description: 'How many at the most.' }),
	cursor: z.string().min(1).max(1024).optional().meta({ description: '`next_cursor` of the page before.' }),
});

const legacyQuery = z.object({
	async_mode: z.boolean().optional().meta({ description: 'Answer at once with the job.' }),
});

/** 1–255 printable ASCII characters. */
export const idempotencyKeySchema = z
	.string()
	.min(1)
	.max(255)
	.regex(/^[\x20-\x7e]+$/)
	.meta({ description: `For ${RETENTION_DAYS} days the same key with the same request is one job; with another request it is 409.` });

/** All request schemas under the given rules. Build them once a process. */
export function requestSchemas(rules: RequestRules) {
	const fields = cloneFields(rules);
	const example = { source_url: 'https://shop.example.com', source_username: 'admin', source_password: 'application or account password' };
	return {
		clone: z
			.strictObject(fields)
			.superRefine((body, context) => checkCredentials(body, context, rules.features))
			.meta({ examples: [{ ...example, ttl_minutes: 60 }] }),
		legacyClone: z
			.strictObject({ ...fields, async_mode: z.boolean().optional().meta({ description: 'Answer at once with the job.' }) })
			.superRefine((body, context) => checkCredentials(body, context, rules.features))
			.meta({ examples: [example] }),
		patchClone,
		listQuery,
		legacyQuery,
	};
}

export type RequestSchemas = ReturnType<typeof requestSchemas>;
export type CloneRequest = z.output<RequestSchemas['clone']>;
export type ListQuery = z.output<typeof listQuery>;
