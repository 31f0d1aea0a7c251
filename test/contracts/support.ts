import { setImmediate } from 'node:timers/promises';
import type { Clone } from '../../core/clones/clone.ts';
import type { Job, JobType } from '../../core/jobs/job.ts';
import { newJob } from '../../core/jobs/new-job.ts';
import type { Page } from '../../core/ports.ts';

/** A moment all rows of a suite are made around. */
export const T0 = Date.UTC(2030, 0, 1);

let counter = 0;

/** Unique in this run, and not likely in a table that other runs have used. */
export function unique(prefix: string): string {
	counter += 1;
	return `${prefix}-${process.pid.toString(36)}${Date.now().toString(36)}${counter}`;
}

/** Job ids end in 12 hex digits. */
export function jobId(type: JobType = 'clone'): string {
	counter += 1;
	return `${type}-${(BigInt(Date.now()) * 100_000n + BigInt(counter)).toString(16).slice(-12).padStart(12, '0')}`;
}

export function makeJob(fields: Partial<Job> = {}): Job {
	const type = fields.type ?? 'clone';
	return {
		...newJob({
			job_id: jobId(type),
			type,
			owner: 'owner-a',
			input: { source_url: 'https://example.com' },
			sealed_input: 'sealed',
			clone_id: null,
			now: T0,
			deadlineSeconds: 1800,
			expectedSeconds: 60,
		}),
		...fields,
	};
}

export function makeClone(job: Job, fields: Partial<Clone> = {}): Clone {
	return {
		clone_id: job.clone_id ?? job.job_id,
		owner: job.owner,
		job_id: job.job_id,
		state: 'provisioning',
		generation: 1,
		created_at: job.created_at,
		ttl_minutes: 30,
		expires_at: null,
		slot_id: null,
		url: null,
		source_url: 'https://example.com',
		facts: {},
		...fields,
	};
}

/** Reads until `isThere`, because an index may lag behind its table; the last answer if it never is. */
export async function eventually<T>(read: () => Promise<T>, isThere: (value: T) => boolean): Promise<T> {
	const end = Date.now() + 10_000;
	let value = await read();
	while (!isThere(value) && Date.now() < end) {
		await setImmediate();
		value = await read();
	}
	return value;
}

/** Every item of a paged listing. Fails when a page is larger than asked or the listing does not end. */
export async function readAll<T>(read: (cursor: string | null) => Promise<Page<T>>, limit: number): Promise<T[]> {
	const items: T[] = [];
	let cursor: string | null = null;
	for (let pages = 0; pages < 1000; pages++) {
		const page: Page<T> = await read(cursor);
		if (page.items.length > limit) {
			throw new Error(`A page of ${page.items.length} items where ${limit} were asked for.`);
		}
		items.push(...page.items);
		cursor = page.next_cursor;
		if (cursor === null) {
			return items;
		}
	}
	throw new Error('The listing has no end.');
}

export function nth<T>(items: readonly T[], index: number): T {
	const item = items.at(index);
	if (item === undefined) {
		throw new Error(`There is no item ${index} among ${items.length}.`);
	}
	return item;
}

export function present<T>(value: T | undefined): T {
	if (value === undefined) {
		throw new Error('A value was expected.');
	}
	return value;
}
