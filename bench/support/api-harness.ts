/** The API handler over the embedded store, in this process, with every call to the store and the queue counted. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { createToken, openApiTokens } from '../../adapters/embedded/api-tokens.ts';
import { FileKeySecretBox } from '../../adapters/embedded/file-key-secret-box.ts';
import { SqliteCloneStore } from '../../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteDatabase } from '../../adapters/embedded/sqlite/sqlite-database.ts';
import { SqliteJobQueue } from '../../adapters/embedded/sqlite/sqlite-job-queue.ts';
import { SqliteJobStore } from '../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { swaggerUiFile } from '../../adapters/embedded/swagger-ui.ts';
import { systemClock, systemRandom, systemTimers } from '../../adapters/embedded/system.ts';
import { DEFAULT_API_SETTINGS } from '../../core/api/deps.ts';
import { bearerAuth } from '../../lambdas/api/bearer.ts';
import { createApiHandler } from '../../lambdas/api/handler.ts';

const WRITES = new Set([
	'accept',
	'save',
	'lease',
	'requestCancel',
	'eraseSealedResult',
	'update',
	'putSlot',
	'moveSlot',
	'claimWarm',
	'removeSlot',
]);

export interface Counts {
	writes: number;
	reads: number;
	sends: number;
}

export interface ApiHarness {
	readonly counts: Counts;
	readonly jobs: SqliteJobStore;
	post(path: string, body: unknown): Promise<APIGatewayProxyResult>;
	get(path: string): Promise<APIGatewayProxyResult>;
	close(): void;
}

export async function apiHarness(): Promise<ApiHarness> {
	const folder = mkdtempSync(join(tmpdir(), 'bench-api-'));
	const counts: Counts = { writes: 0, reads: 0, sends: 0 };
	const counted = <T extends object>(target: T, count: (method: string) => void): T =>
		new Proxy(target, {
			get(object, name) {
				const member = Reflect.get(object, name, object) as unknown;
				if (typeof member !== 'function') return member;
				return (...args: unknown[]) => {
					count(String(name));
					return (member as (...inner: unknown[]) => unknown).apply(object, args);
				};
			},
		});
	const store = (method: string): void => {
		if (WRITES.has(method)) counts.writes++;
		else counts.reads++;
	};
	const db = new SqliteDatabase(join(folder, 'bench.sqlite'));
	const jobs = new SqliteJobStore(db);
	const queue = new SqliteJobQueue({ db, clock: systemClock, random: systemRandom, timers: systemTimers });
	const token = await createToken(folder, 'bench');
	const tokens = openApiTokens(folder);
	const handler = createApiHandler({
		deps: {
			jobs: counted(jobs, store),
			clones: counted(new SqliteCloneStore(db), store),
			queue: counted(queue, () => counts.sends++),
			secrets: new FileKeySecretBox(join(folder, 'key')),
			control: { setTtl: () => Promise.reject(new Error('not part of this benchmark')) },
			limiter: { take: async () => null },
			clock: systemClock,
			random: systemRandom,
			telemetry: { log: () => undefined, metric: () => undefined },
			delay: () => Promise.resolve(),
			// As deployed for agencies: no limit of live clones, so no read to count them.
			settings: { ...DEFAULT_API_SETTINGS, liveClonesPerOwner: null },
		},
		authenticate: bearerAuth((given) => tokens.ownerOf(given)),
		docs: swaggerUiFile,
	});
	const call = (httpMethod: string, path: string, body: string | null): Promise<APIGatewayProxyResult> => {
		const headers = {
			Authorization: `Bearer ${token}`,
			Host: '127.0.0.1',
			...(body === null ? {} : { 'Content-Type': 'application/json' }),
		};
		const event = {
			httpMethod,
			path,
			resource: '/{proxy+}',
			headers,
			multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
			queryStringParameters: null,
			multiValueQueryStringParameters: null,
			pathParameters: null,
			stageVariables: null,
			body,
			isBase64Encoded: false,
			requestContext: { requestId: 'bench', path, stage: 'local', httpMethod },
		} as unknown as APIGatewayProxyEvent;
		return handler(event, { awsRequestId: 'bench', getRemainingTimeInMillis: () => 29_000 } as Context);
	};
	return {
		counts,
		jobs,
		post: (path, body) => call('POST', path, JSON.stringify(body)),
		get: (path) => call('GET', path, null),
		close() {
			db.close();
			rmSync(folder, { recursive: true });
		},
	};
}

/** This process's own CPU time, user and system, ms. */
export function cpuMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1000;
}

/** @param part 0–1 */
export function percentile(values: readonly number[], part: number): number {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export const round = (value: number, digits = 3): number => Number(value.toFixed(digits));
