import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SealError } from '../../core/errors.ts';
import type { SecretBox } from '../../core/ports.ts';

export interface SecretBoxHarness {
	readonly box: SecretBox;
	/** One with another key, where the adapter has keys. */
	readonly other?: SecretBox;
	close(): Promise<void>;
}

const CONTEXT = { job_id: 'clone-0123456789ab', owner: 'owner-a' };

/** What every SecretBox must do. */
export function secretBoxContract(name: string, make: () => Promise<SecretBoxHarness>): void {
	describe(`SecretBox contract: ${name}`, () => {
		let harness: SecretBoxHarness;
		let box: SecretBox;
		beforeAll(async () => {
			harness = await make();
			({ box } = harness);
		});
		afterAll(() => harness.close());

		it.each([
			['an ordinary one', 'correct horse battery staple'],
			['an empty one', ''],
			['one with other scripts and zero bytes', 'pässwörd 🦊 \0 ende'],
			['a long one', 'x'.repeat(3000)],
		])('opens what it sealed: %s', async (_, plain) => {
			const sealed = await box.seal(plain, CONTEXT);
			expect(await box.open(sealed, CONTEXT)).toBe(plain);
			expect(await box.open(sealed, { owner: CONTEXT.owner, job_id: CONTEXT.job_id })).toBe(plain);
		});

		it('shows nothing of the secret, and seals the same one differently each time', async () => {
			const secret = 'correct horse battery staple';
			const first = await box.seal(secret, CONTEXT);
			const second = await box.seal(secret, CONTEXT);
			expect(first).not.toBe(second);
			for (const form of [secret, Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('hex')]) {
				expect(first).not.toContain(form);
			}
		});

		it.each<[string, Record<string, string>]>([
			['another job', { ...CONTEXT, job_id: 'clone-000000000000' }],
			['another owner', { ...CONTEXT, owner: 'owner-b' }],
			['a part of the context', { job_id: CONTEXT.job_id }],
			['no context', {}],
			['more context', { ...CONTEXT, more: '' }],
			['keys and values run together', { job_id: `${CONTEXT.job_id}","owner":"owner-a` }],
		])('does not open for %s', async (_, context) => {
			const sealed = await box.seal('secret', CONTEXT);
			await expect(box.open(sealed, context)).rejects.toBeInstanceOf(SealError);
		});

		it('does not open anything altered, at any place', async () => {
			const sealed = await box.seal('secret', CONTEXT);
			for (let index = 0; index < sealed.length; index++) {
				const other = sealed[index] === 'A' ? 'B' : 'A';
				const altered = sealed.slice(0, index) + other + sealed.slice(index + 1);
				await expect(box.open(altered, CONTEXT), altered).rejects.toBeInstanceOf(SealError);
			}
			for (const altered of ['', 'secret', sealed.slice(0, -1), `${sealed}A`, `${sealed}=`, ` ${sealed}`, `${sealed}\n`]) {
				await expect(box.open(altered, CONTEXT), altered).rejects.toBeInstanceOf(SealError);
			}
		});

		it('does not open what another key sealed', async () => {
			if (harness.other !== undefined) {
				const sealed = await harness.other.seal('secret', CONTEXT);
				await expect(box.open(sealed, CONTEXT)).rejects.toBeInstanceOf(SealError);
			}
			expect(await box.open(await box.seal('secret', CONTEXT), CONTEXT)).toBe('secret');
		});
	});
}
