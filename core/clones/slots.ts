import { PermanentError } from '../errors.ts';
import type { AgentTarget, Clock, CloneDatabases, CloneHost, CloneStore, Random, SecretBox } from '../ports.ts';
import type { Slot } from './clone.ts';

/** 32 random bytes as base64, for a signing key. */
export function newKey(random: Random): string {
	const hex = random.hex(64);
	const bytes = hex.match(/../g) ?? [];
	return btoa(bytes.map((byte) => String.fromCharCode(Number.parseInt(byte, 16))).join(''));
}

export interface SlotDeps {
	readonly clones: CloneStore;
	readonly host: CloneHost;
	/** Absent where this service has no MySQL. */
	readonly databases?: CloneDatabases | undefined;
	readonly secrets: SecretBox;
	readonly clock: Clock;
	readonly random: Random;
}

/**
 * Records a slot, then makes its database, then starts it: in this order, so that the orphan sweep never sees a database or
 * a running slot that no row names. Idempotent by `slot_id`: the key of an earlier attempt is kept, the password of its
 * database is not. @throws PermanentError `database_not_available`
 */
export async function startSlot(
	deps: SlotDeps,
	spec: {
		slot_id: string;
		state: 'booting' | 'claimed';
		job_id: string | null;
		deadline: number;
		php_version: string;
		database: 'sqlite' | 'mysql';
	},
): Promise<Slot> {
	let slot = await deps.clones.getSlot(spec.slot_id);
	if (slot === undefined) {
		slot = {
			slot_id: spec.slot_id,
			state: spec.state,
			job_id: spec.job_id,
			endpoint: null,
			agent_key_sealed: await deps.secrets.seal(newKey(deps.random), { slot_id: spec.slot_id }),
			php_version: spec.php_version,
			wp_version: null,
			created_at: deps.clock.now(),
		};
		await deps.clones.putSlot(slot);
	}
	if (spec.database === 'mysql' && deps.databases === undefined) {
		throw new PermanentError('database_not_available', 'This service cannot run clones on MySQL. Use "sqlite".');
	}
	const database = spec.database === 'mysql' && deps.databases !== undefined ? await deps.databases.create(spec.slot_id) : null;
	await deps.host.start({
		slot_id: spec.slot_id,
		agent_key: await deps.secrets.open(slot.agent_key_sealed, { slot_id: spec.slot_id }),
		deadline: spec.deadline,
		php_version: spec.php_version,
		database,
	});
	return slot;
}

/** How to call the agent of a slot. @throws PermanentError `clone_lost` when its row is gone. */
export async function slotAgent(deps: Pick<SlotDeps, 'clones' | 'secrets'>, slotId: string, url: string): Promise<AgentTarget> {
	const slot = await deps.clones.getSlot(slotId);
	if (slot === undefined) throw new PermanentError('clone_lost', 'The clone was lost while it was being made. Ask for a new one.');
	return {
		agent_url: `${url}/wp-admin/admin-ajax.php`,
		key_id: slotId,
		agent_key: await deps.secrets.open(slot.agent_key_sealed, { slot_id: slotId }),
	};
}

/** Ends a slot on the host, then drops its database if it had one, and forgets it. Idempotent. */
export async function removeSlot(deps: Pick<SlotDeps, 'clones' | 'host' | 'databases'>, slotId: string): Promise<void> {
	await deps.host.remove(slotId);
	await deps.databases?.drop(slotId);
	await deps.clones.removeSlot(slotId);
}
