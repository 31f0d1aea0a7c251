import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LeaseLostError, PermanentError } from '../../core/errors.ts';
import type { Job, JobStatus } from '../../core/jobs/job.ts';
import type { CloneStore, JobStore } from '../../core/ports.ts';
import { eventually, jobId, makeClone, makeJob, nth, present, readAll, T0, unique } from './support.ts';

export interface JobStoreHarness {
	readonly jobs: JobStore;
	/** On the same database: accepting a clone job writes its clone. */
	readonly clones: CloneStore;
	close(): Promise<void>;
}

const SECOND = 1000;
const HASH = { key_hash: 'k'.repeat(64), body_hash: 'b'.repeat(64) };

/** What every JobStore must do. Each test uses owners and ids of its own, so one database serves them all. */
export function jobStoreContract(name: string, make: () => Promise<JobStoreHarness>): void {
	describe(`JobStore contract: ${name}`, () => {
		let harness: JobStoreHarness;
		let jobs: JobStore;
		let clones: CloneStore;
		beforeAll(async () => {
			harness = await make();
			({ jobs, clones } = harness);
		});
		afterAll(() => harness.close());

		async function accepted(fields: Partial<Job> = {}): Promise<Job> {
			const job = makeJob({ owner: unique('owner'), ...fields });
			expect(await jobs.accept({ job, idempotency: null, clone: null })).toEqual({ outcome: 'accepted' });
			return job;
		}

		async function leased(fields: Partial<Job> = {}, now = T0, seconds = 60): Promise<Job> {
			const job = await accepted(fields);
			return present(await jobs.lease(job.job_id, { holder: 'worker-1', now, until: now + seconds * SECOND }));
		}

		describe('accept', () => {
			it('keeps every field', async () => {
				const job = makeJob({
					owner: unique('owner'),
					clone_id: unique('clone'),
					input: { nested: [1, 'zwei', null, { deep: true }], emoji: '🦊', empty: {} },
					outputs: {},
					estimated_completion: T0 + 5,
				});
				await jobs.accept({ job, idempotency: null, clone: makeClone(job) });
				expect(await jobs.get(job.job_id)).toEqual(job);
				expect(await clones.get(job.clone_id ?? '')).toEqual(makeClone(job));
			});

			it('does not know a job that was never accepted', async () => {
				expect(await jobs.get(jobId())).toBeUndefined();
			});

			it('answers the earlier job for the same owner, key and body', async () => {
				const job = makeJob({ owner: unique('owner') });
				expect(await jobs.accept({ job, idempotency: HASH, clone: null })).toEqual({ outcome: 'accepted' });
				const again = makeJob({ owner: job.owner });
				expect(await jobs.accept({ job: again, idempotency: HASH, clone: null })).toEqual({ outcome: 'duplicate', job });
				expect(await jobs.get(again.job_id)).toBeUndefined();
				// Also when the derived id is the same, and when the first has gone on meanwhile.
				await jobs.lease(job.job_id, { holder: 'w', now: T0, until: T0 + SECOND });
				const third = await jobs.accept({ job, idempotency: HASH, clone: null });
				expect(third).toMatchObject({ outcome: 'duplicate', job: { job_id: job.job_id, fence: 1 } });
			});

			it('refuses the same key with another body, and writes nothing', async () => {
				const job = makeJob({ owner: unique('owner') });
				await jobs.accept({ job, idempotency: HASH, clone: null });
				const other = makeJob({ owner: job.owner, clone_id: unique('clone') });
				const result = await jobs.accept({ job: other, idempotency: { ...HASH, body_hash: 'c'.repeat(64) }, clone: makeClone(other) });
				expect(result).toEqual({ outcome: 'idempotency_conflict' });
				expect(await jobs.get(other.job_id)).toBeUndefined();
				expect(await clones.get(other.clone_id ?? '')).toBeUndefined();
			});

			it('keeps the keys of two owners apart', async () => {
				const first = makeJob({ owner: unique('owner') });
				const second = makeJob({ owner: unique('owner') });
				expect(await jobs.accept({ job: first, idempotency: HASH, clone: null })).toEqual({ outcome: 'accepted' });
				expect(await jobs.accept({ job: second, idempotency: HASH, clone: null })).toEqual({ outcome: 'accepted' });
			});

			it('refuses a live clone name to everyone, and writes nothing', async () => {
				const first = makeJob({ owner: unique('owner'), clone_id: unique('clone') });
				await jobs.accept({ job: first, idempotency: null, clone: makeClone(first) });
				const second = makeJob({ owner: unique('owner'), clone_id: first.clone_id });
				expect(await jobs.accept({ job: second, idempotency: HASH, clone: makeClone(second) })).toEqual({ outcome: 'clone_id_taken' });
				expect(await jobs.get(second.job_id)).toBeUndefined();
				expect(await clones.get(first.clone_id ?? '')).toEqual(makeClone(first));
				// The key of the refused request is not used up.
				const third = makeJob({ owner: second.owner });
				expect(await jobs.accept({ job: third, idempotency: HASH, clone: null })).toEqual({ outcome: 'accepted' });
			});

			it('gives the name of a deleted clone away, out of reach of whoever held the old one', async () => {
				const first = makeJob({ owner: unique('owner'), clone_id: unique('clone') });
				const name = first.clone_id ?? '';
				await jobs.accept({ job: first, idempotency: null, clone: makeClone(first) });
				const deleted = present(await clones.update(name, 1, { state: 'deleted' }));
				const second = makeJob({ owner: unique('owner'), clone_id: name });
				expect(await jobs.accept({ job: second, idempotency: null, clone: makeClone(second) })).toEqual({ outcome: 'accepted' });
				const now = present(await clones.get(name));
				expect(now).toMatchObject({ owner: second.owner, job_id: second.job_id, state: 'provisioning' });
				for (const stale of [1, deleted.generation]) {
					expect(await clones.update(name, stale, { state: 'deleted' })).toBeUndefined();
				}
				expect(await clones.update(name, now.generation, { state: 'live' })).toMatchObject({ state: 'live' });
			});

			it('does not overwrite a job whose id is taken', async () => {
				const job = await accepted();
				const thief = makeJob({ job_id: job.job_id, owner: unique('owner'), input: 'mine', clone_id: unique('clone') });
				const request = { job: thief, idempotency: HASH, clone: makeClone(thief) };
				await expect(jobs.accept(request)).rejects.toMatchObject({ code: 'job_id_taken' });
				expect(await clones.get(thief.clone_id ?? '')).toBeUndefined();
				expect(await jobs.get(job.job_id)).toEqual(job);
			});

			it('makes one job of 100 requests at once with one key', async () => {
				const owner = unique('owner');
				const requests = Array.from({ length: 100 }, () => makeJob({ owner }));
				const results = await Promise.all(requests.map((job) => jobs.accept({ job, idempotency: HASH, clone: null })));
				expect(results.filter(({ outcome }) => outcome === 'accepted')).toHaveLength(1);
				const winner = nth(
					requests,
					results.findIndex(({ outcome }) => outcome === 'accepted'),
				);
				for (const result of results) {
					expect(result.outcome === 'duplicate' ? result.job.job_id : winner.job_id).toBe(winner.job_id);
				}
				const there = await Promise.all(requests.map((job) => jobs.get(job.job_id)));
				expect(there.filter((job) => job !== undefined)).toEqual([winner]);
			});

			it('gives one clone name to one of 100 writers at once', async () => {
				const name = unique('clone');
				const requests = Array.from({ length: 100 }, () => makeJob({ owner: unique('owner'), clone_id: name }));
				const results = await Promise.all(requests.map((job) => jobs.accept({ job, idempotency: null, clone: makeClone(job) })));
				const winners = requests.filter((_, index) => nth(results, index).outcome === 'accepted');
				expect(winners).toHaveLength(1);
				expect(results.filter(({ outcome }) => outcome === 'clone_id_taken')).toHaveLength(99);
				expect(await clones.get(name)).toMatchObject({ job_id: nth(winners, 0).job_id });
			});
		});

		describe('lease', () => {
			it('raises the fence and names the holder', async () => {
				const job = await accepted();
				const first = await jobs.lease(job.job_id, { holder: 'a', now: T0, until: T0 + SECOND });
				expect(first).toEqual({ ...job, fence: 1, lease_holder: 'a', lease_until: T0 + SECOND });
				expect(await jobs.get(job.job_id)).toEqual(first);
			});

			it('is exclusive until it ends, then the next one takes it', async () => {
				const job = await leased({}, T0, 60);
				const take = (now: number) => jobs.lease(job.job_id, { holder: 'b', now, until: now + 60 * SECOND });
				expect(await take(T0)).toBeUndefined();
				expect(await take(T0 + 60 * SECOND - 1)).toBeUndefined();
				expect(await take(T0 + 60 * SECOND)).toMatchObject({ fence: 2, lease_holder: 'b' });
			});

			it('goes to one of 20 at once', async () => {
				const job = await accepted();
				const takers = Array.from({ length: 20 }, (_, index) => `worker-${index}`);
				const taken = await Promise.all(takers.map((holder) => jobs.lease(job.job_id, { holder, now: T0, until: T0 + SECOND })));
				const winners = taken.filter((lease) => lease !== undefined);
				expect(winners).toHaveLength(1);
				expect(await jobs.get(job.job_id)).toEqual(winners[0]);
			});

			it('can be given back and taken again at once', async () => {
				const job = await leased();
				const released = await jobs.save(job.job_id, job.fence, {}, { now: T0 + 1, release: true });
				expect(released.lease_holder).toBeNull();
				const next = await jobs.lease(job.job_id, { holder: 'b', now: T0 + 1, until: T0 + SECOND });
				expect(next).toMatchObject({ fence: job.fence + 1, lease_holder: 'b' });
			});

			it('is renewed by a save', async () => {
				const job = await leased({}, T0, 60);
				await jobs.save(job.job_id, job.fence, {}, { now: T0 + 30 * SECOND, until: T0 + 90 * SECOND });
				const at = (now: number) => jobs.lease(job.job_id, { holder: 'b', now, until: now + SECOND });
				expect(await at(T0 + 89 * SECOND)).toBeUndefined();
				expect(await at(T0 + 90 * SECOND)).toMatchObject({ lease_holder: 'b' });
			});

			it('is not given on a job that is unknown or has ended', async () => {
				expect(await jobs.lease(jobId(), { holder: 'a', now: T0, until: T0 + 1 })).toBeUndefined();
				const job = await leased();
				await jobs.save(job.job_id, job.fence, { status: 'completed' }, { now: T0, release: true });
				expect(await jobs.lease(job.job_id, { holder: 'a', now: T0 + 1, until: T0 + 2 })).toBeUndefined();
			});
		});

		describe('save', () => {
			it('writes each field of the patch and nothing else', async () => {
				const job = await leased({ outputs: { one: 1 } });
				const lease = { now: T0 + 5, until: T0 + 50 };
				const patch = {
					status: 'running',
					progress: 12,
					status_message: 'Copying',
					estimated_completion: null,
					run_at: T0 + 7,
					step: 'copy',
					attempt: 2,
					outputs: { one: 1, two: { list: ['🦊', null] } },
					undoing: { code: 'x', message: 'y' },
				} as const;
				const saved = await jobs.save(job.job_id, job.fence, patch, lease);
				expect(saved).toEqual({ ...job, ...patch, updated_at: T0 + 5, lease_until: T0 + 50 });
				expect(await jobs.get(job.job_id)).toEqual(saved);
				const end = {
					status: 'failed',
					completed_at: T0 + 9,
					sealed_input: null,
					sealed_result: 'sealed',
					result: { a: 1 },
					error: { code: 'x', message: 'y' },
					step: null,
					undoing: null,
				} as const;
				const ended = await jobs.save(job.job_id, job.fence, end, { now: T0 + 9, release: true });
				expect(ended).toEqual({ ...saved, ...end, updated_at: T0 + 9, lease_holder: null, lease_until: ended.lease_until });
			});

			it('leaves fields that the patch names as undefined', async () => {
				const job = await leased();
				const saved = await jobs.save(job.job_id, job.fence, { sealed_input: undefined, progress: 3 }, { now: T0, until: T0 + 1 });
				expect(saved).toMatchObject({ sealed_input: 'sealed', progress: 3 });
			});

			it('refuses a stale fence, and changes nothing', async () => {
				const old = await leased({}, T0, 60);
				const later = T0 + 60 * SECOND;
				const current = await jobs.lease(old.job_id, { holder: 'b', now: later, until: later + 60 * SECOND });
				for (const lease of [
					{ now: later, until: later + SECOND * 600 },
					{ now: later, release: true as const },
				]) {
					await expect(jobs.save(old.job_id, old.fence, { progress: 99, status: 'completed' }, lease)).rejects.toBeInstanceOf(
						LeaseLostError,
					);
				}
				expect(await jobs.get(old.job_id)).toEqual(current);
			});

			it('refuses a fence that was never given, and an unknown job', async () => {
				const job = await leased();
				await expect(jobs.save(job.job_id, job.fence + 1, {}, { now: T0, until: T0 + 1 })).rejects.toBeInstanceOf(LeaseLostError);
				await expect(jobs.save(jobId(), 1, {}, { now: T0, until: T0 + 1 })).rejects.toBeInstanceOf(LeaseLostError);
			});

			it.each<JobStatus>(['completed', 'failed', 'cancelled'])('never changes a job that is %s', async (status) => {
				const job = await leased();
				const ended = await jobs.save(job.job_id, job.fence, { status, sealed_input: null }, { now: T0, release: true });
				for (const other of ['running', 'completed', 'failed', 'cancelled'] as const) {
					await expect(
						jobs.save(job.job_id, job.fence, { status: other, progress: 100 }, { now: T0, until: T0 + 1 }),
					).rejects.toBeInstanceOf(LeaseLostError);
				}
				expect(await jobs.get(job.job_id)).toEqual(ended);
			});

			it('keeps the larger progress and the later time', async () => {
				const job = await leased();
				const until = T0 + 60 * SECOND;
				await jobs.save(job.job_id, job.fence, { progress: 40 }, { now: T0 + 100, until });
				const back = await jobs.save(job.job_id, job.fence, { progress: 30, status_message: 'x' }, { now: T0 + 50, until });
				expect(back).toMatchObject({ progress: 40, status_message: 'x', updated_at: T0 + 100 });
				expect(await jobs.save(job.job_id, job.fence, { progress: 41 }, { now: T0 + 200, until })).toMatchObject({ progress: 41 });
			});

			it('answers the row with a cancellation that came meanwhile', async () => {
				const job = await leased();
				await jobs.requestCancel(job.job_id, T0 + 1);
				const saved = await jobs.save(job.job_id, job.fence, { progress: 5 }, { now: T0 + 2, until: T0 + 60 * SECOND });
				expect(saved.cancel_requested).toBe(true);
			});
		});

		describe('requestCancel', () => {
			it('marks the job and makes it due', async () => {
				const job = await leased({ run_at: T0 + 600 * SECOND });
				const cancelled = await jobs.requestCancel(job.job_id, T0 + 3);
				expect(cancelled).toEqual({ ...job, cancel_requested: true, run_at: T0 + 3, updated_at: T0 + 3 });
				expect(await jobs.get(job.job_id)).toEqual(cancelled);
			});

			it('leaves a job that has ended, and does not know an unknown one', async () => {
				const job = await leased();
				const ended = await jobs.save(job.job_id, job.fence, { status: 'completed' }, { now: T0, release: true });
				expect(await jobs.requestCancel(job.job_id, T0 + 9)).toEqual(ended);
				expect(await jobs.get(job.job_id)).toEqual(ended);
				expect(await jobs.requestCancel(jobId(), T0)).toBeUndefined();
			});
		});

		describe('list', () => {
			it('pages through an owner’s jobs, newest first, and nobody else’s', async () => {
				const owner = unique('owner');
				await accepted({ owner: unique('other') });
				const made: Job[] = [];
				for (let index = 0; index < 7; index++) {
					// Two of one moment, to see that none is lost between pages.
					made.push(await accepted({ owner, created_at: T0 + Math.floor(index / 2) }));
				}
				const all = await eventually(
					() => readAll((cursor) => jobs.list(owner, { limit: 3, cursor }), 3),
					(items) => items.length === 7,
				);
				expect(new Set(all.map((job) => job.job_id))).toEqual(new Set(made.map((job) => job.job_id)));
				expect(all.map((job) => job.created_at)).toEqual(all.map((job) => job.created_at).sort((a, b) => b - a));
				expect(all).toHaveLength(7);
			});

			it('gives an empty page to an owner without jobs', async () => {
				expect(await jobs.list(unique('owner'), { limit: 10, cursor: null })).toEqual({ items: [], next_cursor: null });
			});

			it('refuses a cursor it has not made, and shows nothing of another owner through a cursor', async () => {
				const owner = unique('owner');
				await accepted({ owner });
				await accepted({ owner, created_at: T0 + 1 });
				const { next_cursor: cursor } = await eventually(
					() => jobs.list(owner, { limit: 1, cursor: null }),
					(page) => page.next_cursor !== null,
				);
				const real = present(cursor ?? undefined);
				for (const bad of [
					'',
					'x',
					'not a cursor',
					'{}',
					Buffer.from('{}').toString('base64url'),
					Buffer.from('null').toString('base64url'),
					`${real}=`,
					real.slice(0, 5),
				]) {
					await expect(jobs.list(owner, { limit: 1, cursor: bad }), bad).rejects.toMatchObject({ code: 'bad_cursor' });
					await expect(jobs.list(owner, { limit: 1, cursor: bad }), bad).rejects.toBeInstanceOf(PermanentError);
				}
				// A store may refuse another owner's cursor, or take it as a place in the caller's own listing.
				const stranger = unique('owner');
				const seen = await jobs.list(stranger, { limit: 10, cursor: real }).catch((error: unknown) => {
					expect(error).toMatchObject({ code: 'bad_cursor' });
					return { items: [] };
				});
				expect(seen.items).toEqual([]);
			});
		});

		describe('overdue', () => {
			const overdueIds = async (before: number): Promise<string[]> => (await jobs.overdue(before, 1000)).map((job) => job.job_id);

			it('finds what is due and not held, and only that', async () => {
				const long = T0 - 1_000_000 * SECOND;
				const due = await accepted({ run_at: long });
				const future = await accepted({ run_at: T0 + 100 * SECOND });
				const held = await leased({ run_at: long }, T0, 60);
				const dropped = await leased({ run_at: long }, long, 60);
				const ended = await leased({ run_at: long });
				await jobs.save(ended.job_id, ended.fence, { status: 'failed' }, { now: T0, release: true });
				const released = await leased({ run_at: long });
				await jobs.save(released.job_id, released.fence, { run_at: long }, { now: T0 - 1, release: true });

				const wanted = [due, dropped, released].map((job) => job.job_id);
				const found = await eventually(
					() => overdueIds(T0),
					(ids) => wanted.every((id) => ids.includes(id)) && !ids.includes(ended.job_id) && !ids.includes(held.job_id),
				);
				expect(found).toEqual(expect.arrayContaining(wanted));
				for (const job of [future, held, ended]) {
					expect(found).not.toContain(job.job_id);
				}
			});

			it('gives the oldest first, and no more than asked', async () => {
				const first = T0 - 3_000_000 * SECOND;
				const made: string[] = [];
				for (const offset of [2, 0, 1, 3]) {
					made[offset] = (await accepted({ run_at: first + offset })).job_id;
				}
				const before = first + 10;
				await eventually(
					() => jobs.overdue(before, 10),
					(found) => found.length === 4,
				);
				expect((await jobs.overdue(before, 3)).map((job) => job.job_id)).toEqual(made.slice(0, 3));
			});
		});

		describe('eraseSealedResult', () => {
			it('erases it from a finished job, and nothing from a running one', async () => {
				const job = await leased();
				await jobs.save(
					job.job_id,
					job.fence,
					{ status: 'completed', sealed_result: 'secret', result: { url: 'x' } },
					{ now: T0, release: true },
				);
				await jobs.eraseSealedResult(job.job_id);
				expect(await jobs.get(job.job_id)).toMatchObject({ sealed_result: null, result: { url: 'x' }, status: 'completed' });
				const running = await leased();
				await jobs.save(running.job_id, running.fence, { sealed_result: 'secret' }, { now: T0, until: T0 + 1 });
				await jobs.eraseSealedResult(running.job_id);
				expect(await jobs.get(running.job_id)).toMatchObject({ sealed_result: 'secret' });
				await jobs.eraseSealedResult(jobId());
			});
		});

		describe('countByStatus', () => {
			it('counts', async () => {
				const before = await jobs.countByStatus();
				await accepted();
				const job = await leased();
				await jobs.save(job.job_id, job.fence, { status: 'cancelled' }, { now: T0, release: true });
				const after = await eventually(
					() => jobs.countByStatus(),
					(counts) => counts.pending > before.pending && counts.cancelled > before.cancelled,
				);
				expect(after).toEqual({ ...before, pending: before.pending + 1, cancelled: before.cancelled + 1 });
			});
		});
	});
}
