import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileKeySecretBox } from '../../../adapters/embedded/file-key-secret-box.ts';
import { SealError } from '../../../core/errors.ts';
import { temporaryFolder } from './support.ts';

const CONTEXT = { job_id: 'clone-1', owner: 'o' };

describe('the key file', () => {
	let folder: ReturnType<typeof temporaryFolder>;
	let path: string;
	beforeEach(() => {
		folder = temporaryFolder();
		path = join(folder.path, 'secret.key');
	});
	afterEach(() => folder.remove());

	const refusal = (): unknown => {
		try {
			new FileKeySecretBox(path);
		} catch (error) {
			return error;
		}
		return undefined;
	};

	it('is made once, 32 bytes, readable by its owner only, with nothing left beside it', async () => {
		const sealed = await new FileKeySecretBox(path).seal('secret', CONTEXT);
		const key = readFileSync(path);
		expect(key).toHaveLength(32);
		expect(statSync(path).mode & 0o777).toBe(0o600);
		expect(readdirSync(folder.path)).toEqual(['secret.key']);
		expect(await new FileKeySecretBox(path).open(sealed, CONTEXT)).toBe('secret');
		expect(readFileSync(path)).toEqual(key);
		expect(sealed).toMatch(/^v1\.[A-Za-z0-9_-]+$/);
	});

	it.each([0o640, 0o604, 0o660, 0o644, 0o610])('is refused with mode %o', (mode) => {
		new FileKeySecretBox(path);
		chmodSync(path, mode);
		expect(refusal()).toBeInstanceOf(SealError);
		expect(refusal()).toMatchObject({ message: expect.stringContaining('0600') });
	});

	it.each([0, 16, 31, 33, 64])('is refused with %d bytes', (length) => {
		writeFileSync(path, Buffer.alloc(length, 7), { mode: 0o600 });
		expect(refusal()).toBeInstanceOf(SealError);
		expect(readFileSync(path)).toHaveLength(length);
	});

	it('is refused when it is no file, or cannot be made', () => {
		mkdirSync(path, { mode: 0o700 });
		expect(refusal()).toBeInstanceOf(SealError);
		path = join(folder.path, 'nowhere', 'secret.key');
		expect(refusal()).toBeInstanceOf(SealError);
	});

	it('is one for all processes that start at once', async () => {
		const script = new URL('./key-process.ts', import.meta.url);
		const processes = Array.from({ length: 6 }, () => fork(script, [path], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
		const sealed = await Promise.all(
			processes.map(async (child) => {
				const [message] = (await once(child, 'message')) as [unknown];
				return String(message);
			}),
		);
		const box = new FileKeySecretBox(path);
		for (const [index, text] of sealed.entries()) {
			expect(await box.open(text, CONTEXT)).toBe(`from ${processes[index]?.pid ?? 0}`);
		}
		expect(readdirSync(folder.path)).toEqual(['secret.key']);
	});

	it('is not what a value without the version was sealed with', async () => {
		const box = new FileKeySecretBox(path);
		const sealed = await box.seal('secret', CONTEXT);
		for (const altered of [sealed.replace('v1.', 'v2.'), sealed.replace('v1.', ''), sealed.replace('v1.', 'v1'), 'v1.', 'v1.AAAA']) {
			await expect(box.open(altered, CONTEXT)).rejects.toBeInstanceOf(SealError);
		}
	});

	it('seals with a new IV each time', async () => {
		const box = new FileKeySecretBox(path);
		const ivs = new Set<string>();
		for (let index = 0; index < 500; index++) {
			ivs.add((await box.seal('', CONTEXT)).slice(3, 19));
		}
		expect(ivs.size).toBe(500);
	});
});
