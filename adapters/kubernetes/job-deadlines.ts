/**
 * Moves a clone's deadline in the cluster, and can do nothing else: for the API, which changes a clone's time and should be
 * small. Two requests, without the Kubernetes client.
 */
import { Agent, request } from 'node:https';
import type { V1Job } from '@kubernetes/client-node';
import { PermanentError, ProductError, TransientError } from '../../core/errors.ts';
import type { Millis } from '../../core/jobs/job.ts';
import type { Clock, CloneHost } from '../../core/ports.ts';
import { jobCondition } from './slot-condition.ts';

export interface JobDeadlinesOptions {
	/** The cluster's endpoint. */
	readonly server: string;
	/** The authority's certificate: PEM in base64, as EKS gives it. */
	readonly caData: string;
	/** Asked before every request. */
	readonly token: () => Promise<string>;
	readonly namespace: string;
	readonly clock: Clock;
	/** Whose certificate it has, where that is not the endpoint's host. */
	readonly serverName?: string;
	/** @default 10 000 */
	readonly timeoutMs?: number;
}

const SLOT_ID = /^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/;
const MOST_BYTES = 1024 * 1024;

/** @throws (its `extend`) PermanentError `bad_slot_id`, `cluster_forbidden`; TransientError `cluster_*` */
export function jobDeadlines(options: JobDeadlinesOptions): Pick<CloneHost, 'extend'> {
	const { server, caData, token, namespace, clock, timeoutMs = 10_000 } = options;
	const agent = new Agent({ keepAlive: true, ca: Buffer.from(caData, 'base64'), servername: options.serverName });

	/** @returns the Job; undefined when there is none */
	async function ask(method: 'GET' | 'PATCH', slotId: string, body?: object): Promise<V1Job | undefined> {
		const url = new URL(`/apis/batch/v1/namespaces/${namespace}/jobs/${slotId}`, server);
		const headers = {
			Accept: 'application/json',
			'Content-Type': 'application/merge-patch+json',
			Authorization: `Bearer ${await token()}`,
		};
		const answer = await exchange(url, { method, headers, agent, timeoutMs }, body === undefined ? '' : JSON.stringify(body));
		if (answer.status === 404) return undefined;
		if (answer.status >= 300) throw refused(answer.status);
		return JSON.parse(answer.body) as V1Job;
	}

	return {
		async extend(slotId: string, deadline: Millis): Promise<boolean> {
			if (!SLOT_ID.test(slotId)) throw new PermanentError('bad_slot_id', 'A slot id is a DNS label of at most 52 characters.');
			const job = await ask('GET', slotId);
			if (jobCondition(job, clock.now())?.state === 'gone') return false;
			// Kubernetes counts from here; before it has set it, from about now.
			const start = job?.status?.startTime === undefined ? clock.now() : new Date(job.status.startTime).getTime();
			const activeDeadlineSeconds = Math.max(1, Math.ceil((deadline - start) / 1000));
			const moved = await ask('PATCH', slotId, { spec: { activeDeadlineSeconds } });
			// One that had ended already has taken no notice of it.
			return jobCondition(moved, clock.now())?.state !== 'gone' && (moved?.status?.failed ?? 0) === 0;
		},
	};
}

function refused(status: number): ProductError {
	if (status === 401) return new TransientError('cluster_login_refused', "The cluster refused the API's login. Check its access entry.");
	if (status === 403) return new PermanentError('cluster_forbidden', "The API may not change a clone's Job. Bind it to its Role.");
	if (status === 429) {
		return new TransientError('cluster_throttled', 'The cluster asks to be asked less often.', { retryAfterSeconds: 2 });
	}
	return new TransientError('cluster_error', `The cluster failed to change the Job (HTTP ${status}).`);
}

function exchange(
	url: URL,
	options: { method: string; headers: Record<string, string>; agent: Agent; timeoutMs: number },
	body: string,
): Promise<{ status: number; body: string }> {
	const { timeoutMs, ...plain } = options;
	return new Promise((resolve, reject) => {
		const fail = (cause: unknown): void => {
			const known = cause instanceof ProductError;
			reject(known ? cause : new TransientError('cluster_unreachable', "The cluster's API does not answer.", { cause }));
		};
		const sent = request(url, { ...plain, signal: AbortSignal.timeout(timeoutMs) }, (answer) => {
			const parts: Buffer[] = [];
			let size = 0;
			answer.on('data', (part: Buffer) => {
				parts.push(part);
				size += part.length;
				if (size > MOST_BYTES) answer.destroy(new TransientError('cluster_error', 'The cluster answered with far too much.'));
			});
			answer.once('error', fail);
			answer.once('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }));
		});
		sent.once('error', fail);
		sent.end(body);
	});
}
