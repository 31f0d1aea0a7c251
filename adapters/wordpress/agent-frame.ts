import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import * as z from 'zod';
import type { ProductError } from '../../core/errors.ts';
import type { Json } from '../../core/jobs/job.ts';
import { siteError } from './site-errors.ts';

/** Signing requests to an agent and opening its answers: docs/migrator-protocol.md, "Transport". */

const MARKER = Buffer.from('CMIG1\n');
/** Another plugin may have printed before the frame. */
const MARKER_WITHIN = 64 * 1024;
const MAX_RAW_BYTES = 64 * 1024 * 1024;
const PROOF = /,"proof":"([0-9a-f]{64})"\}$/;

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The 32 bytes of an agent key. @throws PermanentError `bad_agent_key` */
export function agentKeyBytes(agentKey: string): Buffer {
	const key = Buffer.from(agentKey, 'base64');
	if (key.length !== 32) throw siteError('bad_agent_key');
	return key;
}

/** The headers that sign one request. @param time Unix seconds by the agent's clock. @param nonce 32 hex digits, never used before. */
export function signedHeaders(key: Buffer, keyId: string, verb: string, body: string, time: number, nonce: string): Record<string, string> {
	const signed = `POST\n/custom-migrator/v1/${verb}\n${sha256(body)}\n${time}\n${nonce}`;
	return {
		'x-migrator-verb': verb,
		'x-migrator-key': keyId,
		'x-migrator-time': String(time),
		'x-migrator-nonce': nonce,
		'x-migrator-signature': createHmac('sha256', key).update(signed).digest('hex'),
	};
}

const headSchema = z.looseObject({
	ok: z.boolean(),
	data: z.json().optional(),
	code: z.string().max(64).optional(),
	message: z.string().optional(),
	retry_after: z.number().min(0).optional(),
	bytes: z.int().min(0),
	sha256: z.string(),
	encoding: z.literal('gzip').optional(),
	raw_bytes: z.int().min(0).optional(),
});

/** An answer that is proved to be the agent's, and to this very request. */
export interface AgentAnswer {
	readonly ok: boolean;
	readonly data: Json;
	readonly code: string;
	readonly message: string;
	readonly retryAfterSeconds: number | undefined;
	/** Decompressed. */
	readonly payload: Uint8Array;
}

const badAnswer = (detail: string, cause?: unknown): ProductError => siteError('bad_answer', { detail: `it ${detail}`, cause });

/** Whether a body holds a frame at all; without one it is not the agent's answer. */
export function findFrame(body: Uint8Array): number {
	const at = Buffer.from(body.buffer, body.byteOffset, Math.min(body.length, MARKER_WITHIN + MARKER.length)).indexOf(MARKER);
	return at > MARKER_WITHIN ? -1 : at;
}

/**
 * Opens the frame at `start` (findFrame) and checks its proof and the payload's hash.
 * @throws TransientError `bad_answer`
 */
export async function openFrame(body: Uint8Array, start: number, key: Buffer, nonce: string): Promise<AgentAnswer> {
	const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
	const headStart = start + MARKER.length;
	const headEnd = bytes.indexOf(0x0a, headStart);
	if (headEnd < 0) throw badAnswer('is cut off');
	const line = bytes.toString('utf8', headStart, headEnd);
	const proof = PROOF.exec(line);
	if (proof?.[1] === undefined) throw badAnswer('carries no proof');
	const expected = createHmac('sha256', key)
		.update(`${nonce}\n${sha256(line.replace(PROOF, '}'))}`)
		.digest();
	if (!timingSafeEqual(expected, Buffer.from(proof[1], 'hex')))
		throw badAnswer('is not proved by the key, or is an answer to another request');
	let json: unknown;
	try {
		json = JSON.parse(line);
	} catch (cause) {
		throw badAnswer('has a head that is not JSON', cause);
	}
	const parsed = headSchema.safeParse(json);
	if (!parsed.success) throw badAnswer('has a head of another shape', parsed.error);
	const head = parsed.data;
	const payload = bytes.subarray(headEnd + 1, headEnd + 1 + head.bytes);
	if (payload.length !== head.bytes) throw badAnswer('is cut off');
	if (sha256(payload) !== head.sha256) throw badAnswer('carries data that does not match its checksum');
	return {
		ok: head.ok,
		data: head.data ?? null,
		code: head.code ?? 'agent_failed',
		message: head.message ?? '',
		retryAfterSeconds: head.retry_after,
		payload: head.encoding === 'gzip' ? await decompress(payload, head.raw_bytes) : payload,
	};
}

async function decompress(payload: Buffer, rawBytes: number | undefined): Promise<Uint8Array> {
	if (rawBytes === undefined || rawBytes > MAX_RAW_BYTES) throw badAnswer('unpacks to more than 64 MiB');
	let raw: Buffer;
	try {
		raw = await promisify(gunzip)(payload, { maxOutputLength: Math.max(rawBytes, 1) });
	} catch (cause) {
		throw badAnswer('carries compressed data that does not unpack to its stated size', cause);
	}
	if (raw.length !== rawBytes) throw badAnswer('carries compressed data that does not unpack to its stated size');
	return raw;
}
