import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream';
import { pipeline as pipelineDone } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { AnswerTooLargeError, fetchError } from './fetch-errors.ts';
import { siteError } from './site-errors.ts';

/** An answer whose body is read once, as a stream, and never past the limit: neither as sent nor as decompressed. */
export class GuardedResponse {
	/** The URL that answered, after redirects. */
	readonly url: URL;
	readonly status: number;
	/** Size limit of the body in bytes. */
	readonly maxBytes: number;
	readonly #headers: IncomingHttpHeaders;
	readonly #body: Readable;
	readonly #headerLimit: number;

	constructor(
		url: URL,
		answer: { readonly statusCode: number; readonly headers: IncomingHttpHeaders; readonly body: Readable },
		limits: { maxBytes: number; maxHeaderBytes: number },
	) {
		this.url = url;
		this.status = answer.statusCode;
		this.maxBytes = limits.maxBytes;
		this.#headers = answer.headers;
		this.#body = answer.body;
		this.#headerLimit = limits.maxHeaderBytes;
	}

	/** The first value of a header, by lower-case name. */
	header(name: string): string | undefined {
		const value = this.#headers[name];
		return Array.isArray(value) ? value[0] : value;
	}

	/** Every Set-Cookie line. */
	setCookies(): readonly string[] {
		const value = this.#headers['set-cookie'];
		return value === undefined ? [] : Array.isArray(value) ? value : [value];
	}

	/**
	 * The body in pieces, decompressed. Leaving the loop early closes the connection.
	 * @throws AnswerTooLargeError; TransientError `bad_answer`, `source_timeout`, `source_unavailable`
	 */
	async *chunks(maxBytes: number = this.maxBytes): AsyncGenerator<Uint8Array> {
		const declared = Number(this.header('content-length') ?? 0);
		let decoded: Readable | undefined;
		let sent = 0;
		let read = 0;
		const count = (chunk: Buffer): void => {
			sent += chunk.length;
			if (sent > maxBytes) this.#body.destroy(new AnswerTooLargeError('a body', maxBytes));
		};
		try {
			if (declared > maxBytes) throw new AnswerTooLargeError('a body', maxBytes);
			decoded = this.#decoder();
			if (decoded !== this.#body) this.#body.on('data', count);
			for await (const chunk of decoded) {
				const bytes: Uint8Array = chunk;
				read += bytes.length;
				if (read > maxBytes) throw new AnswerTooLargeError('a body', maxBytes);
				yield bytes;
			}
		} catch (cause) {
			throw fetchError(cause, this.#headerLimit);
		} finally {
			decoded?.destroy();
			this.#body.on('error', () => {});
			this.#body.destroy();
		}
	}

	async bytes(maxBytes?: number): Promise<Uint8Array> {
		const parts: Uint8Array[] = [];
		for await (const part of this.chunks(maxBytes)) parts.push(part);
		return Buffer.concat(parts);
	}

	/** The body as text; bytes that are not UTF-8 become U+FFFD. */
	async text(maxBytes?: number): Promise<string> {
		return new TextDecoder().decode(await this.bytes(maxBytes));
	}

	/** Writes the body to a file and answers its size in bytes. A body that is refused or cut off leaves no file. */
	async saveTo(path: string, maxBytes?: number): Promise<number> {
		let size = 0;
		const chunks = this.chunks(maxBytes);
		try {
			await pipelineDone(async function* () {
				for await (const chunk of chunks) {
					size += chunk.length;
					yield chunk;
				}
			}, createWriteStream(path));
			return size;
		} catch (cause) {
			await rm(path, { force: true });
			throw cause;
		}
	}

	/** Drops the body; keeps the connection when little of it is left. */
	async discard(): Promise<void> {
		const body = this.#body as Readable & { dump?: (options: { limit: number }) => Promise<void> };
		body.on('error', () => {});
		if (body.dump) await body.dump({ limit: 64 * 1024 }).catch(() => {});
		else body.destroy();
	}

	#decoder(): Readable {
		const encoding = (this.header('content-encoding') ?? 'identity').trim().toLowerCase();
		if (encoding === 'identity' || encoding === '') return this.#body;
		const make = { gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress }[encoding];
		if (make === undefined) throw siteError('bad_answer', { detail: 'compressed in a way that was not asked for' });
		const decoder = make();
		// Errors reach the reader through the decoder, which the pipeline destroys with them.
		pipeline(this.#body, decoder, () => {});
		return decoder;
	}
}
