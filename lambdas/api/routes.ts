/** Binds each operation to its use case. A missing or a surplus operation does not compile. */
import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda';
import { deleteClone, getClone, listClones, patchClone } from '../../core/api/clones.ts';
import { createClone } from '../../core/api/create-clone.ts';
import type { ApiDeps } from '../../core/api/deps.ts';
import { cancelJob, getJob, listJobs } from '../../core/api/jobs.ts';
import { awaitJob } from '../../core/api/legacy-clone.ts';
import { openApiDocument } from '../../core/api/openapi.ts';
import type { OperationId } from '../../core/api/operations.ts';
import { Problem } from '../../core/api/problems.ts';
import { renderAccepted, renderClone, renderJob } from '../../core/api/render.ts';
import { idempotencyKeySchema, type RequestSchemas, requestSchemas } from '../../core/api/request-schemas.ts';
import type { AcceptedBody, CloneBody, JobBody } from '../../core/api/response-schemas.ts';
import { sourceUrlProblem } from '../../core/api/source-url.ts';
import { invalid, validate } from '../../core/api/validate.ts';
import { json } from './answers.ts';
import { type DocsFiles, docsFile, docsPage } from './docs-page.ts';
import { addressedAs, headerValues, jsonBody, pathId, queryObject } from './request.ts';

/** @param owner who calls; empty on open routes */
export type RouteHandler = (event: APIGatewayProxyEvent, owner: string) => Promise<APIGatewayProxyResult>;

/** What a successor route is named by (RFC 8288, RFC 9745: 2026-01-01). */
export const DEPRECATION_HEADERS = { Deprecation: '@1767225600', Link: '</api/v2/clone>; rel="successor-version"' };

export function routeHandlers(deps: ApiDeps, docs: DocsFiles): Readonly<Record<OperationId, RouteHandler>> {
	const schemas = schemasFor(deps);
	let document: string | undefined;

	const accepted = (event: APIGatewayProxyEvent, job: Parameters<typeof renderAccepted>[0]): APIGatewayProxyResult => {
		const body: AcceptedBody = renderAccepted(job, deps.settings.publicUrl ?? addressedAs(event));
		return json(202, body, { Location: body.status_url });
	};

	return {
		async createClone(event, owner) {
			const request = validate(schemas.clone, jsonBody(event), 'body');
			return accepted(event, await createClone(deps, owner, request, idempotencyKey(event)));
		},

		async legacyClone(event, owner) {
			const { async_mode: inBody, ...request } = validate(schemas.legacyClone, jsonBody(event), 'body');
			const { async_mode: inQuery } = validate(schemas.legacyQuery, queryObject(event), 'query');
			const job = await createClone(deps, owner, request, idempotencyKey(event));
			if (inQuery ?? inBody ?? false) return accepted(event, job);
			const ended = await awaitJob(deps, job);
			if (ended.secret === undefined) return accepted(event, ended.job);
			return json(200, { ...renderJob(ended.job, ended.secret).result, job_id: job.job_id });
		},

		async deleteClone(event, owner) {
			const id = pathId(event, 'clone_id');
			if (id === null) throw new Problem('clone_not_found');
			return accepted(event, await deleteClone(deps, owner, id));
		},

		async getJob(event, owner) {
			const { job, secret } = await getJob(deps, owner, jobId(event));
			const body: JobBody = renderJob(job, secret);
			return json(200, body);
		},

		async listJobs(event, owner) {
			const page = await listJobs(deps, owner, validate(schemas.listQuery, queryObject(event), 'query'));
			return json(200, { jobs: page.items.map((job) => renderJob(job)), next_cursor: page.next_cursor });
		},

		async cancelJob(event, owner) {
			return accepted(event, await cancelJob(deps, owner, jobId(event)));
		},

		async listClones(event, owner) {
			const page = await listClones(deps, owner, validate(schemas.listQuery, queryObject(event), 'query'));
			return json(200, { clones: page.items.map(renderClone), next_cursor: page.next_cursor });
		},

		async getClone(event, owner) {
			const id = pathId(event, 'clone_id');
			if (id === null) throw new Problem('clone_not_found');
			const body: CloneBody = renderClone(await getClone(deps, owner, id));
			return json(200, body);
		},

		async patchClone(event, owner) {
			const id = pathId(event, 'clone_id');
			if (id === null) throw new Problem('clone_not_found');
			const { ttl_minutes } = validate(schemas.patchClone, jsonBody(event), 'body');
			const body: CloneBody = renderClone(await patchClone(deps, owner, id, ttl_minutes));
			return json(200, body);
		},

		async health() {
			return json(200, { status: 'ok', version: deps.settings.version });
		},

		async openapi() {
			document ??= JSON.stringify(openApiDocument(schemas, deps.settings.version));
			return { statusCode: 200, headers: { 'Content-Type': 'application/json' }, body: document };
		},

		async docs(event) {
			return docsPage(event.path);
		},

		async docsFile(event) {
			return docsFile(docs, event.pathParameters?.file ?? '');
		},
	};
}

function schemasFor(deps: ApiDeps): RequestSchemas {
	const { allowPrivateSites, features } = deps.settings;
	return requestSchemas({
		sourceUrlProblem: (url) => sourceUrlProblem(url, { allowPrivate: allowPrivateSites }),
		callbackUrlProblem: (url) => sourceUrlProblem(url),
		features,
	});
}

function jobId(event: APIGatewayProxyEvent): string {
	const id = pathId(event, 'job_id');
	if (id === null) throw new Problem('job_not_found');
	return id;
}

/** @throws Problem `invalid_request` when it is empty, too long, not printable ASCII, or there twice */
function idempotencyKey(event: APIGatewayProxyEvent): string | null {
	const keys = headerValues(event, 'idempotency-key');
	if (keys.length === 0) return null;
	const field = 'Idempotency-Key';
	if (keys.length > 1) throw invalid([{ field, code: 'repeated', message: 'Give this header once.' }]);
	if (idempotencyKeySchema.safeParse(keys[0]).success) return keys[0] ?? null;
	throw invalid([{ field, code: 'invalid_format', message: 'Must be 1 to 255 printable ASCII characters.' }]);
}
