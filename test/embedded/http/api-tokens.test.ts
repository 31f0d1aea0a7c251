import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createToken, ensureFirstToken, openApiTokens } from '../../../adapters/embedded/api-tokens.ts';

let data: string;
beforeEach(async () => {
	data = join(await mkdtemp(join(tmpdir(), 'tokens-')), 'data');
});
afterEach(() => rm(join(data, '..'), { recursive: true }));

const mode = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('the first token', () => {
	it('is made once, for owner-1, in a file of mode 0600', async () => {
		const token = await ensureFirstToken(data);
		expect(token).toMatch(/^wpc_[\w-]{43}$/);
		expect(await readFile(join(data, 'token'), 'utf8')).toBe(`${token}\n`);
		expect([await mode(join(data, 'token')), await mode(data)]).toEqual([0o600, 0o700]);
		expect(await ensureFirstToken(data)).toBeNull();
		expect(await readdir(data)).toEqual(['token']);
		expect(openApiTokens(data).ownerOf(token ?? '')).toBe('owner-1');
	});

	it('is one token when several services start at once', async () => {
		const made = await Promise.all(Array.from({ length: 8 }, () => ensureFirstToken(data)));
		expect(made.filter((token) => token !== null)).toHaveLength(1);
		expect(await readdir(data)).toEqual(['token']);
	});

	it('is refused when others can read it, with what to do', async () => {
		await ensureFirstToken(data);
		await chmod(join(data, 'token'), 0o644);
		expect(() => openApiTokens(data)).toThrow(
			expect.objectContaining({ code: 'token_file_unsafe', message: expect.stringContaining('chmod 600') }),
		);
		await expect(ensureFirstToken(data)).rejects.toMatchObject({ code: 'token_file_unsafe' });
	});

	it('is refused when the file is empty: an empty token would let everyone in', async () => {
		await ensureFirstToken(data);
		await writeFile(join(data, 'token'), '\n');
		expect(() => openApiTokens(data)).toThrow(expect.objectContaining({ code: 'token_file_broken' }));
	});
});

describe('more tokens', () => {
	it('are stored as hashes only, and belong to their owner', async () => {
		const first = await ensureFirstToken(data);
		const token = await createToken(data, 'agency');
		const second = await createToken(data, 'agency');
		const tokens = openApiTokens(data);
		expect([token, second, first ?? ''].map((one) => tokens.ownerOf(one))).toEqual(['agency', 'agency', 'owner-1']);
		const files = await readdir(join(data, 'tokens'));
		expect(files).toHaveLength(2);
		for (const file of files) {
			const path = join(data, 'tokens', file);
			expect(await mode(path)).toBe(0o600);
			expect(`${file} ${await readFile(path, 'utf8')}`).not.toContain(token.slice(4));
		}
		expect(await mode(join(data, 'tokens'))).toBe(0o700);
	});

	it('work at once while the service runs, and end at once when their file is taken away', async () => {
		await ensureFirstToken(data);
		const tokens = openApiTokens(data);
		for (let time = 0; time < 20; time++) {
			const token = await createToken(data, 'agency');
			expect(tokens.ownerOf(token)).toBe('agency');
			const [file = ''] = await readdir(join(data, 'tokens'));
			await rm(join(data, 'tokens', file));
			expect(tokens.ownerOf(token)).toBeNull();
		}
		await writeFile(join(data, 'token'), 'wpc_changed\n');
		expect(tokens.ownerOf('wpc_changed')).toBe('owner-1');
	});

	it.each(['', 'A', '../x', 'a/b', '.hidden', 'x'.repeat(65), 'a b'])('cannot be made for %j', async (name) => {
		await expect(createToken(data, name)).rejects.toMatchObject({ code: 'bad_owner_name' });
	});

	it('are refused when others could add some, or when one is broken', async () => {
		await ensureFirstToken(data);
		await createToken(data, 'agency');
		await chmod(join(data, 'tokens'), 0o777);
		expect(() => openApiTokens(data)).toThrow(expect.objectContaining({ code: 'token_file_unsafe' }));
		await chmod(join(data, 'tokens'), 0o700);
		const [file = ''] = await readdir(join(data, 'tokens'));
		await writeFile(join(data, 'tokens', file), '{"owner":');
		expect(() => openApiTokens(data)).toThrow(expect.objectContaining({ code: 'token_file_broken' }));
	});
});

describe('what is no token', () => {
	it('has no owner', async () => {
		const token = (await ensureFirstToken(data)) ?? '';
		const tokens = openApiTokens(data);
		for (const other of ['', ' ', token.slice(0, -1), `${token}x`, token.toUpperCase(), `${token}\n`])
			expect(tokens.ownerOf(other)).toBeNull();
	});
});
