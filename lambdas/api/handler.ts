/**
 * The HTTP API as one Lambda handler for API Gateway REST proxy events. The local server calls the same function.
 *
 * Order of checks: route (404, 405) → who calls (401) → size (413) → media type (415) → JSON (400) → fields (422) →
 * the caller's budget (429) → the use case. Nothing is written before the last one.
 */
import middy, { type MiddlewareObj, type MiddyfiedHandler } from '@middy/core';
import httpRouter, { type Route } from '@middy/http-router';
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import type { ApiDeps } from '../../core/api/deps.ts';
import { OPERATION_IDS, OPERATIONS, type Operation } from '../../core/api/operations.ts';
import { Problem, type ProblemCode } from '../../core/api/problems.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';
import { problem, withCommonHeaders } from './answers.ts';
import type { DocsFiles } from './docs-page.ts';
import { checkBodySize, headerValues } from './request.ts';
import { DEPRECATION_HEADERS, type RouteHandler, routeHandlers } from './routes.ts';

export interface ApiOptions {
	readonly deps: ApiDeps;
	/** @returns the caller's owner id, or null when the event names none that may call. */
	readonly authenticate: (event: APIGatewayProxyEvent) => Promise<string | null>;
	readonly docs: DocsFiles;
}

export type ApiHandler = MiddyfiedHandler<APIGatewayProxyEvent, APIGatewayProxyResult>;

export function createApiHandler(options: ApiOptions): ApiHandler {
	const handlers = routeHandlers(options.deps, options.docs);
	const routes = OPERATION_IDS.flatMap((id) => routesOf(OPERATIONS[id], guarded(OPERATIONS[id], handlers[id], options.authenticate)));
	return middy<APIGatewayProxyEvent, APIGatewayProxyResult>(httpRouter({ routes: [...routes, ...optionsRoutes()], notFoundResponse }))
		.use(commonHeaders())
		.use(problemAnswers(options.deps));
}

/** Authorisation and size, before the route's own handler sees the event. */
function guarded(operation: Operation, handler: RouteHandler, authenticate: ApiOptions['authenticate']) {
	return async (event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> => {
		let owner = '';
		if (operation.open !== true) {
			const caller = await authenticate(event);
			if (caller === null || caller === '') {
				const error = headerValues(event, 'authorization').length === 0 ? '' : ', error="invalid_token"';
				throw new Problem('unauthorized', { headers: { 'WWW-Authenticate': `Bearer realm="wp-clone"${error}` } });
			}
			owner = caller;
		}
		checkBodySize(event);
		return handler(event, owner);
	};
}

type ApiRoute = Route<APIGatewayProxyEvent, APIGatewayProxyResult>;

function routesOf(operation: Operation, handler: ApiRoute['handler']): ApiRoute[] {
	const methods = operation.method === 'GET' ? (['GET', 'HEAD'] as const) : [operation.method];
	return operation.paths.flatMap((path) => methods.map((method) => ({ method, path, handler })));
}

/** OPTIONS says which methods there are. There is no CORS: the API is not for other sites' pages. */
function optionsRoutes(): ApiRoute[] {
	const paths = new Set(OPERATION_IDS.flatMap((id) => OPERATIONS[id].paths));
	return [...paths].map((path) => ({
		method: 'OPTIONS',
		path,
		handler: async (event: APIGatewayProxyEvent) => ({ statusCode: 204, headers: { Allow: allowed(event.path) }, body: '' }),
	}));
}

/** Methods of the routes that match a path, for Allow; empty when there is no such route. */
function allowed(path: string): string {
	const matching = OPERATION_IDS.map((id) => OPERATIONS[id]).filter(({ paths }) => paths.some((pattern) => matches(pattern, path)));
	if (matching.length === 0) return '';
	return [...new Set([...matching.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])), 'OPTIONS'])].join(', ');
}

function matches(pattern: string, path: string): boolean {
	const wanted = pattern.split('/');
	const given = path.replace(/(?<=.)\/$/, '').split('/');
	return (
		wanted.length === given.length && wanted.every((part, index) => (part.startsWith('{') ? given[index] !== '' : part === given[index]))
	);
}

function notFoundResponse({ path }: { path: string }): never {
	const allow = allowed(path);
	throw allow === '' ? new Problem('not_found') : new Problem('method_not_allowed', { headers: { Allow: allow } });
}

type Middleware = MiddlewareObj<APIGatewayProxyEvent, APIGatewayProxyResult, Error>;

function commonHeaders(): Middleware {
	const apply: Middleware['after'] = (request) => {
		const { event, response } = request;
		if (response === null || response === undefined) return;
		const answer = withCommonHeaders(response, event.requestContext.requestId);
		const deprecated = OPERATION_IDS.some(
			(id) => OPERATIONS[id].deprecated === true && OPERATIONS[id].paths.some((path) => matches(path, event.path)),
		);
		if (deprecated) answer.headers = { ...answer.headers, ...DEPRECATION_HEADERS };
		request.response = event.httpMethod === 'HEAD' ? { ...answer, body: '', isBase64Encoded: false } : answer;
	};
	return { after: apply, onError: apply };
}

/** Turns whatever was thrown into a problem; what nobody foresaw is logged and told apart only by its request id. */
function problemAnswers(deps: ApiDeps): Middleware {
	return {
		onError: (request) => {
			const requestId = request.event.requestContext.requestId;
			const fault = asProblem(request.error);
			if (fault.status >= 500 && fault.kind !== 'job_failed') {
				deps.telemetry.log(fault.status === 503 ? 'warn' : 'error', 'A request failed.', {
					request_id: requestId,
					method: request.event.httpMethod,
					path: request.event.path,
					error: request.error,
				});
			}
			request.response = problem(fault, requestId);
		},
	};
}

/** What changing a clone's time may be refused with. Any other permanent error that comes so far is a fault of the service. */
const FROM_CLONE_CONTROL: ReadonlyMap<string, ProblemCode> = new Map([
	['clone_not_live', 'clone_not_live'],
	['clone_lost', 'clone_not_live'],
	['ttl_in_the_past', 'ttl_in_the_past'],
]);

function asProblem(error: unknown): Problem {
	if (error instanceof Problem) return error;
	if (error instanceof PermanentError && error.code === 'bad_cursor') {
		return new Problem('bad_cursor', { errors: [{ field: 'cursor', code: 'invalid_value', message: 'Is not a cursor of this list.' }] });
	}
	const mended = error instanceof PermanentError ? FROM_CLONE_CONTROL.get(error.code) : undefined;
	if (mended !== undefined && error instanceof Error) return new Problem(mended, { detail: error.message });
	const timedOut = error instanceof Error && error.name === 'TimeoutError';
	if (error instanceof TransientError || timedOut) {
		const seconds = error instanceof TransientError ? (error.retryAfterSeconds ?? 5) : 5;
		return new Problem('unavailable', { headers: { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) }, cause: error });
	}
	return new Problem('internal', { cause: error });
}
