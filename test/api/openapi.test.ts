import { describe, expect, it } from 'vitest';
import { openApiDocument } from '../../core/api/openapi.ts';
import { OPERATION_IDS, OPERATIONS } from '../../core/api/operations.ts';
import { PROBLEM_CODES, PROBLEMS } from '../../core/api/problems.ts';
import { requestSchemas } from '../../core/api/request-schemas.ts';
import { validate } from '../../core/api/validate.ts';
import { objectAt, openApiChecker, resolve } from '../support/memory-api/openapi-check.ts';

type JsonObject = { readonly [key: string]: unknown };

const schemas = requestSchemas({
	sourceUrlProblem: () => null,
	callbackUrlProblem: () => null,
	features: { mysql: true, callbacks: true, publicClones: true },
});
const document = openApiDocument(schemas, '1.2.3');
const METHODS = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'];

const isObject = (value: unknown): value is JsonObject => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Every object in a JSON value, with where it is. */
function* objects(value: unknown, at = '#'): Generator<[string, JsonObject]> {
	if (Array.isArray(value)) for (const [index, inner] of value.entries()) yield* objects(inner, `${at}/${index}`);
	if (!isObject(value)) return;
	yield [at, value];
	for (const [key, inner] of Object.entries(value)) yield* objects(inner, `${at}/${key.replaceAll('/', '~1')}`);
}

const operations = Object.entries(objectAt(document, 'paths')).flatMap(([path, item]) =>
	Object.entries(item as JsonObject).map(([method, operation]) => ({ path, method, operation: operation as JsonObject })),
);

/** What the OpenAPI 3.1.0 specification asks of a document, as far as this one uses it. */
describe('openapi.json by the rules of OpenAPI 3.1', () => {
	it('is plain JSON with the required members', () => {
		expect(JSON.parse(JSON.stringify(document))).toEqual(document);
		expect(document.openapi).toBe('3.1.0');
		expect(objectAt(document, 'info')).toMatchObject({ title: expect.any(String), version: '1.2.3' });
	});

	it('has paths that begin with a slash, known methods, and operationIds of its own', () => {
		for (const { path, method } of operations) expect([path[0], METHODS.includes(method)]).toEqual(['/', true]);
		const ids = operations.map(({ operation }) => operation.operationId);
		expect(new Set(ids).size).toBe(ids.length);
	});

	it('declares every path parameter, and no parameter twice', () => {
		for (const { path, operation } of operations) {
			const parameters = (operation.parameters ?? []) as { name: string; in: string; required?: boolean; schema: unknown }[];
			const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
			expect(parameters.filter((parameter) => parameter.in === 'path').map(({ name, required }) => [name, required])).toEqual(
				names.map((name) => [name, true]),
			);
			expect(new Set(parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).size).toBe(parameters.length);
			for (const parameter of parameters)
				expect(['path', 'query', 'header'].includes(parameter.in) && isObject(parameter.schema)).toBe(true);
		}
	});

	it('has at least one answer an operation, each with a description and a status', () => {
		for (const { operation } of operations) {
			const responses = objectAt(operation, 'responses');
			expect(Object.keys(responses).some((status) => status.startsWith('2'))).toBe(true);
			for (const [status, response] of Object.entries(responses)) {
				expect(status).toMatch(/^[1-5]\d\d$/);
				expect(response).toMatchObject({ description: expect.stringMatching(/./) });
			}
		}
	});

	it('has references that lead somewhere', () => {
		let references = 0;
		for (const [at, object] of objects(document)) {
			if (typeof object.$ref !== 'string') continue;
			references++;
			expect([at, resolve(document, object.$ref)]).toEqual([at, expect.any(Object)]);
		}
		expect(references).toBeGreaterThan(50);
	});

	it('has component names that are allowed, and schemas that are no documents of their own', () => {
		for (const kind of Object.values(objectAt(document, 'components'))) {
			for (const name of Object.keys(kind as JsonObject)) expect(name).toMatch(/^[a-zA-Z0-9._-]+$/);
		}
		for (const [at, object] of objects(objectAt(objectAt(document, 'components'), 'schemas'))) {
			expect([at, '$schema' in object, '$id' in object]).toEqual([at, false, false]);
		}
	});

	it('asks for the bearer token everywhere but on the open routes', () => {
		expect(document.security).toEqual([{ bearer: [] }]);
		expect(resolve(document, '#/components/securitySchemes/bearer')).toMatchObject({ type: 'http', scheme: 'bearer' });
		const open = operations.filter(({ operation }) => operation.security !== undefined);
		for (const { operation } of open) expect(operation.security).toEqual([]);
		expect(open.map(({ path }) => path).sort()).toEqual(['/docs', '/docs/{file}', '/health', '/openapi.json']);
	});
});

describe('openapi.json of this API', () => {
	it('has the routes of the contract', () => {
		expect(new Set(operations.map(({ method, path }) => `${method.toUpperCase()} ${path}`))).toEqual(
			new Set([
				'POST /api/v2/clone',
				'DELETE /api/v2/delete/{clone_id}',
				'GET /api/v2/job-status/{job_id}',
				'GET /api/v2/jobs/{job_id}',
				'GET /api/v2/jobs',
				'POST /api/v2/jobs/{job_id}/cancel',
				'GET /api/v2/clones',
				'GET /api/v2/clones/{clone_id}',
				'PATCH /api/v2/clones/{clone_id}',
				'POST /clone',
				'POST /api/v1/clone',
				'GET /health',
				'GET /openapi.json',
				'GET /docs',
				'GET /docs/{file}',
			]),
		);
		const deprecated = operations.filter(({ operation }) => operation.deprecated === true).map(({ path }) => path);
		expect(deprecated.sort()).toEqual(['/api/v1/clone', '/clone']);
	});

	it('says of a clone request what the validation does', () => {
		const request = resolve(document, '#/components/schemas/CloneRequest');
		expect(request).toMatchObject({
			additionalProperties: false,
			required: ['source_url'],
			properties: {
				ttl_minutes: { type: 'integer', minimum: 5, maximum: 1440, default: 30 },
				database: { enum: ['sqlite', 'mysql'], default: 'sqlite' },
				access: { enum: ['login', 'public'], default: 'login' },
				allow_hosts: { maxItems: 20 },
			},
		});
		expect(resolve(document, '#/components/schemas/Job')).toMatchObject({ additionalProperties: false });
	});

	it('has examples that its own validation accepts', () => {
		for (const name of ['clone', 'legacyClone', 'patchClone'] as const) {
			const examples = schemas[name].meta()?.examples as object[] | undefined;
			expect(examples).toHaveLength(1);
			for (const example of examples ?? []) expect(validate(schemas[name], example, 'body')).toMatchObject(example);
		}
		const check = openApiChecker(document);
		for (const { path, method, operation } of operations) {
			for (const [status, response] of Object.entries(objectAt(operation, 'responses'))) {
				const content = objectAt(response as JsonObject, 'content');
				const examples = (content['application/problem+json'] as JsonObject | undefined)?.examples ?? {};
				for (const example of Object.values(examples)) {
					const headers = new Headers(
						Object.fromEntries(Object.keys(objectAt(response as JsonObject, 'headers')).map((name) => [name, 'x'])),
					);
					headers.set('content-type', 'application/problem+json');
					const answer = { status: Number(status), headers, text: JSON.stringify((example as JsonObject).value) };
					expect(check(method.toUpperCase(), path.replace(/\{\w+\}/g, 'x'), answer)).toEqual([]);
				}
			}
		}
	});

	it('names the problems that the catalogue has; each of them is a whole sentence with a status', () => {
		for (const code of PROBLEM_CODES) {
			expect(code).toMatch(/^[a-z][a-z_]+$/);
			expect(PROBLEMS[code].status).toBeGreaterThanOrEqual(400);
			expect(PROBLEMS[code].advice).toMatch(/^[A-Za-z].*\.\)?$/);
		}
		const used = new Set<string>(OPERATION_IDS.flatMap((id) => OPERATIONS[id].problems));
		for (const code of used) expect(PROBLEM_CODES).toContain(code);
	});
});

describe('the checker that the other tests lean on', () => {
	const check = openApiChecker(document);
	const headers = new Headers({ 'content-type': 'application/json', 'x-request-id': 'x' });
	const health = (status: number, body: unknown, given = headers) =>
		check('GET', '/health', { status, headers: given, text: JSON.stringify(body) });

	it('passes what is documented, and only that', () => {
		expect(health(200, { status: 'ok', version: '1' })).toEqual([]);
		expect(health(200, { status: 'ok' })).not.toEqual([]);
		expect(health(200, { status: 'ok', version: '1', secret: 1 })).not.toEqual([]);
		expect(health(200, { status: 'down', version: '1' })).not.toEqual([]);
		expect(health(201, { status: 'ok', version: '1' })).toEqual(['status 201 is not documented']);
		expect(health(200, { status: 'ok', version: '1' }, new Headers({ 'content-type': 'application/json' }))).toEqual([
			'header X-Request-Id is missing',
		]);
		expect(health(200, { status: 'ok', version: '1' }, new Headers({ 'content-type': 'text/html', 'x-request-id': 'x' }))).toEqual([
			'media type text/html is not documented',
		]);
	});
});
