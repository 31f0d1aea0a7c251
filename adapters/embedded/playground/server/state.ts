/**
 * The state folder of a site's process: how the host and the process speak across the death of either.
 *
 *     config.json    written by the host before the process starts
 *     deadline       milliseconds since the epoch; rewritten by the host to extend; absent: none
 *     process.json   {pid, identity}: written by both, the same thing
 *     port           the port it listens on, kept for later starts
 *     ready.json     {url, php_version, wp_version}: it answers requests
 *     exit.json      {reason}: why it ended, when it could say
 *     site.log       what it and PHP log
 *
 * Every file is written beside its place and renamed. The folder's existence is the reservation of the slot's id: a
 * process whose state folder is gone ends itself.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

const processSchema = z.object({ pid: z.int().min(2), identity: z.string() });
const readySchema = z.object({ url: z.string(), php_version: z.string(), wp_version: z.string() });
const exitSchema = z.object({ reason: z.string() });

export type ProcessRecord = z.infer<typeof processSchema>;
export type ReadyRecord = z.infer<typeof readySchema>;

/** Writes a file so that a reader sees the old or the new content, never half of it. */
export function writeAtomically(path: string, content: string, mode = 0o600): void {
	const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
	writeFileSync(temporary, content, { mode });
	renameSync(temporary, path);
}

/** The content, or undefined when there is no such file. */
export function readIfThere(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8');
	} catch (cause) {
		if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ENOTDIR')) return undefined;
		throw cause;
	}
}

function readJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
	const text = readIfThere(path);
	if (text === undefined) return undefined;
	try {
		return schema.parse(JSON.parse(text));
	} catch {
		// Written atomically by us, so only a damaged disk gets here; then the slot counts as having no such record.
		return undefined;
	}
}

export class SiteState {
	readonly dir: string;

	constructor(dir: string) {
		this.dir = dir;
	}

	path(name: string): string {
		return join(this.dir, name);
	}

	get process(): ProcessRecord | undefined {
		return readJson(this.path('process.json'), processSchema);
	}

	set process(record: ProcessRecord) {
		writeAtomically(this.path('process.json'), JSON.stringify(record));
	}

	get ready(): ReadyRecord | undefined {
		return readJson(this.path('ready.json'), readySchema);
	}

	set ready(record: ReadyRecord) {
		writeAtomically(this.path('ready.json'), JSON.stringify(record));
	}

	get exitReason(): string | undefined {
		return readJson(this.path('exit.json'), exitSchema)?.reason;
	}

	set exitReason(reason: string) {
		writeAtomically(this.path('exit.json'), JSON.stringify({ reason }));
	}

	/** Undefined when there is none, or it is not a number. */
	get deadline(): number | undefined {
		const text = readIfThere(this.path('deadline'));
		return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined;
	}

	set deadline(at: number) {
		writeAtomically(this.path('deadline'), String(at));
	}

	get port(): number | undefined {
		const text = readIfThere(this.path('port'));
		return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
	}

	set port(port: number) {
		writeAtomically(this.path('port'), String(port));
	}
}
