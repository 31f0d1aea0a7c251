/** Checks answers of the API against the document that the API itself publishes. */
import * as z from 'zod';

type JsonObject = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is JsonObject => value !== null && typeof value === 'object' && !Array.isArray(value);

export interface ApiAnswer {
	readonly status: number;
	readonly headers: Headers;
	readonly text: string;
}

/** @returns a function that says what of an answer is not in the document; an empty list when all of it is. */
export function openApiChecker(document: JsonObject): (method: string, path: string, answer: ApiAnswer) => string[] {
	const paths = objectAt(document, 'paths');
	const compiled = new Map<string, z.ZodType>();

	return (method, path, answer) => {
		const bare = path.split('?')[0] ?? path;
		const item = Object.entries(paths).find(([pattern]) => pathPattern(pattern).test(bare))?.[1];
		const operation = isObject(item) ? item[method.toLowerCase()] : undefined;
		if (!isObject(operation)) {
			// No operation: the router's own answers.
			return answer.status === 404 || answer.status === 405 ? bodyFaults('#/components/schemas/Problem', answer) : ['no such operation'];
		}
		const response = objectAt(operation, 'responses')[String(answer.status)];
		if (!isObject(response)) return [`status ${answer.status} is not documented`];
		const faults = Object.keys(objectAt(response, 'headers'))
			.filter((name) => !answer.headers.has(name))
			.map((name) => `header ${name} is missing`);
		const mediaType = (answer.headers.get('content-type') ?? '').split(';')[0] ?? '';
		const content = objectAt(response, 'content');
		const media = content[mediaType] ?? content['*/*'];
		if (!isObject(media)) return [...faults, `media type ${mediaType} is not documented`];
		const schema = isObject(media.schema) ? media.schema.$ref : undefined;
		return typeof schema === 'string' ? [...faults, ...bodyFaults(schema, answer)] : faults;
	};

	function bodyFaults(reference: string, answer: ApiAnswer): string[] {
		let schema = compiled.get(reference);
		if (schema === undefined) {
			schema = z.fromJSONSchema(dereference({ $ref: reference }) as Parameters<typeof z.fromJSONSchema>[0]);
			compiled.set(reference, schema);
		}
		const parsed = schema.safeParse(JSON.parse(answer.text));
		return parsed.success ? [] : parsed.error.issues.map((issue) => `${reference}: ${issue.path.join('.')}: ${issue.message}`);
	}

	function dereference(value: unknown): unknown {
		if (Array.isArray(value)) return value.map(dereference);
		if (!isObject(value)) return value;
		if (typeof value.$ref === 'string') return dereference(resolve(document, value.$ref));
		return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, dereference(inner)]));
	}
}

/** @throws Error when the document has nothing there */
export function resolve(document: JsonObject, reference: string): unknown {
	let current: unknown = document;
	for (const part of reference.replace(/^#\//, '').split('/')) {
		if (!isObject(current) || !Object.hasOwn(current, part)) throw new Error(`${reference} leads nowhere.`);
		current = current[part];
	}
	return current;
}

export function objectAt(value: JsonObject, key: string): JsonObject {
	const inner = value[key];
	if (!isObject(inner)) throw new Error(`There is no object ${key}.`);
	return inner;
}

const pathPattern = (pattern: string): RegExp => new RegExp(`^${pattern.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`);
