/** Changing a live clone's time. */
import { PermanentError, TransientError } from '../errors.ts';
import type { AgentClient, CloneHost } from '../ports.ts';
import type { Clone } from './clone.ts';
import { type DeleteJobDeps, scheduleDeletion } from './delete-job.ts';
import { type SlotDeps, slotAgent } from './slots.ts';

export interface CloneControlDeps extends Pick<SlotDeps, 'clones' | 'secrets'>, Pick<DeleteJobDeps, 'jobs' | 'ttl' | 'clock'> {
	readonly host: Pick<CloneHost, 'extend'>;
	readonly cloneAgents: AgentClient;
	readonly settings: { readonly hostGraceSeconds: number };
}

export interface CloneControl {
	/**
	 * @param ttlMinutes counted from the moment the clone became usable.
	 * @throws PermanentError `clone_not_live`, `ttl_in_the_past`; TransientError when the clone is being changed or does not answer.
	 */
	setTtl(clone: Clone, ttlMinutes: number): Promise<Clone>;
}

export function cloneControl(deps: CloneControlDeps): CloneControl {
	return {
		async setTtl(clone, ttlMinutes) {
			if (clone.state !== 'live' || clone.expires_at === null || clone.slot_id === null || clone.url === null) {
				throw new PermanentError('clone_not_live', 'Only a live clone has a time that can be changed.');
			}
			const usableAt = clone.expires_at - clone.ttl_minutes * 60_000;
			const expiresAt = usableAt + ttlMinutes * 60_000;
			if (expiresAt <= deps.clock.now()) {
				throw new PermanentError('ttl_in_the_past', 'The clone has been up for longer than that. Give a longer time, or delete it.');
			}
			const hostDeadline = expiresAt + deps.settings.hostGraceSeconds * 1000;
			// A longer time: the host first, so that it never ends a clone that the store still promises. A shorter one: the host last.
			if (expiresAt > clone.expires_at && !(await deps.host.extend(clone.slot_id, hostDeadline))) {
				throw new PermanentError('clone_not_live', 'The clone has ended.');
			}
			const written = await deps.clones.update(clone.clone_id, clone.generation, { expires_at: expiresAt, ttl_minutes: ttlMinutes });
			if (written === undefined) throw new TransientError('clone_busy', 'The clone is being changed by several requests at once.');
			await scheduleDeletion(deps, written);
			await deps.cloneAgents.call(await slotAgent(deps, clone.slot_id, clone.url), 'set_expiry', {
				expires_at: Math.floor(expiresAt / 1000),
			});
			if (expiresAt < clone.expires_at) await deps.host.extend(clone.slot_id, hostDeadline);
			return written;
		},
	};
}
