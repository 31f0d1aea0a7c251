import { LeaseLostError, TransientError } from '../../../core/errors.ts';
import { isTerminal, JOB_STATUSES, type Job, type JobStatus, type Millis, TERMINAL_STATUSES } from '../../../core/jobs/job.ts';
import type { AcceptJob, AcceptResult, JobPatch, JobStore, Page } from '../../../core/ports.ts';
import { decodeCursor, toPage } from '../../page-cursor.ts';
import type { Change, DynamoTable, RefusedPart, TransactionPart } from './dynamo-table.ts';
import { claimClonePart } from './dynamodb-clone-store.ts';
import type { Item } from './items.ts';
import { beforeTime, dueJobs, endedJobs, idempotencyKey, jobKey, ownerJobs, removableAfter, SHARDS, shardOf, timeKey } from './keys.ts';
import { jobAttributes, jsonText, number, text, toJob } from './rows.ts';

const LIVE = '#status IN (:pending, :running)';
const LIVE_VALUES = { pending: 'pending', running: 'running' } as const;
const ENDED = '#status IN (:completed, :failed, :cancelled)';
const ENDED_VALUES = { completed: 'completed', failed: 'failed', cancelled: 'cancelled' } as const;
/** Attribute types as DynamoDB names them. */
const NULL_TYPE = { null_type: 'NULL' } as const;
const UNHELD = 'attribute_type(#lease_holder, :null_type)';
/** No item there, or one past its time that DynamoDB has not removed yet. */
const FREE = 'attribute_not_exists(#pk) OR #ttl < :now_seconds';

/** How often a write is tried again because the row's time or progress was further than ours. */
const ATTEMPTS = 5;

type Lease = { now: Millis; until: Millis } | { now: Millis; release: true };

/**
 * Jobs in the table. Accepting is one transaction; everything else is one request.
 *
 * The due index: a job's sort key there is when somebody has to look at it, its `run_at`, or the end of its lease while it
 * is held. `run_key` keeps the first for the write that gives the lease up. A cancellation puts a held job there early;
 * readers filter by the row itself.
 */
export class DynamoJobStore implements JobStore {
	readonly #table: DynamoTable;

	constructor(table: DynamoTable) {
		this.#table = table;
	}

	/** @throws TransientError `job_id_taken`, `store_contended`, and those of aws-errors.ts */
	async accept(request: AcceptJob): Promise<AcceptResult> {
		const { job, idempotency, clone } = request;
		const now = { now_seconds: Math.floor(job.created_at / 1000) };
		const parts: TransactionPart[] = [
			...(idempotency === null
				? []
				: [
						this.#table.putPart(
							{
								...idempotencyKey(job.owner, idempotency.key_hash),
								body_hash: idempotency.body_hash,
								job_id: job.job_id,
								ttl: removableAfter(job.created_at),
							},
							FREE,
							now,
						),
					]),
			...(clone === null ? [] : [claimClonePart(this.#table, clone)]),
			this.#table.putPart({ ...jobKey(job.job_id), ...jobAttributes(job), ...indexKeys(job) }, FREE, now),
		];
		const refused = await this.#table.transact(parts);
		if (refused === null) return { outcome: 'accepted' };
		const key = idempotency === null ? undefined : refused[0];
		if (idempotency !== null && key !== undefined) return this.#repeated(key, idempotency.body_hash);
		if (clone !== null && refused[idempotency === null ? 0 : 1] !== undefined) return { outcome: 'clone_id_taken' };
		throw new TransientError('job_id_taken', `There is a job ${job.job_id} already. Send the request again.`);
	}

	async #repeated({ item }: RefusedPart, bodyHash: string): Promise<AcceptResult> {
		if (item === undefined || text(item, 'body_hash') !== bodyHash) return { outcome: 'idempotency_conflict' };
		const job = await this.get(text(item, 'job_id'));
		return job === undefined ? { outcome: 'idempotency_conflict' } : { outcome: 'duplicate', job };
	}

	async get(jobId: string): Promise<Job | undefined> {
		const item = await this.#table.get(jobKey(jobId));
		return item === undefined ? undefined : toJob(item);
	}

	async list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Job>> {
		const after = decodeCursor(page.cursor);
		const request = {
			index: 'gsi1',
			partition: ownerJobs(owner),
			descending: true,
			...(after === null ? {} : { before: timeKey(after.created_at, after.id) }),
		} as const;
		const items = await this.#table.query(request, page.limit + 1);
		return toPage(items.map(toJob), page.limit, (job) => ({ created_at: job.created_at, id: job.job_id }));
	}

	async lease(jobId: string, lease: { holder: string; now: Millis; until: Millis }): Promise<Job | undefined> {
		const changed = await this.#table.change(jobKey(jobId), {
			set: { lease_holder: lease.holder, lease_until: lease.until, gsi2sk: timeKey(lease.until, jobId) },
			compute: { fence: '#fence + :one' },
			condition: `${LIVE} AND (${UNHELD} OR #lease_until <= :now)`,
			values: { ...LIVE_VALUES, ...NULL_TYPE, now: lease.now, one: 1 },
		});
		return changed.done ? toJob(changed.item) : undefined;
	}

	async save(jobId: string, fence: number, patch: JobPatch, lease: Lease): Promise<Job> {
		let least: Item | undefined;
		for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
			const changed = await this.#table.change(jobKey(jobId), saveChange(jobId, fence, patch, lease, least));
			if (changed.done) return toJob(changed.item);
			const { item } = changed;
			if (item === undefined || number(item, 'fence') !== fence || isTerminal(toJob(item).status)) throw new LeaseLostError(jobId);
			// Ours still: only its progress or time is further than what was to be written.
			least = item;
		}
		throw contended();
	}

	async requestCancel(jobId: string, now: Millis): Promise<Job | undefined> {
		let updatedAt = now;
		for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
			const key = timeKey(now, jobId);
			const changed = await this.#table.change(jobKey(jobId), {
				set: { cancel_requested: true, run_at: now, run_key: key, gsi2sk: key, updated_at: updatedAt },
				condition: `${LIVE} AND #updated_at <= :updated_at`,
				values: { ...LIVE_VALUES, updated_at: updatedAt },
			});
			if (changed.item === undefined) return undefined;
			const job = toJob(changed.item);
			if (changed.done || isTerminal(job.status)) return job;
			updatedAt = job.updated_at;
		}
		throw contended();
	}

	async overdue(before: Millis, limit: number): Promise<readonly Job[]> {
		const filter = {
			expression: `#run_at < :time AND (${UNHELD} OR #lease_until < :time)`,
			values: { ...NULL_TYPE, time: before },
		};
		const shards = await Promise.all(
			SHARDS.map((shard) => this.#table.query({ index: 'gsi2', partition: dueJobs(shard), before: beforeTime(before), filter }, limit)),
		);
		const jobs = shards.flat().map(toJob);
		return jobs.sort((a, b) => a.run_at - b.run_at).slice(0, limit);
	}

	async eraseSealedResult(jobId: string): Promise<void> {
		await this.#table.change(jobKey(jobId), { set: { sealed_result: null }, condition: ENDED, values: ENDED_VALUES });
	}

	/** Reads every job there is through the due index: for people and tests, not for each minute. */
	async countByStatus(): Promise<Readonly<Record<JobStatus, number>>> {
		const counts: Record<JobStatus, number> = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
		const live = SHARDS.map(async (shard) => {
			for await (const page of this.#table.pages({ index: 'gsi2', partition: dueJobs(shard) }, 1000)) {
				for (const item of page) counts[toJob(item).status]++;
			}
		});
		const ended = JOB_STATUSES.filter(isTerminal).map(async (status) => {
			counts[status] = await this.#table.count({ index: 'gsi2', partition: endedJobs(status) });
		});
		await Promise.all([...live, ...ended]);
		return counts;
	}
}

/** The index keys of a job that is accepted. */
function indexKeys(job: Job): Item {
	const key = timeKey(job.run_at, job.job_id);
	return {
		gsi1pk: ownerJobs(job.owner),
		gsi1sk: timeKey(job.created_at, job.job_id),
		gsi2pk: dueJobs(shardOf(job.job_id)),
		gsi2sk: key,
		run_key: key,
	};
}

/** @param least the row that was in the way: progress and time are not written lower than there */
function saveChange(jobId: string, fence: number, patch: JobPatch, lease: Lease, least: Item | undefined): Change {
	const fields = patchAttributes(patch);
	const atLeast = (name: string, value: number): number => (least === undefined ? value : Math.max(value, number(least, name)));
	const progress = patch.progress === undefined ? undefined : atLeast('progress', patch.progress);
	// A bare renewal is no news to the caller: updated_at stays.
	const isNews = Object.values(fields).some((value) => value !== undefined);
	const updatedAt = isNews ? atLeast('updated_at', lease.now) : undefined;
	return {
		set: {
			...fields,
			progress,
			updated_at: updatedAt,
			...('release' in lease ? { lease_holder: null, lease_until: lease.now } : { lease_until: lease.until }),
			...(patch.run_at === undefined ? {} : { run_key: timeKey(patch.run_at, jobId) }),
			...dueKeys(jobId, patch, lease),
		},
		compute: 'release' in lease && patch.run_at === undefined && !ends(patch) ? { gsi2sk: '#run_key' } : {},
		condition: [
			`#fence = :fence AND ${LIVE}`,
			...(progress === undefined ? [] : ['#progress <= :progress']),
			...(updatedAt === undefined ? [] : ['#updated_at <= :updated_at']),
		].join(' AND '),
		values: { ...LIVE_VALUES, fence, progress, updated_at: updatedAt },
	};
}

const ends = (patch: JobPatch): boolean => patch.status !== undefined && TERMINAL_STATUSES.includes(patch.status);

function dueKeys(jobId: string, patch: JobPatch, lease: Lease): Readonly<Record<string, string | number>> {
	if (patch.status !== undefined && ends(patch)) {
		return { gsi2pk: endedJobs(patch.status), gsi2sk: timeKey(lease.now, jobId), ttl: removableAfter(lease.now) };
	}
	if (!('release' in lease)) return { gsi2sk: timeKey(lease.until, jobId) };
	return patch.run_at === undefined ? {} : { gsi2sk: timeKey(patch.run_at, jobId) };
}

function patchAttributes(patch: JobPatch): Readonly<Record<string, string | number | boolean | null | undefined>> {
	const { result, error, outputs, undoing, ...plain } = patch;
	return {
		...plain,
		result: result === undefined ? undefined : JSON.stringify(result),
		outputs: outputs === undefined ? undefined : JSON.stringify(outputs),
		error: error === undefined ? undefined : jsonText(error),
		undoing: undoing === undefined ? undefined : jsonText(undoing),
	};
}

function contended(): TransientError {
	return new TransientError('store_contended', 'Too many requests change the same rows at the same moment.', { retryAfterSeconds: 1 });
}
