/** What the row of a clone job holds: the request, its secrets, and what each step leaves for those after it. */
import * as z from 'zod';
import type { Job } from '../jobs/job.ts';
import type { StepContext } from '../jobs/step.ts';
import type { SecretBox, SourceCredentials } from '../ports.ts';
import { importStatusSchema, preflightSchema } from './agent-answers.ts';

/** The validated request, as the API use case stores it in the job's `input`. */
export const cloneInputSchema = z.looseObject({
	clone_id: z.string(),
	source_url: z.string(),
	source_username: z.string(),
	ttl_minutes: z.number(),
	database: z.enum(['sqlite', 'mysql']).default('sqlite'),
	access: z.enum(['login', 'public']).default('login'),
	allow_hosts: z.array(z.string()).default([]),
});
export type CloneInput = z.infer<typeof cloneInputSchema>;

export const cloneInput = (context: StepContext): CloneInput => cloneInputSchema.parse(context.job.input);

/** Whether the caller chose the clone's name. */
export function isNamed(job: Job, request: CloneInput): boolean {
	return request.clone_id !== job.job_id;
}

const callerSecretsSchema = z.looseObject({ source_password: z.string() });

export async function sourceCredentials(context: StepContext): Promise<SourceCredentials> {
	return {
		username: cloneInput(context).source_username,
		password: callerSecretsSchema.parse(await context.secrets()).source_password,
	};
}

/** What `prepare` makes up: the key that the source knows this job by, and the account of the clone. */
const madeSecretsSchema = z.object({ source_key: z.string(), password: z.string(), username: z.string() });
type MadeSecrets = z.infer<typeof madeSecretsSchema>;

export function sealMadeSecrets(box: SecretBox, context: StepContext, made: MadeSecrets): Promise<string> {
	return box.seal(JSON.stringify(made), { job_id: context.job.job_id, use: 'clone' });
}

/** @throws SealError */
export async function madeSecrets(box: SecretBox, context: StepContext): Promise<MadeSecrets> {
	const sealed = z.string().parse(context.output('prepare'));
	return madeSecretsSchema.parse(JSON.parse(await box.open(sealed, { job_id: context.job.job_id, use: 'clone' })));
}

const connectionSchema = z.object({ agent_url: z.string(), site_url: z.string(), uploaded: z.boolean() });
const claimSchema = z.object({ slot_id: z.string(), warm: z.boolean(), php: z.string() });
/** `url`: the slot's own address, for its agent. `public_url`: the clone's. */
const bootSchema = z.object({ url: z.string(), public_url: z.string(), ref: z.string(), php_version: z.string(), wp_version: z.string() });
const importedSchema = z.object({ proof: z.json(), facts: importStatusSchema.shape.facts });
const publishedSchema = z.object({ expires_at: z.number(), login_sealed: z.string() });

/** What each step has left. They throw when it has not run. */
export const outputOf = {
	connect: (context: StepContext) => connectionSchema.parse(context.output('connect')),
	preflight: (context: StepContext) => preflightSchema.parse(context.output('preflight')),
	claim: (context: StepContext) => claimSchema.parse(context.output('claim')),
	boot: (context: StepContext) => bootSchema.parse(context.output('boot')),
	import: (context: StepContext) => importedSchema.parse(context.output('import')),
	publish: (context: StepContext) => publishedSchema.parse(context.output('publish')),
};
