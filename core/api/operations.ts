/** The routes as data: what the router serves and what openapi.json says are the same list. */
import type * as z from 'zod';
import { RETENTION_DAYS } from '../retention.ts';
import type { ProblemCode } from './problems.ts';
import type { RequestSchemas } from './request-schemas.ts';
import {
	acceptedSchema,
	cloneListSchema,
	cloneSchema,
	healthSchema,
	jobListSchema,
	jobSchema,
	legacyCloneSchema,
	problemSchema,
} from './response-schemas.ts';

/** Named schemas of answers, the components of openapi.json. */
export const RESPONSE_SCHEMAS = {
	Accepted: acceptedSchema,
	Job: jobSchema,
	JobList: jobListSchema,
	Clone: cloneSchema,
	CloneList: cloneListSchema,
	LegacyClone: legacyCloneSchema,
	Health: healthSchema,
	Problem: problemSchema,
} as const satisfies Record<string, z.ZodType>;
export type ResponseName = keyof typeof RESPONSE_SCHEMAS;

export interface Operation {
	readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
	/** The first is the one to use; the others are aliases. */
	readonly paths: readonly string[];
	readonly summary: string;
	readonly description?: string;
	/** Served without authorisation; such a route reads nothing of anybody's. */
	readonly open?: true;
	readonly deprecated?: true;
	readonly body?: keyof RequestSchemas;
	readonly query?: keyof RequestSchemas;
	/** Takes an Idempotency-Key. */
	readonly idempotent?: true;
	/** By status: a schema's name, or a media type for what is no JSON of ours. */
	readonly answers: Readonly<Record<number, { readonly description: string; readonly schema?: ResponseName; readonly mediaType?: string }>>;
	/** Beside those that every route of its kind has (see problemsOf). */
	readonly problems: readonly ProblemCode[];
}

const CLONE_PROBLEMS = [
	'source_not_allowed',
	'credentials_required',
	'database_not_available',
	'not_supported',
	'idempotency_conflict',
	'clone_id_taken',
	'rate_limited',
	'too_many_clones',
] as const satisfies readonly ProblemCode[];

const operations = {
	createClone: {
		method: 'POST',
		paths: ['/api/v2/clone'],
		summary: 'Clone a site',
		description: 'Answers at once with a job. The clone deletes itself at the end of its time.',
		body: 'clone',
		idempotent: true,
		answers: { 202: { description: 'The accepted job.', schema: 'Accepted' } },
		problems: CLONE_PROBLEMS,
	},
	deleteClone: {
		method: 'DELETE',
		paths: ['/api/v2/delete/{clone_id}'],
		summary: 'Delete a clone before its time',
		description: 'Deleting the same clone again is the same job.',
		answers: { 202: { description: 'The accepted job.', schema: 'Accepted' } },
		problems: ['clone_not_found'],
	},
	getJob: {
		method: 'GET',
		paths: ['/api/v2/job-status/{job_id}', '/api/v2/jobs/{job_id}'],
		summary: 'Read a job: its progress, and its result or error',
		description: `A finished job can be read for ${RETENTION_DAYS} days; its password and login link until its clone is gone.`,
		answers: { 200: { description: 'The job.', schema: 'Job' } },
		problems: ['job_not_found'],
	},
	listJobs: {
		method: 'GET',
		paths: ['/api/v2/jobs'],
		summary: 'List your jobs, newest first',
		description: 'Results come without passwords; read the job itself for those.',
		query: 'listQuery',
		answers: { 200: { description: 'A page of jobs.', schema: 'JobList' } },
		problems: ['bad_cursor', 'invalid_request'],
	},
	cancelJob: {
		method: 'POST',
		paths: ['/api/v2/jobs/{job_id}/cancel'],
		summary: 'Cancel a job',
		description: 'It stops between two steps and undoes what it made.',
		answers: { 202: { description: 'The job, which is about to be cancelled.', schema: 'Accepted' } },
		problems: ['job_not_found', 'job_finished', 'job_not_cancellable'],
	},
	listClones: {
		method: 'GET',
		paths: ['/api/v2/clones'],
		summary: 'List your live clones, newest first',
		description: 'A page may have fewer clones than `limit` and still not be the last: go by next_cursor.',
		query: 'listQuery',
		answers: { 200: { description: 'A page of clones.', schema: 'CloneList' } },
		problems: ['bad_cursor', 'invalid_request'],
	},
	getClone: {
		method: 'GET',
		paths: ['/api/v2/clones/{clone_id}'],
		summary: 'Read a clone',
		answers: { 200: { description: 'The clone.', schema: 'Clone' } },
		problems: ['clone_not_found'],
	},
	patchClone: {
		method: 'PATCH',
		paths: ['/api/v2/clones/{clone_id}'],
		summary: "Change a live clone's time",
		body: 'patchClone',
		answers: { 200: { description: 'The clone as it is now.', schema: 'Clone' } },
		problems: ['clone_not_found', 'clone_not_live', 'ttl_in_the_past'],
	},
	legacyClone: {
		method: 'POST',
		paths: ['/api/v1/clone', '/clone'],
		summary: 'Clone a site and wait for it (version 1)',
		description:
			'Waits up to 25 seconds. A job that fails meanwhile answers with its own code: 422 where the request is the reason, else 502. Use POST /api/v2/clone.',
		deprecated: true,
		body: 'legacyClone',
		query: 'legacyQuery',
		idempotent: true,
		answers: {
			200: { description: 'The clone is ready.', schema: 'LegacyClone' },
			202: { description: 'Not yet: the job.', schema: 'Accepted' },
		},
		problems: [...CLONE_PROBLEMS, 'cancelled', 'job_failed'],
	},
	health: {
		method: 'GET',
		paths: ['/health'],
		summary: 'Whether the service answers',
		open: true,
		answers: { 200: { description: 'It does.', schema: 'Health' } },
		problems: [],
	},
	openapi: {
		method: 'GET',
		paths: ['/openapi.json'],
		summary: 'This document',
		open: true,
		answers: { 200: { description: 'OpenAPI 3.1.', mediaType: 'application/json' } },
		problems: [],
	},
	docs: {
		method: 'GET',
		paths: ['/docs'],
		summary: 'This document as a page to try requests from',
		open: true,
		answers: { 200: { description: 'The page.', mediaType: 'text/html' } },
		problems: [],
	},
	docsFile: {
		method: 'GET',
		paths: ['/docs/{file}'],
		summary: 'A file of that page',
		open: true,
		answers: { 200: { description: 'The file.', mediaType: '*/*' } },
		problems: ['not_found'],
	},
} as const satisfies Record<string, Operation>;

export type OperationId = keyof typeof operations;
export const OPERATIONS: Readonly<Record<OperationId, Operation>> = operations;
export const OPERATION_IDS = Object.keys(operations) as readonly OperationId[];

/** Every problem that an operation may answer with, in the order they are checked. */
export function problemsOf(operation: Operation): readonly ProblemCode[] {
	const codes: ProblemCode[] = [];
	if (operation.open !== true) codes.push('unauthorized');
	codes.push('payload_too_large');
	if (operation.body !== undefined) codes.push('unsupported_media_type', 'malformed_json', 'invalid_request');
	codes.push(...operation.problems, 'internal');
	if (operation.open !== true) codes.push('unavailable');
	return [...new Set(codes)];
}
