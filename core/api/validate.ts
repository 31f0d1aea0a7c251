import type * as z from 'zod';
import { type FieldFault, isProblemCode, Problem, type ProblemCode } from './problems.ts';

/** Answers name this many faults at the most, so that a large bad body does not make a large answer. */
const MAX_FAULTS = 100;
/** Codes of `errors` that become the problem's own code when they come first. */
const OWN_PROBLEM: ReadonlySet<string> = new Set<ProblemCode>([
	'source_not_allowed',
	'credentials_required',
	'database_not_available',
	'not_supported',
]);

export type Place = 'body' | 'query' | 'header';

/** @throws Problem `invalid_request` (or the first fault's own code) with one entry per field. */
export function validate<Schema extends z.ZodType>(schema: Schema, value: unknown, place: Place): z.output<Schema> {
	const parsed = schema.safeParse(value);
	if (parsed.success) return parsed.data;
	throw invalid(faultsOf(parsed.error.issues, value, place));
}

/** @param faults at least one */
export function invalid(faults: readonly FieldFault[]): Problem {
	const first = faults[0]?.code ?? '';
	const kind: ProblemCode = OWN_PROBLEM.has(first) && isProblemCode(first) ? first : 'invalid_request';
	return new Problem(kind, { errors: faults.slice(0, MAX_FAULTS) });
}

/** One entry a field, in the schema's order, unknown fields last. */
function faultsOf(issues: readonly z.core.$ZodIssue[], value: unknown, place: Place): FieldFault[] {
	const faults = new Map<string, FieldFault>();
	const add = (path: readonly PropertyKey[], code: string, message: string): void => {
		const field = shorten(String(path[0] ?? place));
		if (faults.has(field)) return;
		faults.set(field, { field, ...(place === 'body' ? { pointer: pointerOf(path) } : {}), code, message });
	};
	for (const issue of issues) {
		if (issue.code === 'unrecognized_keys') {
			for (const key of issue.keys) add([...issue.path, key], 'unknown_field', 'There is no such field.');
		} else {
			const { code, message } = describe(issue, value);
			add(issue.path, code, message);
		}
	}
	return [...faults.values()];
}

function describe(issue: z.core.$ZodIssue, value: unknown): { code: string; message: string } {
	switch (issue.code) {
		case 'custom': {
			const code: unknown = issue.params?.code;
			return { code: typeof code === 'string' ? code : 'invalid_value', message: issue.message };
		}
		case 'invalid_type':
			if (issue.path.length > 0 && at(value, issue.path) === undefined) return { code: 'required', message: 'This field is required.' };
			return { code: 'wrong_type', message: `Must be ${TYPE_NAMES[issue.expected] ?? issue.expected}.` };
		case 'too_small':
			return size(issue.origin, `at least ${issue.minimum}`, 'too_short');
		case 'too_big':
			return size(issue.origin, `at most ${issue.maximum}`, 'too_long');
		case 'invalid_value':
			return { code: 'invalid_value', message: `Must be one of ${issue.values.map((allowed) => JSON.stringify(allowed)).join(', ')}.` };
		case 'invalid_format':
			return { code: 'invalid_format', message: FORMATS[String(issue.path[0])] ?? 'Does not have the required form.' };
		default:
			return { code: 'invalid_value', message: 'Is not valid.' };
	}
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
	string: 'a string',
	number: 'a number',
	int: 'a whole number',
	boolean: 'true or false',
	array: 'a list',
	object: 'a JSON object',
};

/** What the pattern of a field says, in words. */
const FORMATS: Readonly<Record<string, string>> = {
	customer_id: 'Must be a DNS label: 1 to 40 of a-z, 0-9 and hyphen, with no hyphen first or last.',
	allow_hosts: 'Each must be a host name in lower case, such as api.example.com.',
	source_username: 'Must not have control characters.',
	'Idempotency-Key': 'Must be 1 to 255 printable ASCII characters.',
};

function size(origin: string, amount: string, shortOrLong: string): { code: string; message: string } {
	if (origin === 'string') return { code: shortOrLong, message: `Must have ${amount} characters.` };
	if (origin === 'array') return { code: shortOrLong, message: `Must have ${amount} items.` };
	return { code: 'out_of_range', message: `Must be ${amount}.` };
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
	let current = value;
	for (const key of path) {
		if (current === null || typeof current !== 'object' || !Object.hasOwn(current, key)) return undefined;
		current = Reflect.get(current, key);
	}
	return current;
}

const pointerOf = (path: readonly PropertyKey[]): string =>
	`#${path.map((key) => `/${encodeURIComponent(shorten(String(key)).replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('')}`;

/** A field name that a caller made up is not echoed at any length; a lone surrogate would break the pointer. */
const shorten = (name: string): string => (name.length > 100 ? `${name.slice(0, 100)}…` : name).toWellFormed();
