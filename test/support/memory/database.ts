import type { Clone, Slot } from '../../../core/clones/clone.ts';
import { PermanentError } from '../../../core/errors.ts';
import type { Job } from '../../../core/jobs/job.ts';
import type { Page } from '../../../core/ports.ts';

/** What the in-memory stores share, as the real ones share a database. */
export class MemoryDatabase {
	readonly jobs: Map<string, Job>;
	readonly clones = new Map<string, Clone>();
	readonly slots = new Map<string, Slot>();
	readonly idempotency = new Map<string, { readonly body_hash: string; readonly job_id: string }>();

	/** @param jobs a map that watches its writes, in a simulation. */
	constructor(jobs: Map<string, Job> = new Map()) {
		this.jobs = jobs;
	}
}

/** Newest first, a cursor being the key of the last row shown. @throws PermanentError `bad_cursor` */
export function newestFirst<T extends { readonly created_at: number }>(
	rows: readonly T[],
	idOf: (row: T) => string,
	page: { limit: number; cursor: string | null },
): Page<T> {
	const keyOf = (row: T): string => `${String(row.created_at).padStart(16, '0')}/${idOf(row)}`;
	const after = page.cursor === null ? undefined : decode(page.cursor);
	const sorted = rows
		.map((row) => ({ key: keyOf(row), row }))
		.filter(({ key }) => after === undefined || key < after)
		.sort((a, b) => (a.key < b.key ? 1 : -1));
	const shown = sorted.slice(0, page.limit);
	const last = shown.at(-1);
	return {
		items: shown.map(({ row }) => row),
		next_cursor: last !== undefined && sorted.length > page.limit ? Buffer.from(`key:${last.key}`).toString('base64url') : null,
	};
}

function decode(cursor: string): string {
	const text = Buffer.from(cursor, 'base64url').toString('utf8');
	const canonical = Buffer.from(text).toString('base64url') === cursor;
	if (!canonical || !/^key:\d{16}\/[a-z0-9-]+$/.test(text)) {
		throw new PermanentError('bad_cursor', 'The cursor is not one that this service gave out. Start again without a cursor.');
	}
	return text.slice('key:'.length);
}
