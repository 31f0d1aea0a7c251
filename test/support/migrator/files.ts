import type { Agent, Path } from './agent.ts';

/** Listing and reading files through an agent. */

export interface ListedFile {
	readonly p: Path;
	readonly s?: number;
	readonly m?: number;
	readonly h?: string;
	readonly d?: 1;
}

export interface Listing {
	readonly entries: ListedFile[];
	readonly skipped: { readonly path: Path; readonly reason: string }[];
	readonly pages: number;
}

/** A path's bytes, as latin1 text so that it can be a map's key. */
export const pathBytes = (path: Path): string =>
	(typeof path === 'string' ? Buffer.from(path, 'utf8') : Buffer.from(path.b, 'base64')).toString('latin1');

export async function listFiles(agent: Agent, root: string, args: Readonly<Record<string, unknown>> = {}): Promise<Listing> {
	const entries: ListedFile[] = [];
	const skipped: { path: Path; reason: string }[] = [];
	let pages = 0;
	let cursor: unknown;
	do {
		const answer = await agent.call('files', { root, ...args, ...(cursor === undefined ? {} : { cursor }) });
		const lines = answer.payload.toString('utf8').split('\n');
		entries.push(...lines.filter((line) => line !== '').map((line) => JSON.parse(line) as ListedFile));
		skipped.push(...answer.data.skipped);
		pages += 1;
		cursor = answer.data.cursor ?? undefined;
	} while (cursor !== undefined);
	return { entries, skipped, pages };
}

/** A listed file's bytes, in ranges of at most `length`. @throws Error with the part's own `error` */
export async function readFile(agent: Agent, root: string, file: ListedFile, length = 4 * 1024 * 1024): Promise<Buffer> {
	const parts: Buffer[] = [];
	let offset = 0;
	let eof = false;
	while (!eof) {
		const part = { root, path: file.p, offset, length, size: file.s, mtime: file.m };
		const answer = await agent.call('read', { files: [part] });
		const [told] = answer.data.parts;
		if (told === undefined) throw new Error('no part');
		if (told.error !== undefined) throw new Error(told.error);
		if (told.bytes !== answer.payload.length) throw new Error('bytes do not match the payload');
		parts.push(answer.payload);
		offset += told.bytes;
		eof = told.eof;
	}
	return Buffer.concat(parts);
}
