/**
 * The host's side of the import's transport: PHP asks, Node fetches. Sockets through php-wasm are slow (one recv every
 * 20 ms) and unguarded; here several requests are in flight at once, each through the guarded fetch, its answer in a file.
 *
 * PHP calls `post_message_to_js( json )` and gets JSON back. Messages:
 *
 *     {"op":"fetch_start","id":"…","url":"…","method":"POST","headers":{…},"body":"…" | "body_file":"…",
 *      "out_file":"…","max_bytes":n,"timeout_ms":n}
 *         → {"ok":true}                     at once; the request runs in the background
 *     {"op":"fetch_wait","timeout_ms":n}    suspends PHP (JSPI) until one request has ended, in the order they end
 *         → {"id":"…","status":200,"headers":{"content-type":"…",…},"bytes":n,"file":"…"}
 *         → {"id":"…","error":"code","message":"…"}   no answer: guarded fetch's code, e.g. source_unavailable
 *         → {"none":true}                   none within timeout_ms, or none is in flight
 *     {"op":"fetch_cancel"}                 aborts all and forgets those that have ended
 *         → {"ok":true}
 *     anything malformed                    → {"error":"bad_message","message":"…"}
 *
 * `method` is GET or POST (default POST). Header names reach PHP in lower case, values as one string. `out_file` and
 * `body_file` are absolute paths below CLONE_DIR/import, no symbolic link on the way; `out_file` is replaced, and is not
 * left behind by a request that failed. An answer longer than `max_bytes` is the error `answer_too_large`. At most
 * MAX_IN_FLIGHT requests run; more wait their turn, their time counting from when they start.
 */
import { lstatSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, sep } from 'node:path';
import * as z from 'zod';
import { ProductError } from '../../../../core/errors.ts';

/** What the seam needs of a guarded fetch (adapters/wordpress/guarded-fetch.ts gives it). */
export interface HostFetcher {
	fetch(request: {
		readonly url: string;
		readonly method: 'GET' | 'POST';
		readonly headers: Readonly<Record<string, string>>;
		readonly body?: string | Uint8Array;
		readonly maxBytes: number;
		readonly totalTimeoutMs: number;
		readonly headersTimeoutMs: number;
		readonly followRedirects: false;
		readonly signal: AbortSignal;
	}): Promise<HostAnswer>;
}

export interface HostAnswer {
	readonly status: number;
	/** The first value of a header, by lower-case name. */
	header(name: string): string | undefined;
	/** Writes the body to a file; leaves none when it fails. @returns its size in bytes */
	saveTo(path: string): Promise<number>;
}

const MAX_IN_FLIGHT = 8;
const MAX_BYTES = 128 * 1024 * 1024;
const MAX_TIMEOUT_MS = 300_000;
/** What the importer looks at; a foreign site's other headers are not worth carrying. */
const ANSWER_HEADERS = ['content-type', 'content-length', 'content-encoding', 'retry-after', 'location', 'server', 'cf-mitigated'];

const messageSchema = z.discriminatedUnion('op', [
	z.object({
		op: z.literal('fetch_start'),
		id: z.string().min(1).max(200),
		url: z.string(),
		method: z.enum(['GET', 'POST']).default('POST'),
		headers: z.record(z.string(), z.string()).default({}),
		body: z.string().optional(),
		body_file: z.string().optional(),
		out_file: z.string(),
		max_bytes: z.int().min(1).max(MAX_BYTES),
		timeout_ms: z.int().min(1).max(MAX_TIMEOUT_MS),
	}),
	z.object({ op: z.literal('fetch_wait'), timeout_ms: z.int().min(0).max(MAX_TIMEOUT_MS) }),
	z.object({ op: z.literal('fetch_cancel') }),
]);
type StartMessage = Extract<z.infer<typeof messageSchema>, { op: 'fetch_start' }>;
type Outcome = Readonly<Record<string, unknown>> & { readonly id: string };

export class HostFetch {
	readonly #fetcher: HostFetcher;
	readonly #root: string;
	#ended: Outcome[] = [];
	#queued: StartMessage[] = [];
	/** Open connections, those of cancelled requests included until they have closed. */
	#running = 0;
	/** Requests whose end somebody may wait for. */
	#awaited = 0;
	#abort = new AbortController();
	#wake: () => void = () => {};

	/** @param root CLONE_DIR/import: the only folder that files may be in */
	constructor(fetcher: HostFetcher, root: string) {
		this.#fetcher = fetcher;
		this.#root = root;
	}

	/** Answers one message of PHP. Never throws. */
	async handle(message: string): Promise<string> {
		let parsed: z.infer<typeof messageSchema>;
		try {
			parsed = messageSchema.parse(JSON.parse(message));
			if (parsed.op === 'fetch_start') this.#start(parsed);
		} catch (cause) {
			return JSON.stringify({ error: 'bad_message', message: cause instanceof Error ? cause.message : 'not a message' });
		}
		if (parsed.op === 'fetch_wait') return JSON.stringify(await this.#wait(parsed.timeout_ms));
		if (parsed.op === 'fetch_cancel') this.cancel();
		return '{"ok":true}';
	}

	/** Aborts everything in flight. */
	cancel(): void {
		this.#abort.abort();
		this.#abort = new AbortController();
		this.#ended = [];
		this.#queued = [];
		this.#awaited = 0;
	}

	#start(message: StartMessage): void {
		this.#jailed(message.out_file);
		if (message.body_file !== undefined) this.#jailed(message.body_file);
		this.#queued.push(message);
		this.#awaited += 1;
		this.#pump();
	}

	#pump(): void {
		while (this.#running < MAX_IN_FLIGHT) {
			const next = this.#queued.shift();
			if (next === undefined) return;
			this.#running += 1;
			void this.#launch(next, this.#abort.signal);
		}
	}

	async #launch(message: StartMessage, signal: AbortSignal): Promise<void> {
		const outcome = await this.#run(message, signal);
		this.#running -= 1;
		// What was cancelled is nobody's any more: its id may be in use again.
		if (!signal.aborted) {
			this.#awaited -= 1;
			this.#ended.push(outcome);
			this.#wake();
		}
		this.#pump();
	}

	async #run(message: StartMessage, signal: AbortSignal): Promise<Outcome> {
		const { id } = message;
		try {
			const body = message.body_file === undefined ? message.body : readFileSync(this.#jailed(message.body_file));
			const answer = await this.#fetcher.fetch({
				url: message.url,
				method: message.method,
				headers: Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name.toLowerCase(), value])),
				...(body === undefined ? {} : { body }),
				maxBytes: message.max_bytes,
				totalTimeoutMs: message.timeout_ms,
				headersTimeoutMs: message.timeout_ms,
				followRedirects: false,
				signal,
			});
			const file = this.#jailed(message.out_file);
			const bytes = await answer.saveTo(file);
			const headers = ANSWER_HEADERS.flatMap((name) => {
				const value = answer.header(name);
				return value === undefined ? [] : [[name, value]];
			});
			return { id, status: answer.status, headers: Object.fromEntries(headers), bytes, file };
		} catch (cause) {
			const code = cause instanceof ProductError ? cause.code : 'fetch_failed';
			return { id, error: code, message: cause instanceof Error ? cause.message : String(cause) };
		}
	}

	async #wait(timeoutMs: number): Promise<Outcome | { none: true }> {
		if (this.#ended.length === 0 && this.#awaited > 0) {
			let timer: NodeJS.Timeout | undefined;
			await new Promise<void>((resolve) => {
				this.#wake = resolve;
				timer = setTimeout(resolve, timeoutMs);
			});
			clearTimeout(timer);
		}
		return this.#ended.shift() ?? { none: true };
	}

	/** @returns the path @throws Error when it is not a plain file's path below the import folder */
	#jailed(path: string): string {
		const folder = isAbsolute(path) && !path.includes('\0') ? dirname(path) : '';
		const real = folder === '' ? '' : realpathSync(folder);
		const root = realpathSync(this.#root);
		if (real !== root && !real.startsWith(root + sep)) throw new Error('A file of a fetch must lie in the import folder.');
		const file = join(real, basename(path));
		const stats = lstatSync(file, { throwIfNoEntry: false });
		if (stats !== undefined && !stats.isFile()) throw new Error('A file of a fetch must be a plain file.');
		return file;
	}
}
