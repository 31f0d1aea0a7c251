import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CloneDatabases, DatabaseConnection } from '../../core/ports.ts';

export interface CloneDatabasesHarness {
	readonly databases: CloneDatabases;
	/** Keeps a word in a database, as its clone would. @throws when the connection does not open it */
	write(connection: DatabaseConnection, word: string): Promise<void>;
	/** The word, or null. @throws when the connection does not open it */
	read(connection: DatabaseConnection): Promise<string | null>;
	close(): Promise<void>;
}

/** What every CloneDatabases must do. */
export function cloneDatabasesContract(name: string, make: () => Promise<CloneDatabasesHarness>): void {
	describe(`CloneDatabases contract: ${name}`, () => {
		let harness: CloneDatabasesHarness;
		let databases: CloneDatabases;
		beforeAll(async () => {
			harness = await make();
			({ databases } = harness);
		});
		afterAll(() => harness.close());

		it('makes a database that its connection opens, and lists it until it is dropped', async () => {
			expect(await databases.list()).toEqual([]);
			const made = await databases.create('slot-0123456789ab');
			expect(made).toMatchObject({ host: expect.any(String), port: expect.any(Number), tls: expect.any(Boolean) });
			await harness.write(made, 'here');
			expect(await harness.read(made)).toBe('here');
			expect(await databases.list()).toEqual(['slot-0123456789ab']);
			await databases.drop('slot-0123456789ab');
			expect(await databases.list()).toEqual([]);
			await expect(harness.read(made)).rejects.toThrow();
		});

		it('made again it keeps what is in it, and takes a new password only', async () => {
			const first = await databases.create('slot-again');
			await harness.write(first, 'kept');
			const second = await databases.create('slot-again');
			expect({ ...second, password: '' }).toEqual({ ...first, password: '' });
			expect(second.password).not.toBe(first.password);
			expect(second.password.length).toBeGreaterThanOrEqual(32);
			expect(await harness.read(second)).toBe('kept');
			await expect(harness.read(first)).rejects.toThrow();
			await databases.drop('slot-again');
		});

		it('dropped and made again it is empty', async () => {
			await harness.write(await databases.create('slot-anew'), 'old');
			await databases.drop('slot-anew');
			const anew = await databases.create('slot-anew');
			expect(await harness.read(anew)).toBe(null);
			await databases.drop('slot-anew');
		});

		it('drops what is not there without a word', async () => {
			await databases.drop('slot-never');
			await databases.drop('slot-never');
		});

		it('is asked for the same by several at once: one of the passwords opens it', async () => {
			const made = await Promise.all([1, 2, 3, 4, 5, 6].map(() => databases.create('slot-race')));
			const opened = await Promise.allSettled(made.map((each) => harness.read(each)));
			expect(opened.filter((each) => each.status === 'fulfilled').length).toBe(1);
			await Promise.all([databases.drop('slot-race'), databases.drop('slot-race')]);
			expect(await databases.list()).toEqual([]);
		});

		it('keeps clones apart, also where one name is another with a different character', async () => {
			const [one, other] = [await databases.create('slot-a1'), await databases.create('slotxa1')];
			await harness.write(one, 'one');
			await harness.write(other, 'other');
			for (const [mine, theirs] of [
				[one, other],
				[other, one],
			] as const) {
				await expect(harness.read({ ...mine, name: theirs.name })).rejects.toThrow();
				await expect(harness.write({ ...mine, name: theirs.name }, 'overwritten')).rejects.toThrow();
			}
			expect(new Set(await databases.list())).toEqual(new Set(['slot-a1', 'slotxa1']));
			await databases.drop('slot-a1');
			expect(await harness.read(other)).toBe('other');
			expect(await databases.list()).toEqual(['slotxa1']);
			await databases.drop('slotxa1');
		});

		it.each(['', 'Slot', 'a_b', 'a.b', "a'b", 'a`b', '../a', '-a', 'a-', 'a%', 'a'.repeat(60)])('refuses the id %j', async (id) => {
			await expect(databases.create(id)).rejects.toMatchObject({ code: 'bad_slot_id' });
			await expect(databases.drop(id)).rejects.toMatchObject({ code: 'bad_slot_id' });
		});
	});
}
