import { randomBytes } from 'node:crypto';
import { PermanentError } from '../../../core/errors.ts';
import type { CloneDatabases, DatabaseConnection } from '../../../core/ports.ts';

interface Entry {
	readonly name: string;
	password: string;
	word: string | null;
}

/** Databases that hold one word each. */
export class MemoryCloneDatabases implements CloneDatabases {
	readonly entries = new Map<string, Entry>();

	async create(slotId: string): Promise<DatabaseConnection> {
		const name = nameOf(slotId);
		const entry = this.entries.get(slotId) ?? { name, password: '', word: null };
		entry.password = randomBytes(16).toString('hex');
		this.entries.set(slotId, entry);
		return { host: 'db.test', port: 3306, name, user: name, password: entry.password, tls: false };
	}

	async drop(slotId: string): Promise<void> {
		nameOf(slotId);
		this.entries.delete(slotId);
	}

	async list(): Promise<readonly string[]> {
		return [...this.entries.keys()];
	}

	/** @throws Error when the connection opens nothing */
	opened(connection: DatabaseConnection): Entry {
		for (const entry of this.entries.values()) {
			if (entry.name === connection.name && connection.user === entry.name && connection.password === entry.password) return entry;
		}
		throw new Error('access denied');
	}
}

function nameOf(slotId: string): string {
	if (!/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/.test(slotId)) throw new PermanentError('bad_slot_id', 'Not a name of a slot.');
	return slotId;
}
