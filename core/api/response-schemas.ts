/** What callers get. The types of what is rendered, and the response schemas in openapi.json. */
import * as z from 'zod';
import { JOB_STATUSES, JOB_TYPES } from '../jobs/job.ts';

const time = z.iso.datetime().meta({ description: 'UTC, ISO 8601.', examples: ['2026-03-01T12:00:00.000Z'] });
const jobId = z
	.string()
	.regex(/^(?:clone|restore|delete)-[0-9a-f]{12}$/)
	.meta({ examples: ['clone-0a1b2c3d4e5f'] });

export const proofSchema = z
	.looseObject({
		tables: z.int(),
		rows: z.int(),
		files: z.int(),
		bytes: z.int(),
		differences: z.array(z.unknown()),
		left_out: z.array(z.unknown()),
	})
	.meta({ description: 'What was counted and compared between source and clone; `differences` is empty when they are equal.' });

const cloneResultFields = {
	clone_id: z.string().optional(),
	clone_url: z.string().optional().meta({ description: 'Where the clone is.' }),
	login_url: z.string().optional().meta({ description: 'Logs its administrator in, once.' }),
	username: z.string().optional(),
	password: z.string().optional().meta({ description: 'Shown to the owner while the clone lives; not in lists.' }),
	expires_at: time.optional(),
	fidelity: z.enum(['full', 'public']).optional(),
	warnings: z.array(z.string()).optional(),
	proof: proofSchema.optional(),
};

const resultSchema = z.looseObject(cloneResultFields).meta({ description: 'What the job made. Its members depend on the type of job.' });

export const jobSchema = z
	.strictObject({
		job_id: jobId,
		type: z.enum(JOB_TYPES),
		status: z.enum(JOB_STATUSES),
		progress: z.number().min(0).max(100).meta({ description: 'Never goes down.' }),
		status_message: z.string(),
		message: z.string().meta({ description: 'The same as status_message, for older clients.' }),
		created_at: time,
		updated_at: time,
		completed_at: time.nullable(),
		estimated_completion: time.nullable(),
		result: resultSchema.nullable(),
		error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
	})
	.meta({ description: 'A job. A terminal status (completed, failed, cancelled) never changes.' });

export const acceptedSchema = z
	.strictObject({
		job_id: jobId,
		type: z.enum(JOB_TYPES),
		status: z.enum(JOB_STATUSES),
		status_url: z.string().meta({ format: 'uri' }),
		created_at: time,
	})
	.meta({ description: 'An accepted job; read its progress at status_url.' });

const nextCursor = z.string().nullable().meta({ description: 'Null on the last page.' });
export const jobListSchema = z.strictObject({ jobs: z.array(jobSchema), next_cursor: nextCursor });

export const cloneSchema = z.strictObject({
	clone_id: z.string(),
	job_id: jobId.meta({ description: 'The job that made it.' }),
	state: z.enum(['provisioning', 'live', 'deleting']),
	clone_url: z.string().nullable().meta({ description: 'Null until it is usable.' }),
	source_url: z.string(),
	ttl_minutes: z.int(),
	created_at: time,
	expires_at: time.nullable().meta({ description: 'Null until it is usable.' }),
	access: z.enum(['login', 'public']).nullable(),
	wp_version: z.string().nullable(),
	php_version: z.string().nullable(),
	warnings: z.array(z.string()),
});
export const cloneListSchema = z.strictObject({ clones: z.array(cloneSchema), next_cursor: nextCursor });

export const legacyCloneSchema = z
	.looseObject({ ...cloneResultFields, job_id: jobId, clone_url: z.string(), username: z.string(), password: z.string(), expires_at: time })
	.meta({ description: 'The result of a completed clone job, flat.' });

export const healthSchema = z.strictObject({ status: z.literal('ok'), version: z.string() });

export const problemSchema = z
	.strictObject({
		type: z.string().meta({ format: 'uri' }),
		title: z.string(),
		status: z.int(),
		detail: z.string(),
		code: z.string().meta({ description: 'Stable; see docs/errors.md.' }),
		errors: z
			.array(z.strictObject({ field: z.string(), pointer: z.string().optional(), code: z.string(), message: z.string() }))
			.optional()
			.meta({ description: 'One entry per faulty field.' }),
		request_id: z.string().optional(),
	})
	.meta({ description: 'RFC 9457 problem details.' });

export type JobBody = z.output<typeof jobSchema>;
export type AcceptedBody = z.output<typeof acceptedSchema>;
export type CloneBody = z.output<typeof cloneSchema>;
