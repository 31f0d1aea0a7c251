import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { gunzipSync } from 'node:zlib';

/**
 * A second, independent reading of docs/migrator-protocol.md, for tests of the PHP side: signs, calls, checks the frame.
 * Everything about a call can be overridden, so that a test can also be the attacker.
 */

export interface Forged {
	readonly method?: string;
	readonly path?: string;
	readonly verb?: string;
	/** What is signed, when it should differ from what is sent. */
	readonly signedVerb?: string;
	readonly keyId?: string;
	readonly key?: Buffer;
	/** Unix seconds. */
	readonly time?: number | string;
	readonly nonce?: string;
	readonly signature?: string;
	/** The body as sent; the arguments' JSON is what is signed. */
	readonly body?: string;
	/** Headers to leave out. */
	readonly without?: readonly string[];
	readonly headers?: Readonly<Record<string, string>>;
}

export interface RawAnswer {
	readonly status: number;
	readonly headers: Headers;
	readonly body: Buffer;
	readonly nonce: string;
}

/** What the verbs answer, each its own part: a test that looks at the wrong part finds undefined and fails. */
export interface AnswerData {
	readonly [key: string]: unknown;
	readonly tables: readonly Table[];
	readonly views: readonly string[];
	readonly other_tables: readonly string[];
	readonly cursor: unknown;
	readonly rows: number;
	readonly total: number;
	readonly eof: boolean;
	readonly skipped: readonly { readonly path: Path; readonly reason: string }[];
	readonly parts: readonly { readonly bytes: number; readonly eof: boolean; readonly error?: string }[];
	readonly removed: string;
}

/** Bytes that are not UTF-8 travel as base64. */
export type Path = string | { readonly b: string };

export interface Table {
	readonly name: string;
	readonly ddl: string;
	readonly columns: readonly {
		readonly name: string;
		readonly type: string;
		readonly kind: string;
		readonly nullable: boolean;
		readonly generated?: boolean;
	}[];
	readonly key: readonly string[] | null;
	readonly rows: number;
	readonly bytes: number;
}

export interface Answer {
	readonly status: number;
	readonly ok: boolean;
	readonly data: AnswerData;
	readonly code: string | undefined;
	readonly message: string | undefined;
	/** Decompressed. */
	readonly payload: Buffer;
	readonly head: Readonly<Record<string, unknown>>;
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

export class Agent {
	readonly url: string;
	readonly keyId: string;
	readonly key: Buffer;

	/** @param url The site's address, no trailing slash. */
	constructor(url: string, keyId: string, key: Buffer) {
		this.url = url;
		this.keyId = keyId;
		this.key = key;
	}

	/** Sends one call and returns whatever came back. */
	async send(verb: string, args: unknown = {}, forged: Forged = {}): Promise<RawAnswer> {
		const signedBody = JSON.stringify(args);
		const nonce = forged.nonce ?? randomBytes(16).toString('hex');
		const time = String(forged.time ?? Math.floor(Date.now() / 1000));
		const signed = `POST\n/custom-migrator/v1/${forged.signedVerb ?? forged.verb ?? verb}\n${sha256(signedBody)}\n${time}\n${nonce}`;
		const headers: Record<string, string> = {
			'content-type': 'application/json',
			'x-migrator-verb': forged.verb ?? verb,
			'x-migrator-key': forged.keyId ?? this.keyId,
			'x-migrator-time': time,
			'x-migrator-nonce': nonce,
			'x-migrator-signature':
				forged.signature ??
				createHmac('sha256', forged.key ?? this.key)
					.update(signed)
					.digest('hex'),
			...forged.headers,
		};
		for (const name of forged.without ?? []) delete headers[name];
		const method = forged.method ?? 'POST';
		const response = await fetch(`${this.url}${forged.path ?? '/wp-admin/admin-ajax.php'}`, {
			method,
			headers,
			...(method === 'GET' || method === 'HEAD' ? {} : { body: forged.body ?? signedBody }),
			redirect: 'manual',
		});
		return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()), nonce };
	}

	/** A call that must be answered by a frame, which may be an error. @throws Error when it is not a proper one. */
	async ask(verb: string, args: unknown = {}, forged: Forged = {}): Promise<Answer> {
		return openFrame(await this.send(verb, args, forged), this.key);
	}

	/** As `ask`, once the site is there: while an imported one is put in place it answers 503, as to everybody. */
	async askInPlace(verb: string, args: unknown = {}): Promise<Answer> {
		for (;;) {
			const raw = await this.send(verb, args);
			if (raw.status !== 503 || raw.headers.get('retry-after') !== '1') return openFrame(raw, this.key);
			await new Promise((wake) => setTimeout(wake, 50));
		}
	}

	/** As `call`, once the site is there. */
	async callInPlace(verb: string, args: unknown = {}): Promise<Answer> {
		return succeeded(verb, await this.askInPlace(verb, args));
	}

	/** A call that must succeed. */
	async call(verb: string, args: unknown = {}): Promise<Answer> {
		return succeeded(verb, await this.ask(verb, args));
	}
}

function succeeded(verb: string, answer: Answer): Answer {
	if (!answer.ok) throw new Error(`${verb}: ${answer.status} ${answer.code}: ${answer.message}`);
	return answer;
}

/** Checks magic, proof, length and hash of a frame. @throws Error saying which was wrong */
export function openFrame(raw: RawAnswer, key: Buffer): Answer {
	const text = raw.body.subarray(0, 200).toString('latin1');
	if (raw.body.subarray(0, 6).toString() !== 'CMIG1\n') throw new Error(`no frame but ${raw.status} ${text}`);
	const end = raw.body.indexOf(10, 6);
	const line = raw.body.subarray(6, end).toString('utf8');
	const signed = line.replace(/,"proof":"[0-9a-f]{64}"\}$/, '}');
	if (signed === line) throw new Error(`no proof: ${text}`);
	const head = JSON.parse(line) as Record<string, unknown>;
	const expected = createHmac('sha256', key)
		.update(`${raw.nonce}\n${sha256(signed)}`)
		.digest();
	if (!timingSafeEqual(expected, Buffer.from(String(head.proof), 'hex'))) throw new Error('wrong proof');
	const payload = raw.body.subarray(end + 1);
	if (payload.length !== head.bytes) throw new Error(`${payload.length} bytes after the head, not ${head.bytes}`);
	if (sha256(payload) !== head.sha256) throw new Error('wrong payload hash');
	const plain = head.encoding === 'gzip' ? gunzipSync(payload) : payload;
	if (head.encoding === 'gzip' && plain.length !== head.raw_bytes) throw new Error('wrong raw_bytes');
	return {
		status: raw.status,
		ok: head.ok === true,
		data: head.data as AnswerData,
		code: head.code as string | undefined,
		message: head.message as string | undefined,
		payload: plain,
		head,
	};
}
