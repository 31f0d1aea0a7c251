/**
 * Secrets sealed with a data key of their own (AES-256-GCM), which KMS has sealed to the context: whoever may use the key
 * for one job's context can open nothing of another's, and every opening is in CloudTrail with job and owner.
 *
 * Format: `k1.` + base64url(2-byte length of the sealed data key ‖ sealed data key ‖ 12-byte IV ‖ ciphertext ‖ 16-byte tag).
 * Context and sealed data key are authenticated with the secret itself, too: nothing hangs on KMS noticing an altered one.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { DecryptCommand, GenerateDataKeyCommand, type KMSClient } from '@aws-sdk/client-kms';
import { SealError, TransientError } from '../../core/errors.ts';
import type { Clock, SecretBox } from '../../core/ports.ts';
import { asked, nameOf } from './aws-errors.ts';

type Context = Readonly<Record<string, string>>;

const PREFIX = 'k1.';
const LENGTH_BYTES = 2;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const ALTERED = 'The sealed value cannot be opened: it was altered, or sealed with another key or for another purpose.';

/** KMS's words for a data key that is none, is another key's, or belongs to another context. */
const NOT_THIS_KEY: ReadonlySet<string> = new Set(['InvalidCiphertextException', 'IncorrectKeyException']);

/** Data keys that were just used: whoever polls a finished job does not ask KMS each time. */
const KEPT_KEYS = 500;
const KEEP_MS = 5 * 60_000;

export interface KmsSecretBoxOptions {
	readonly client: KMSClient;
	/** Id or ARN of the key. */
	readonly keyId: string;
	readonly clock: Clock;
}

export class KmsSecretBox implements SecretBox {
	readonly #options: KmsSecretBoxOptions;
	/** By sealed data key and context. */
	readonly #keys = new Map<string, { key: Buffer; until: number }>();

	constructor(options: KmsSecretBoxOptions) {
		this.#options = options;
	}

	/** @throws TransientError, PermanentError of aws-errors.ts */
	async seal(plain: string, context: Context): Promise<string> {
		const { client, keyId } = this.#options;
		const { Plaintext: key, CiphertextBlob: sealedKey } = await asked('kms:GenerateDataKey', () =>
			client.send(new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256', EncryptionContext: forKms(context) })),
		);
		if (key === undefined || sealedKey === undefined) {
			throw new TransientError('aws_unavailable', 'KMS answered without a data key.');
		}
		const keyBytes = Buffer.from(key);
		const head = Buffer.alloc(LENGTH_BYTES);
		head.writeUInt16BE(sealedKey.length);
		const iv = randomBytes(IV_BYTES);
		const cipher = createCipheriv('aes-256-gcm', keyBytes, iv, { authTagLength: TAG_BYTES });
		cipher.setAAD(associatedData(context, sealedKey));
		const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
		this.#keep(sealedKey, context, keyBytes);
		return PREFIX + Buffer.concat([head, sealedKey, iv, body, cipher.getAuthTag()]).toString('base64url');
	}

	/** @throws SealError when it cannot be opened; TransientError, PermanentError when KMS could not be asked */
	async open(sealed: string, context: Context): Promise<string> {
		const { sealedKey, iv, body, tag } = parse(sealed);
		const key = this.#kept(sealedKey, context) ?? (await this.#decrypt(sealedKey, context));
		try {
			const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
			decipher.setAAD(associatedData(context, sealedKey));
			decipher.setAuthTag(tag);
			const plain = Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
			this.#keep(sealedKey, context, key);
			return plain;
		} catch (cause) {
			throw new SealError(ALTERED, { cause });
		}
	}

	async #decrypt(sealedKey: Uint8Array, context: Context): Promise<Buffer> {
		const { client, keyId } = this.#options;
		const answer = await asked('kms:Decrypt', async () => {
			try {
				return await client.send(new DecryptCommand({ KeyId: keyId, CiphertextBlob: sealedKey, EncryptionContext: forKms(context) }));
			} catch (cause) {
				throw NOT_THIS_KEY.has(nameOf(cause)) ? new SealError(ALTERED, { cause }) : cause;
			}
		});
		if (answer.Plaintext?.length !== 32) throw new SealError(ALTERED);
		return Buffer.from(answer.Plaintext);
	}

	#kept(sealedKey: Uint8Array, context: Context): Buffer | undefined {
		const name = cacheName(sealedKey, context);
		const kept = this.#keys.get(name);
		if (kept !== undefined && kept.until > this.#options.clock.now()) return kept.key;
		this.#keys.delete(name);
		return undefined;
	}

	#keep(sealedKey: Uint8Array, context: Context, key: Buffer): void {
		const [oldest] = this.#keys.keys();
		if (this.#keys.size >= KEPT_KEYS && oldest !== undefined) this.#keys.delete(oldest);
		this.#keys.set(cacheName(sealedKey, context), { key, until: this.#options.clock.now() + KEEP_MS });
	}
}

interface Parts {
	readonly sealedKey: Uint8Array;
	readonly iv: Uint8Array;
	readonly body: Uint8Array;
	readonly tag: Uint8Array;
}

/** @throws SealError */
function parse(sealed: string): Parts {
	const encoded = sealed.slice(PREFIX.length);
	const bytes = Buffer.from(encoded, 'base64url');
	// Node's decoder skips what is not base64url; nothing that was not written by `seal` is read.
	if (!sealed.startsWith(PREFIX) || bytes.length < LENGTH_BYTES || bytes.toString('base64url') !== encoded) throw new SealError(ALTERED);
	const ivAt = LENGTH_BYTES + bytes.readUInt16BE();
	if (ivAt === LENGTH_BYTES || bytes.length < ivAt + IV_BYTES + TAG_BYTES) throw new SealError(ALTERED);
	return {
		sealedKey: bytes.subarray(LENGTH_BYTES, ivAt),
		iv: bytes.subarray(ivAt, ivAt + IV_BYTES),
		body: bytes.subarray(ivAt + IV_BYTES, bytes.length - TAG_BYTES),
		tag: bytes.subarray(bytes.length - TAG_BYTES),
	};
}

/** The context as JSON with its keys in order: equal contexts give equal text, different ones never do. */
function canonical(context: Context): string {
	return JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function associatedData(context: Context, sealedKey: Uint8Array): Buffer {
	return Buffer.concat([Buffer.from(canonical(context), 'utf8'), Buffer.from([0]), sealedKey]);
}

function cacheName(sealedKey: Uint8Array, context: Context): string {
	return `${Buffer.from(sealedKey).toString('base64')} ${canonical(context)}`;
}

/** KMS takes no empty value in a context; the whole of it is authenticated with the secret all the same. */
function forKms(context: Context): Record<string, string> {
	return Object.fromEntries(Object.entries(context).filter(([, value]) => value !== ''));
}
