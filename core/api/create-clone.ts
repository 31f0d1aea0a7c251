import type { Clone } from '../clones/clone.ts';
import type { Job } from '../jobs/job.ts';
import { jobSealContext, newJob } from '../jobs/new-job.ts';
import type { ApiDeps } from './deps.ts';
import { canonicalJson, sha256Hex } from './digest.ts';
import { Problem } from './problems.ts';
import type { CloneRequest } from './request-schemas.ts';
import { normalizeSourceUrl } from './source-url.ts';

/**
 * Accepts a clone job: one write, then one send. When the send fails the job is accepted all the same; the sweep sends it.
 * @param request validated
 * @param idempotencyKey the caller's, or null
 * @returns the job, or the earlier one of the same key and request
 * @throws Problem `rate_limited`, `too_many_clones`, `idempotency_conflict`, `clone_id_taken`
 */
export async function createClone(deps: ApiDeps, owner: string, request: CloneRequest, idempotencyKey: string | null): Promise<Job> {
	const wait = await deps.limiter.take(owner);
	if (wait !== null) throw new Problem('rate_limited', { headers: { 'Retry-After': String(wait) } });

	const now = deps.clock.now();
	const digits = idempotencyKey === null ? deps.random.hex(12) : (await sha256Hex(canonicalJson([owner, idempotencyKey]))).slice(0, 12);
	const jobId = `clone-${digits}`;
	const { source_password, ...visible } = { ...request, source_url: normalizeSourceUrl(request.source_url) };
	// Side by side: both wait for somebody else, and most requests pass.
	const [room, sealedInput] = await Promise.all([
		hasRoom(deps, owner),
		deps.secrets.seal(JSON.stringify({ source_password }), jobSealContext({ job_id: jobId, owner })),
	]);
	// A repeated request is answered with its job even by a caller who has no clone left to make.
	if (!room && (idempotencyKey === null || (await deps.jobs.get(jobId)) === undefined)) {
		throw new Problem('too_many_clones', { headers: { 'Retry-After': '60' } });
	}

	const cloneId = request.customer_id ?? jobId;
	const clone: Clone = {
		clone_id: cloneId,
		owner,
		job_id: jobId,
		state: 'provisioning',
		generation: 1,
		created_at: now,
		ttl_minutes: request.ttl_minutes,
		expires_at: null,
		slot_id: null,
		url: null,
		source_url: visible.source_url,
		facts: { access: request.access },
	};
	const job = newJob({
		job_id: jobId,
		type: 'clone',
		owner,
		input: { ...withoutUndefined(visible), clone_id: cloneId },
		sealed_input: sealedInput,
		clone_id: cloneId,
		now,
		deadlineSeconds: deps.settings.cloneDeadlineSeconds,
		expectedSeconds: deps.settings.cloneExpectedSeconds,
	});
	const accepted = await deps.jobs.accept({
		job,
		clone,
		idempotency: idempotencyKey === null ? null : await idempotencyRecord(owner, idempotencyKey, { ...visible, source_password }),
	});
	switch (accepted.outcome) {
		case 'accepted':
			deps.telemetry.metric('jobs_accepted', 1, 'count', { type: job.type });
			await sendJob(deps, job);
			return job;
		case 'duplicate':
			return accepted.job;
		case 'idempotency_conflict':
			throw new Problem('idempotency_conflict');
		case 'clone_id_taken':
			throw new Problem('clone_id_taken', {
				errors: [{ field: 'customer_id', pointer: '#/customer_id', code: 'taken', message: 'A live clone already has this name.' }],
			});
	}
}

/** The key is part of both hashes: with the row alone nobody can try passwords out. */
async function idempotencyRecord(owner: string, key: string, request: object): Promise<{ key_hash: string; body_hash: string }> {
	return {
		key_hash: await sha256Hex(canonicalJson([owner, key])),
		body_hash: await sha256Hex(canonicalJson(['clone', owner, key, { ...withoutUndefined(request) }])),
	};
}

/** Sends an accepted job's id. A queue that fails costs time, not the job. */
export async function sendJob(deps: Pick<ApiDeps, 'queue' | 'telemetry'>, job: Job): Promise<void> {
	try {
		await deps.queue.send(job.job_id);
	} catch (error) {
		deps.telemetry.log('error', 'An accepted job could not be sent to the queue; the sweep will send it.', { job_id: job.job_id, error });
		deps.telemetry.metric('job_send_failed', 1, 'count', { type: job.type });
	}
}

async function hasRoom(deps: ApiDeps, owner: string): Promise<boolean> {
	const limit = deps.settings.liveClonesPerOwner;
	if (limit === null) return true;
	let counted = 0;
	let cursor: string | null = null;
	do {
		const page: { items: readonly Clone[]; next_cursor: string | null } = await deps.clones.list(owner, {
			limit: Math.min(100, limit - counted),
			cursor,
		});
		counted += page.items.length;
		cursor = page.next_cursor;
	} while (cursor !== null && counted < limit);
	return counted < limit;
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
	return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as {
		[K in keyof T]: Exclude<T[K], undefined>;
	};
}
