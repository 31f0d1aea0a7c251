import * as z from 'zod';
import { PermanentError } from '../core/errors.ts';
import type { Millis } from '../core/jobs/job.ts';
import type { Page } from '../core/ports.ts';

/** Where a page ended: the creation time and id of its last row. The owner comes from the request, never from a cursor. */
export interface Position {
	readonly created_at: Millis;
	readonly id: string;
}

const schema = z.strictObject({ v: z.literal(1), t: z.int(), i: z.string().min(1).max(100) });

/** Before every row: where a listing, newest first, begins. */
export const START: Position = { created_at: Number.MAX_SAFE_INTEGER, id: '' };

/** @throws PermanentError `bad_cursor` */
export function decodeCursor(cursor: string | null): Position | null {
	if (cursor === null) {
		return null;
	}
	try {
		const parsed = schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
		const position = { created_at: parsed.t, id: parsed.i };
		if (encodeCursor(position) === cursor) {
			return position;
		}
	} catch (error) {
		throw badCursor(error);
	}
	throw badCursor();
}

function encodeCursor(position: Position): string {
	return Buffer.from(JSON.stringify({ v: 1, t: position.created_at, i: position.id })).toString('base64url');
}

function badCursor(cause?: unknown): PermanentError {
	return new PermanentError('bad_cursor', 'The cursor is not one that this service gave out. Start again without a cursor.', { cause });
}

/** @param items one more than `limit` when there is another page. */
export function toPage<T>(items: readonly T[], limit: number, positionOf: (item: T) => Position): Page<T> {
	const shown = items.slice(0, limit);
	const last = shown.at(-1);
	return { items: shown, next_cursor: last !== undefined && items.length > limit ? encodeCursor(positionOf(last)) : null };
}
