/**
 * What stands behind the TTL schedule: deletes clones past their time, notices clones that died, and removes anything on
 * the host, or among the databases, that no live clone owns. Every pass is idempotent and safe beside others.
 */
import { sha256Hex } from '../api/digest.ts';
import { isTerminal } from '../jobs/job.ts';
import type { Telemetry } from '../ports.ts';
import type { Clone } from './clone.ts';
import { type DeleteJobDeps, expiryJobId, newDeleteJob } from './delete-job.ts';
import { removeSlot, type SlotDeps } from './slots.ts';

export interface CloneSweepDeps extends SlotDeps, DeleteJobDeps {
	readonly telemetry: Telemetry;
}

export interface CloneSweepCounts {
	readonly expired: number;
	readonly lost: number;
	readonly orphans: number;
}

export async function sweepClones(deps: CloneSweepDeps, limit = 100): Promise<CloneSweepCounts> {
	const now = deps.clock.now();
	let expired = 0;
	for (const clone of await deps.clones.expired(now, limit)) {
		await sendDeletion(deps, clone, now);
		expired++;
	}

	// These lists before the rows: a slot's row is written before it starts, so what is listed has a row by now.
	const onHost = new Map((await deps.host.list()).map((slot) => [slot.slot_id, slot.ready]));
	const withDatabase = (await deps.databases?.list()) ?? [];
	let lost = 0;
	const owned = new Set<string>();
	let cursor: string | null = null;
	do {
		const page: { items: readonly Clone[]; next_cursor: string | null } = await deps.clones.allLive(cursor, 100);
		for (const clone of page.items) {
			if (clone.slot_id !== null) owned.add(clone.slot_id);
			if (clone.state !== 'live' || clone.slot_id === null || onHost.get(clone.slot_id) === true) continue;
			// It may only be busy, or have come up since the list was made.
			if ((await deps.host.status(clone.slot_id)).state === 'gone') {
				deps.telemetry.log('warn', 'A clone has died before its time.', { clone_id: clone.clone_id });
				await sendDeletion(deps, clone, now);
				lost++;
			}
		}
		cursor = page.next_cursor;
	} while (cursor !== null);

	let orphans = 0;
	const known = new Set<string>();
	for (const slot of await deps.clones.slots()) {
		known.add(slot.slot_id);
		if (slot.state !== 'claimed' || owned.has(slot.slot_id)) continue;
		// Claimed, but no live clone has it: its job is over, or is just about to write the clone's row.
		const job = slot.job_id === null ? undefined : await deps.jobs.get(slot.job_id);
		if (job !== undefined && !isTerminal(job.status)) continue;
		// The clone may have come live, or its job to its end, since the rows were read.
		const clone = job?.clone_id == null ? undefined : await deps.clones.get(job.clone_id);
		if (clone !== undefined && clone.state !== 'deleted' && clone.slot_id === slot.slot_id) continue;
		await removeSlot(deps, slot.slot_id);
		orphans++;
	}
	for (const slotId of onHost.keys()) {
		if (known.has(slotId) || (await deps.clones.getSlot(slotId)) !== undefined) continue;
		await deps.host.remove(slotId);
		orphans++;
	}
	for (const slotId of withDatabase) {
		if (known.has(slotId) || (await deps.clones.getSlot(slotId)) !== undefined) continue;
		await deps.databases?.drop(slotId);
		orphans++;
	}
	if (orphans > 0) deps.telemetry.log('warn', 'Removed what no live clone owned.', { orphans });
	return { expired, lost, orphans };
}

/** Sends the clone's own delete job, due now, making it again if it is lost or ended without deleting. */
async function sendDeletion(deps: CloneSweepDeps, clone: Clone, now: number): Promise<void> {
	const jobId = expiryJobId(clone);
	const job = await deps.jobs.get(jobId);
	const lost = clone.expires_at === null || clone.expires_at > now;
	// A job that waits takes no message before it is due.
	const asleep = job?.status === 'running' && job.run_at > now;
	if (job === undefined || isTerminal(job.status) || lost || asleep) {
		// A job of this minute: two sweeps at once make one.
		const sweepId = `delete-${(await sha256Hex(`${clone.job_id} ${Math.floor(now / 60_000)}`)).slice(0, 12)}`;
		const accepted = newDeleteJob(clone, { job_id: sweepId, reason: 'sweep', now, run_at: now });
		if ((await deps.jobs.get(sweepId)) === undefined) await deps.jobs.accept({ job: accepted, idempotency: null, clone: null });
		await deps.queue.send(sweepId);
	} else {
		await deps.queue.send(jobId);
	}
}
