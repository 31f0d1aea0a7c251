import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';

/** The agent's side of docs/migrator-protocol.md, written from that text alone. */

export const KEY = Buffer.alloc(32, 7);
export const AGENT_KEY = KEY.toString('base64');
const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

export interface FrameOptions {
	readonly payload?: Buffer;
	readonly gzip?: boolean;
	readonly key?: Buffer;
	readonly before?: string;
	/** Members of the head that differ from what is right; proved all the same. */
	readonly head?: object;
}

/** A frame that answers the request whose nonce is given. */
export function frame(nonce: string, data: object, options: FrameOptions = {}): Buffer {
	const raw = options.payload ?? Buffer.alloc(0);
	const payload = options.gzip ? gzipSync(raw) : raw;
	const head = JSON.stringify({
		ok: true,
		data,
		bytes: payload.length,
		sha256: sha256(payload),
		...(options.gzip ? { encoding: 'gzip', raw_bytes: raw.length } : {}),
		...options.head,
	});
	const proof = createHmac('sha256', options.key ?? KEY)
		.update(`${nonce}\n${sha256(head)}`)
		.digest('hex');
	return Buffer.concat([Buffer.from(`${options.before ?? ''}CMIG1\n${head.slice(0, -1)},"proof":"${proof}"}\n`), payload]);
}

export const failure = (nonce: string, code: string, message: string, more: object = {}): Buffer =>
	frame(nonce, {}, { head: { ok: false, data: undefined, code, message, ...more } });

/** Whether a request is signed by the key, as the protocol says. */
export function isSigned(request: IncomingMessage, body: Buffer, key: Buffer = KEY): boolean {
	const header = (name: string): string => String(request.headers[`x-migrator-${name}`]);
	const text = `POST\n/custom-migrator/v1/${header('verb')}\n${sha256(body)}\n${header('time')}\n${header('nonce')}`;
	return createHmac('sha256', key).update(text).digest('hex') === header('signature') && /^[0-9a-f]{32}$/.test(header('nonce'));
}

export const nonceOf = (request: IncomingMessage): string => String(request.headers['x-migrator-nonce']);
