/** Reads columns of a row, refusing what the schema does not allow: a damaged row must not become a wrong answer. */
import type { Json } from '../../../core/jobs/job.ts';
import type { Row } from './sqlite-database.ts';

function wrong(column: string): Error {
	return new Error(`The database holds an unexpected value in column "${column}".`);
}

export function text(row: Row, column: string): string {
	const value = row[column];
	if (typeof value !== 'string') {
		throw wrong(column);
	}
	return value;
}

export function number(row: Row, column: string): number {
	const value = row[column];
	if (typeof value !== 'number') {
		throw wrong(column);
	}
	return value;
}

export function textOrNull(row: Row, column: string): string | null {
	return row[column] === null ? null : text(row, column);
}

export function numberOrNull(row: Row, column: string): number | null {
	return row[column] === null ? null : number(row, column);
}

export function oneOf<T extends string>(row: Row, column: string, values: readonly T[]): T {
	const value = values.find((candidate) => candidate === row[column]);
	if (value === undefined) {
		throw wrong(column);
	}
	return value;
}

export function json(row: Row, column: string): Json {
	return JSON.parse(text(row, column)) as Json;
}

export function jsonOrNull(row: Row, column: string): Json {
	return row[column] === null ? null : json(row, column);
}

/** An object column; `null` stays null. The shape inside is what this adapter wrote. */
export function objectOrNull<T extends object>(row: Row, column: string): T | null {
	const value = jsonOrNull(row, column);
	if (value === null) {
		return null;
	}
	if (typeof value !== 'object' || Array.isArray(value)) {
		throw wrong(column);
	}
	return value as unknown as T;
}

export function object<T extends object>(row: Row, column: string): T {
	const value = objectOrNull<T>(row, column);
	if (value === null) {
		throw wrong(column);
	}
	return value;
}
