/** openapi.json, generated from the schemas and the list of operations. */
import * as z from 'zod';
import { OPERATION_IDS, OPERATIONS, type Operation, problemsOf, RESPONSE_SCHEMAS } from './operations.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';
import { idempotencyKeySchema, type RequestSchemas } from './request-schemas.ts';

type JsonObject = { [key: string]: unknown };

const REQUEST_NAMES: Readonly<Record<string, keyof RequestSchemas>> = {
	CloneRequest: 'clone',
	LegacyCloneRequest: 'legacyClone',
	ClonePatch: 'patchClone',
};

const RETRY_AFTER: readonly number[] = [429, 503];

/** @returns an OpenAPI 3.1 document, as plain JSON */
export function openApiDocument(requests: RequestSchemas, version: string): JsonObject {
	const paths: { [path: string]: JsonObject } = {};
	for (const id of OPERATION_IDS) {
		const operation = OPERATIONS[id];
		for (const [index, path] of operation.paths.entries()) {
			paths[path] ??= {};
			paths[path][operation.method.toLowerCase()] = operationObject(index === 0 ? id : `${id}Alias${index}`, operation, path, requests);
		}
	}
	return {
		openapi: '3.1.0',
		info: {
			title: 'WordPress clone service',
			version,
			description:
				'Throw-away clones of live WordPress sites. Times are UTC, ISO 8601; errors are RFC 9457 problem details with a stable `code`.',
			license: { name: 'MIT', identifier: 'MIT' },
		},
		servers: [{ url: '/' }],
		security: [{ bearer: [] }],
		paths,
		components: {
			securitySchemes: {
				bearer: { type: 'http', scheme: 'bearer', description: 'A token of the service. It decides whose jobs and clones you see.' },
			},
			schemas: componentSchemas(requests),
			headers: {
				RequestId: { description: 'Names this request in the logs.', schema: { type: 'string' } },
				RetryAfter: { description: 'Seconds to wait.', schema: { type: 'integer', minimum: 1 } },
				Allow: { description: 'The methods there are.', schema: { type: 'string' } },
				Deprecation: { description: 'RFC 9745: since when this route is deprecated.', schema: { type: 'string' } },
				Link: { description: 'The route to use in its place.', schema: { type: 'string' } },
			},
		},
	};
}

/** Schemas of what comes in read as input (a default makes a field optional), those of what goes out as output. */
function componentSchemas(requests: RequestSchemas): JsonObject {
	const incoming = z.registry<{ id: string }>();
	for (const [name, key] of Object.entries(REQUEST_NAMES)) incoming.add(requests[key], { id: name });
	const outgoing = z.registry<{ id: string }>();
	for (const [name, schema] of Object.entries(RESPONSE_SCHEMAS)) outgoing.add(schema, { id: name });
	const options = { uri: reference, target: 'draft-2020-12' } as const;
	const schemas = {
		...z.toJSONSchema(incoming, { ...options, io: 'input' }).schemas,
		...z.toJSONSchema(outgoing, { ...options, io: 'output' }).schemas,
	};
	return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, bare(schema)]));
}

const reference = (name: string): string => `#/components/schemas/${name}`;

/** Without the members that mark a document of its own. */
function bare(schema: object): JsonObject {
	return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id' && key !== 'id'));
}

function operationObject(operationId: string, operation: Operation, path: string, requests: RequestSchemas): JsonObject {
	const requestName = Object.entries(REQUEST_NAMES).find(([, key]) => key === operation.body)?.[0];
	const parameters = parameterObjects(operation, path, requests);
	return {
		operationId,
		summary: operation.summary,
		...(operation.description === undefined ? {} : { description: operation.description }),
		...(operation.deprecated === true ? { deprecated: true } : {}),
		...(operation.open === true ? { security: [] } : {}),
		...(parameters.length === 0 ? {} : { parameters }),
		...(requestName === undefined
			? {}
			: { requestBody: { required: true, content: { 'application/json': { schema: { $ref: reference(requestName) } } } } }),
		responses: responseObjects(operation),
	};
}

function parameterObjects(operation: Operation, path: string, requests: RequestSchemas): JsonObject[] {
	const parameters: JsonObject[] = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
		name,
		in: 'path',
		required: true,
		schema: { type: 'string' },
	}));
	if (operation.query !== undefined) {
		const { properties = {}, required = [] } = z.toJSONSchema(requests[operation.query], { io: 'input' });
		for (const [name, schema] of Object.entries(properties))
			parameters.push({ name, in: 'query', required: required.includes(name), schema });
	}
	if (operation.idempotent === true) {
		parameters.push({ name: 'Idempotency-Key', in: 'header', required: false, schema: bare(z.toJSONSchema(idempotencyKeySchema)) });
	}
	return parameters;
}

function responseObjects(operation: Operation): JsonObject {
	const responses: JsonObject = {};
	const deprecation = operation.deprecated === true ? { Deprecation: headerRef('Deprecation'), Link: headerRef('Link') } : {};
	for (const [status, answer] of Object.entries(operation.answers)) {
		const schema = answer.schema === undefined ? {} : { schema: { $ref: reference(answer.schema) } };
		responses[status] = {
			description: answer.description,
			headers: { 'X-Request-Id': headerRef('RequestId'), ...deprecation },
			content: { [answer.mediaType ?? 'application/json']: schema },
		};
	}
	const byStatus = Map.groupBy(problemsOf(operation), (code) => PROBLEMS[code].status);
	for (const [status, codes] of [...byStatus].sort(([a], [b]) => a - b)) {
		responses[status] = {
			description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
			headers: {
				'X-Request-Id': headerRef('RequestId'),
				...deprecation,
				...(RETRY_AFTER.includes(status) ? { 'Retry-After': headerRef('RetryAfter') } : {}),
			},
			content: {
				'application/problem+json': {
					schema: { $ref: reference('Problem') },
					examples: Object.fromEntries(codes.map((code) => [code, { value: example(code) }])),
				},
			},
		};
	}
	return responses;
}

const headerRef = (name: string): JsonObject => ({ $ref: `#/components/headers/${name}` });

function example(code: ProblemCode): JsonObject {
	const { status, title, advice } = PROBLEMS[code];
	return { type: `urn:wp-clone:problem:${code}`, title, status, detail: advice, code };
}
