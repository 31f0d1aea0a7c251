import type { SQLInputValue } from 'node:sqlite';
import type { Clone } from '../../../core/clones/clone.ts';
import { LeaseLostError, TransientError } from '../../../core/errors.ts';
import { JOB_STATUSES, JOB_TYPES, type Job, type JobStatus, type Millis } from '../../../core/jobs/job.ts';
import type { AcceptJob, AcceptResult, JobPatch, JobStore, Page } from '../../../core/ports.ts';
import { decodeCursor, START, toPage } from '../../page-cursor.ts';
import type { Row, SqliteDatabase } from './sqlite-database.ts';
import { json, number, numberOrNull, object, objectOrNull, oneOf, text, textOrNull } from './sqlite-rows.ts';

const LIVE = "status IN ('pending', 'running')";

const SQL = {
	get: 'SELECT * FROM jobs WHERE job_id = ?',
	idempotency: 'SELECT body_hash, job_id FROM idempotency WHERE owner = ? AND key_hash = ?',
	insertIdempotency: 'INSERT INTO idempotency (owner, key_hash, body_hash, job_id) VALUES (?, ?, ?, ?)',
	// A name that a deleted clone left is taken over, its generation goes on: whoever still holds the old one can change nothing.
	claimClone: `INSERT INTO clones
		(clone_id, owner, job_id, state, generation, created_at, ttl_minutes, expires_at, slot_id, url, source_url, facts_json)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (clone_id) DO UPDATE SET
		owner = excluded.owner, job_id = excluded.job_id, state = excluded.state,
		generation = MAX(excluded.generation, clones.generation + 1), created_at = excluded.created_at,
		ttl_minutes = excluded.ttl_minutes, expires_at = excluded.expires_at, slot_id = excluded.slot_id, url = excluded.url,
		source_url = excluded.source_url, facts_json = excluded.facts_json, deleted_at = NULL
		WHERE clones.state = 'deleted'`,
	list: `SELECT * FROM jobs WHERE owner = ? AND (created_at, job_id) < (?, ?) ORDER BY created_at DESC, job_id DESC LIMIT ?`,
	lease: `UPDATE jobs SET lease_holder = ?, lease_until = ?, fence = fence + 1
		WHERE job_id = ? AND ${LIVE} AND (lease_holder IS NULL OR lease_until <= ?) RETURNING *`,
	cancel: `UPDATE jobs SET cancel_requested = 1, run_at = ?, updated_at = MAX(updated_at, ?)
		WHERE job_id = ? AND ${LIVE} RETURNING *`,
	overdue: `SELECT * FROM jobs WHERE ${LIVE} AND run_at < ? AND (lease_holder IS NULL OR lease_until < ?) ORDER BY run_at LIMIT ?`,
	eraseResult: `UPDATE jobs SET sealed_result = NULL WHERE job_id = ? AND NOT ${LIVE}`,
	count: 'SELECT status, COUNT(*) AS jobs FROM jobs GROUP BY status',
} as const;

/** Every column of a job, in the order of `insertValues`. */
const COLUMNS = [
	'job_id',
	'owner',
	'type',
	'status',
	'progress',
	'status_message',
	'created_at',
	'updated_at',
	'completed_at',
	'estimated_completion',
	'input_json',
	'sealed_input',
	'result_json',
	'sealed_result',
	'error_json',
	'clone_id',
	'deadline',
	'run_at',
	'step',
	'attempt',
	'outputs_json',
	'undoing_json',
	'cancel_requested',
	'fence',
	'lease_holder',
	'lease_until',
] as const;

const INSERT = `INSERT INTO jobs (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map(() => '?').join(', ')}) ON CONFLICT (job_id) DO NOTHING`;

/** Jobs in the service's own SQLite file. Accepting a job is one transaction. */
export class SqliteJobStore implements JobStore {
	readonly #db: SqliteDatabase;

	constructor(db: SqliteDatabase) {
		this.#db = db;
	}

	async accept(request: AcceptJob): Promise<AcceptResult> {
		const { job, idempotency, clone } = request;
		return this.#db.transaction((): AcceptResult => {
			const earlier = idempotency === null ? undefined : this.#db.get(SQL.idempotency, job.owner, idempotency.key_hash);
			if (earlier !== undefined) {
				return this.#repeated(earlier, idempotency?.body_hash);
			}
			// The first write, so that nothing has to be taken back when the name is taken.
			if (clone !== null && this.#db.run(SQL.claimClone, ...cloneValues(clone)) === 0) {
				return { outcome: 'clone_id_taken' };
			}
			if (this.#db.run(INSERT, ...insertValues(job)) === 0) {
				throw new TransientError('job_id_taken', `There is a job ${job.job_id} already. Send the request again.`);
			}
			if (idempotency !== null) {
				this.#db.run(SQL.insertIdempotency, job.owner, idempotency.key_hash, idempotency.body_hash, job.job_id);
			}
			return { outcome: 'accepted' };
		});
	}

	#repeated(earlier: Row, bodyHash: string | undefined): AcceptResult {
		if (text(earlier, 'body_hash') !== bodyHash) {
			return { outcome: 'idempotency_conflict' };
		}
		const row = this.#db.get(SQL.get, text(earlier, 'job_id'));
		return row === undefined ? { outcome: 'idempotency_conflict' } : { outcome: 'duplicate', job: toJob(row) };
	}

	async get(jobId: string): Promise<Job | undefined> {
		return toJobOrUndefined(this.#db.get(SQL.get, jobId));
	}

	async list(owner: string, page: { limit: number; cursor: string | null }): Promise<Page<Job>> {
		const after = decodeCursor(page.cursor) ?? START;
		const rows = this.#db.all(SQL.list, owner, after.created_at, after.id, page.limit + 1);
		return toPage(rows.map(toJob), page.limit, (job) => ({ created_at: job.created_at, id: job.job_id }));
	}

	async lease(jobId: string, lease: { holder: string; now: Millis; until: Millis }): Promise<Job | undefined> {
		return toJobOrUndefined(this.#db.get(SQL.lease, lease.holder, lease.until, jobId, lease.now));
	}

	async save(
		jobId: string,
		fence: number,
		patch: JobPatch,
		lease: { now: Millis; until: Millis } | { now: Millis; release: true },
	): Promise<Job> {
		const sets = patchColumns(patch);
		// A bare renewal is no news to the caller: updated_at stays.
		if (sets.length > 0) {
			sets.push(['updated_at = MAX(updated_at, ?)', lease.now]);
		}
		if ('release' in lease) {
			sets.push(['lease_holder = ?', null], ['lease_until = ?', lease.now]);
		} else {
			sets.push(['lease_until = ?', lease.until]);
		}
		const assignments = sets.map(([assignment]) => assignment).join(', ');
		const sql = `UPDATE jobs SET ${assignments} WHERE job_id = ? AND fence = ? AND ${LIVE} RETURNING *`;
		const row = this.#db.get(sql, ...sets.map(([, value]) => value), jobId, fence);
		if (row === undefined) {
			throw new LeaseLostError(jobId);
		}
		return toJob(row);
	}

	async requestCancel(jobId: string, now: Millis): Promise<Job | undefined> {
		return toJobOrUndefined(this.#db.get(SQL.cancel, now, now, jobId) ?? this.#db.get(SQL.get, jobId));
	}

	async overdue(before: Millis, limit: number): Promise<readonly Job[]> {
		return this.#db.all(SQL.overdue, before, before, limit).map(toJob);
	}

	async eraseSealedResult(jobId: string): Promise<void> {
		this.#db.run(SQL.eraseResult, jobId);
	}

	async countByStatus(): Promise<Readonly<Record<JobStatus, number>>> {
		const counts: Record<JobStatus, number> = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
		for (const row of this.#db.all(SQL.count)) {
			counts[oneOf(row, 'status', JOB_STATUSES)] = number(row, 'jobs');
		}
		return counts;
	}
}

type Assignment = [string, SQLInputValue];

function jsonValue(value: unknown): string | null {
	return value === null ? null : JSON.stringify(value);
}

/** How each field of a patch is stored. */
const PATCH: { readonly [K in keyof JobPatch]-?: (value: NonNullable<JobPatch[K]> | null) => Assignment } = {
	status: (value) => ['status = ?', value],
	progress: (value) => ['progress = MAX(progress, ?)', value],
	status_message: (value) => ['status_message = ?', value],
	completed_at: (value) => ['completed_at = ?', value],
	estimated_completion: (value) => ['estimated_completion = ?', value],
	result: (value) => ['result_json = ?', JSON.stringify(value)],
	sealed_input: (value) => ['sealed_input = ?', value],
	sealed_result: (value) => ['sealed_result = ?', value],
	error: (value) => ['error_json = ?', jsonValue(value)],
	run_at: (value) => ['run_at = ?', value],
	step: (value) => ['step = ?', value],
	attempt: (value) => ['attempt = ?', value],
	outputs: (value) => ['outputs_json = ?', JSON.stringify(value)],
	undoing: (value) => ['undoing_json = ?', jsonValue(value)],
};

function patchColumns(patch: JobPatch): Assignment[] {
	const assignments: Assignment[] = [];
	// In the order of PATCH, so that equal sets of fields share one prepared statement.
	for (const field of Object.keys(PATCH) as (keyof JobPatch)[]) {
		const value = patch[field];
		if (value !== undefined) {
			assignments.push((PATCH[field] as (value: unknown) => Assignment)(value));
		}
	}
	return assignments;
}

function insertValues(job: Job): SQLInputValue[] {
	return [
		job.job_id,
		job.owner,
		job.type,
		job.status,
		job.progress,
		job.status_message,
		job.created_at,
		job.updated_at,
		job.completed_at,
		job.estimated_completion,
		JSON.stringify(job.input),
		job.sealed_input,
		JSON.stringify(job.result),
		job.sealed_result,
		jsonValue(job.error),
		job.clone_id,
		job.deadline,
		job.run_at,
		job.step,
		job.attempt,
		JSON.stringify(job.outputs),
		jsonValue(job.undoing),
		job.cancel_requested ? 1 : 0,
		job.fence,
		job.lease_holder,
		job.lease_until,
	];
}

function cloneValues(clone: Clone): SQLInputValue[] {
	const { clone_id, owner, job_id, state, generation, created_at, ttl_minutes, expires_at, slot_id, url, source_url, facts } = clone;
	return [clone_id, owner, job_id, state, generation, created_at, ttl_minutes, expires_at, slot_id, url, source_url, JSON.stringify(facts)];
}

function toJob(row: Row): Job {
	return {
		job_id: text(row, 'job_id'),
		owner: text(row, 'owner'),
		type: oneOf(row, 'type', JOB_TYPES),
		status: oneOf(row, 'status', JOB_STATUSES),
		progress: number(row, 'progress'),
		status_message: text(row, 'status_message'),
		created_at: number(row, 'created_at'),
		updated_at: number(row, 'updated_at'),
		completed_at: numberOrNull(row, 'completed_at'),
		estimated_completion: numberOrNull(row, 'estimated_completion'),
		input: json(row, 'input_json'),
		sealed_input: textOrNull(row, 'sealed_input'),
		result: json(row, 'result_json'),
		sealed_result: textOrNull(row, 'sealed_result'),
		error: objectOrNull(row, 'error_json'),
		clone_id: textOrNull(row, 'clone_id'),
		deadline: number(row, 'deadline'),
		run_at: number(row, 'run_at'),
		step: textOrNull(row, 'step'),
		attempt: number(row, 'attempt'),
		outputs: object(row, 'outputs_json'),
		undoing: objectOrNull(row, 'undoing_json'),
		cancel_requested: number(row, 'cancel_requested') !== 0,
		fence: number(row, 'fence'),
		lease_holder: textOrNull(row, 'lease_holder'),
		lease_until: number(row, 'lease_until'),
	};
}

function toJobOrUndefined(row: Row | undefined): Job | undefined {
	return row === undefined ? undefined : toJob(row);
}
