/**
 * The API as the service on one machine runs it, over real HTTP: local server, handler, tokens, SQLite stores. The
 * queue only notes what is sent, and nothing works on the jobs: a test moves them itself.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { APIGatewayProxyEvent } from 'aws-lambda';
import { createToken, ensureFirstToken, openApiTokens } from '../../../adapters/embedded/api-tokens.ts';
import { FileKeySecretBox } from '../../../adapters/embedded/file-key-secret-box.ts';
import { type HttpLimits, startHttpServer } from '../../../adapters/embedded/http-server.ts';
import { SqliteCloneStore } from '../../../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteDatabase } from '../../../adapters/embedded/sqlite/sqlite-database.ts';
import { SqliteJobStore } from '../../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { swaggerUiFile } from '../../../adapters/embedded/swagger-ui.ts';
import { systemRandom } from '../../../adapters/embedded/system.ts';
import { type ApiDeps, type ApiSettings, DEFAULT_API_SETTINGS, type RateLimiter } from '../../../core/api/deps.ts';
import type { ProblemBody } from '../../../core/api/problems.ts';
import { tokenBuckets } from '../../../core/api/rate-limit.ts';
import { cloneControl } from '../../../core/clones/clone-control.ts';
import type { Json } from '../../../core/jobs/job.ts';
import { jobSealContext } from '../../../core/jobs/new-job.ts';
import type { JobPatch, JobQueue } from '../../../core/ports.ts';
import { bearerAuth } from '../../../lambdas/api/bearer.ts';
import { createApiHandler } from '../../../lambdas/api/handler.ts';
import { openApiChecker } from './openapi-check.ts';

export interface ServiceOptions {
	readonly settings?: Partial<ApiSettings>;
	readonly limits?: Partial<HttpLimits>;
	readonly names?: readonly string[];
	readonly limiter?: RateLimiter;
	readonly queue?: JobQueue;
	readonly delay?: ApiDeps['delay'];
	readonly authenticate?: (event: APIGatewayProxyEvent) => Promise<string | null>;
}

export interface CallOptions {
	/** A token; null: none. @default the first owner's */
	readonly token?: string | null;
	readonly headers?: Readonly<Record<string, string>>;
	/** Sent as JSON. */
	readonly json?: unknown;
	/** Sent as it is. */
	readonly body?: string | Uint8Array<ArrayBuffer>;
}

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	readonly text: string;
	/** The body as JSON. */
	// biome-ignore lint/suspicious/noExplicitAny: tests read bodies of many shapes; the shape itself is checked against openapi.json.
	readonly body: any;
	readonly problem: ProblemBody;
}

export const VALID_CLONE = {
	source_url: 'https://shop.example.com',
	source_username: 'admin',
	source_password: 'correct horse',
} as const;

export async function startService(options: ServiceOptions = {}) {
	const dataDir = await mkdtemp(join(tmpdir(), 'api-test-'));
	const db = new SqliteDatabase(join(dataDir, 'service.db'));
	const box = new FileKeySecretBox(join(dataDir, 'secret-key'));
	const calls: string[] = [];
	const jobs = noted('jobs', new SqliteJobStore(db), calls);
	const sent: string[] = [];
	const logs: { level: string; message: string; fields: Readonly<Record<string, unknown>> | undefined }[] = [];
	const time = { ahead: 0 };
	const clock = { now: () => Date.now() + time.ahead };
	const clones = noted('clones', new SqliteCloneStore(db, clock.now), calls);
	const queue: JobQueue = options.queue ?? {
		async send(jobId) {
			sent.push(jobId);
		},
	};
	const host = {
		start: async () => undefined,
		status: async () => ({ state: 'gone' as const, reason: 'there is no host in this test' }),
		extend: async () => true,
		remove: async () => undefined,
		route: async () => undefined,
		list: async () => [],
	};
	const cloneAgents = { call: async () => ({}) };
	const ttl = { set: async () => undefined, cancel: async () => undefined };
	const control = cloneControl({
		jobs,
		clones,
		host,
		ttl,
		clock,
		secrets: box,
		cloneAgents,
		settings: { hostGraceSeconds: 30 },
	});

	const firstToken = await ensureFirstToken(dataDir);
	if (firstToken === null) throw new Error('A new data folder had a token already.');
	const secondToken = await createToken(dataDir, 'owner-2');
	const tokens = openApiTokens(dataDir);

	const handler = createApiHandler({
		deps: {
			jobs,
			clones,
			queue,
			secrets: box,
			control,
			limiter: options.limiter ?? tokenBuckets(clock, Number.POSITIVE_INFINITY),
			clock,
			random: systemRandom,
			telemetry: { log: (level, message, fields) => void logs.push({ level, message, fields }), metric: () => undefined },
			delay: options.delay ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
			settings: { ...DEFAULT_API_SETTINGS, ...options.settings },
		},
		authenticate: options.authenticate ?? bearerAuth((token) => tokens.ownerOf(token)),
		docs: swaggerUiFile,
	});
	const server = await startHttpServer({
		handler: (event, context) => handler(event, context),
		port: 0,
		names: options.names,
		limits: options.limits,
		telemetry: { log: (level, message, fields) => void logs.push({ level, message, fields }), metric: () => undefined },
	});
	const check = openApiChecker((await (await fetch(`${server.url}/openapi.json`)).json()) as Record<string, unknown>);

	/** One request. @throws Error when the answer is not what openapi.json says */
	async function call(method: string, path: string, { token = firstToken, headers = {}, json, body }: CallOptions = {}): Promise<Answer> {
		const response = await fetch(`${server.url}${path}`, {
			method,
			redirect: 'manual',
			headers: {
				...(token === null ? {} : { authorization: `Bearer ${token}` }),
				...(json === undefined ? {} : { 'content-type': 'application/json' }),
				...headers,
			},
			body: json === undefined ? body : JSON.stringify(json),
		});
		const text = await response.text();
		const answer = { status: response.status, headers: response.headers, text };
		if (method !== 'HEAD' && method !== 'OPTIONS') {
			const faults = check(method, path, answer);
			if (faults.length > 0) throw new Error(`${method} ${path} answered ${response.status} ${text.slice(0, 300)}: ${faults.join('; ')}`);
		}
		const parsed: unknown = /json/.test(response.headers.get('content-type') ?? '') && text !== '' ? JSON.parse(text) : undefined;
		return { ...answer, body: parsed, problem: parsed as ProblemBody };
	}

	/** Moves a job as a worker would. */
	async function work(jobId: string, patch: JobPatch, secret?: Json): Promise<void> {
		const now = clock.now();
		const leased = await jobs.lease(jobId, { holder: 'test', now, until: now + 60_000 });
		if (leased === undefined) throw new Error(`${jobId} cannot be leased.`);
		const sealed = secret === undefined ? {} : { sealed_result: await box.seal(JSON.stringify(secret), jobSealContext(leased)) };
		await jobs.save(jobId, leased.fence, { ...patch, ...sealed }, { now, release: true });
	}

	/** Makes a clone of a job live, as the clone job's last steps do. */
	async function finishClone(jobId: string): Promise<string> {
		const job = await jobs.get(jobId);
		const clone = job?.clone_id == null ? undefined : await clones.get(job.clone_id);
		if (clone === undefined) throw new Error(`${jobId} has no clone.`);
		const expires_at = clock.now() + clone.ttl_minutes * 60_000;
		const slot_id = `slot-${jobId.slice(-12)}`;
		await clones.putSlot({
			slot_id,
			state: 'claimed',
			job_id: jobId,
			endpoint: null,
			agent_key_sealed: await box.seal('key', { slot_id }),
			php_version: '8.4',
			wp_version: null,
			created_at: clock.now(),
		});
		const url = 'http://127.0.0.1:41001';
		await clones.update(clone.clone_id, clone.generation, { state: 'live', expires_at, slot_id, url });
		const proof = { tables: 12, rows: 340, files: 25, bytes: 1234, differences: [], left_out: [] };
		const result = {
			clone_id: clone.clone_id,
			clone_url: url,
			username: 'clone-admin',
			expires_at: new Date(expires_at).toISOString(),
			fidelity: 'full',
			warnings: [],
			proof,
		};
		await work(
			jobId,
			{ status: 'completed', progress: 100, status_message: 'The clone is ready', completed_at: clock.now(), sealed_input: null, result },
			{ password: 'clone secret', login_url: `${url}/?login=once` },
		);
		return clone.clone_id;
	}

	return {
		url: server.url,
		port: server.port,
		dataDir,
		firstToken,
		secondToken,
		jobs,
		clones,
		/** Names of the store calls made so far, such as `jobs.get`. */
		calls,
		sent,
		logs,
		time,
		db,
		clock,
		call,
		work,
		finishClone,
		/** Every job of both owners, for "nothing was written". */
		async jobCount() {
			return Object.values(await jobs.countByStatus()).reduce((sum, count) => sum + count, 0);
		},
		close: server.close,
		async stop() {
			await server.close(1_000);
			db.close();
			await rm(dataDir, { recursive: true });
		},
	};
}

export type Service = Awaited<ReturnType<typeof startService>>;

/** The same object, with each call's name noted. */
function noted<T extends object>(name: string, target: T, calls: string[]): T {
	return new Proxy(target, {
		get(object, key) {
			const value: unknown = Reflect.get(object, key);
			if (typeof value !== 'function') return value;
			return (...values: unknown[]): unknown => {
				calls.push(`${name}.${String(key)}`);
				return Reflect.apply(value, object, values);
			};
		},
	});
}
