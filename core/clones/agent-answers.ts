import * as z from 'zod';
import { TransientError } from '../errors.ts';
import type { Json } from '../jobs/job.ts';

/** What agents answer (docs/migrator-protocol.md), checked before it is believed: a source may be hostile. */
const text = z.string().max(2048);

export const preflightSchema = z.looseObject({
	wp_version: text,
	locale: text.optional(),
	php_version: text,
	db: z.looseObject({ engine: z.enum(['mysql', 'mariadb', 'sqlite']), version: text }),
	table_prefix: z.string().regex(/^[A-Za-z0-9_]{1,64}$/),
	multisite: z.boolean(),
	site_url: text,
	home_url: text,
	db_bytes: z.number().nonnegative(),
	plugins_in_content: z.boolean().optional(),
	users_table_in_site: z.boolean().optional(),
});
export type Preflight = z.infer<typeof preflightSchema>;

const nameList = z.array(text).max(10_000);

export const proofSchema = z.object({
	tables: z.number().int().nonnegative(),
	rows: z.number().int().nonnegative(),
	files: z.number().int().nonnegative(),
	bytes: z.number().int().nonnegative(),
	differences: z.array(z.json()),
	left_out: z.array(z.json()),
	core_differs: nameList.optional(),
});

export const importStatusSchema = z.looseObject({
	state: z.enum(['idle', 'running', 'done', 'failed']),
	phase: text.nullish(),
	progress: z.number().min(0).max(100),
	message: text.nullish(),
	error: z.looseObject({ code: z.string().regex(/^[a-z0-9_]{1,64}$/), message: text, permanent: z.boolean().optional() }).nullish(),
	proof: proofSchema.nullish(),
	facts: z
		.looseObject({
			wp_version: text.optional(),
			php_version: text.optional(),
			warnings: nameList.optional(),
			username: text.optional(),
		})
		.nullish(),
});

export const loginLinkSchema = z.looseObject({ url: text });

/** @throws TransientError `bad_answer` when the agent's answer has another shape. */
export function parseAnswer<T>(schema: z.ZodType<T>, verb: string, answer: Json): T {
	const parsed = schema.safeParse(answer);
	if (!parsed.success) {
		throw new TransientError('bad_answer', `The agent's answer to ${verb} does not have the agreed shape.`, { cause: parsed.error });
	}
	return parsed.data;
}
