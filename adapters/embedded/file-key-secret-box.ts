/**
 * Secrets sealed with AES-256-GCM under a key in a file of mode 0600. The context is authenticated, not stored: what was
 * sealed for one job cannot be opened for another.
 * Format: `v1.` + base64url(12-byte IV ‖ ciphertext ‖ 16-byte tag). Random 96-bit IVs are good for 2³² seals under one
 * key (NIST SP 800-38D, 8.3); one machine makes a handful a clone.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, linkSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { SealError } from '../../core/errors.ts';
import type { SecretBox } from '../../core/ports.ts';

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const PREFIX = 'v1.';

type Context = Readonly<Record<string, string>>;

export class FileKeySecretBox implements SecretBox {
	readonly #key: Buffer;

	/**
	 * Reads the key file; makes it when there is none. When several processes start at once, one makes it and all read it.
	 * @throws SealError when the file may be read by others, is not 32 bytes long, or cannot be read or made.
	 */
	constructor(path: string) {
		this.#key = readKey(path) ?? makeKey(path);
	}

	/** @throws SealError */
	async seal(plain: string, context: Context): Promise<string> {
		return guard('The value could not be sealed.', () => {
			const iv = randomBytes(IV_BYTES);
			const cipher = createCipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_BYTES });
			cipher.setAAD(associatedData(context));
			const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
			return PREFIX + Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url');
		});
	}

	/** @throws SealError */
	async open(sealed: string, context: Context): Promise<string> {
		return guard('The sealed value cannot be opened: it was altered, or sealed with another key or for another purpose.', () => {
			const encoded = sealed.slice(PREFIX.length);
			const bytes = Buffer.from(encoded, 'base64url');
			// Node's decoder skips what is not base64url; nothing that was not written by `seal` is read.
			if (!sealed.startsWith(PREFIX) || bytes.length < IV_BYTES + TAG_BYTES || bytes.toString('base64url') !== encoded) {
				throw new Error('not of the format v1');
			}
			const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
			decipher.setAAD(associatedData(context));
			decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
			const body = bytes.subarray(IV_BYTES, bytes.length - TAG_BYTES);
			return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
		});
	}
}

/** The context as JSON with its keys in order: equal contexts give equal bytes, different ones never do. */
function associatedData(context: Context): Buffer {
	const entries = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
	return Buffer.from(JSON.stringify(entries), 'utf8');
}

function guard<T>(message: string, work: () => T): T {
	try {
		return work();
	} catch (error) {
		throw error instanceof SealError ? error : new SealError(message, { cause: error });
	}
}

function isCode(error: unknown, code: string): boolean {
	return error instanceof Error && 'code' in error && error.code === code;
}

function readKey(path: string): Buffer | undefined {
	return guard(`The key file ${path} cannot be read.`, () => {
		let file: number;
		try {
			file = openSync(path, 'r');
		} catch (error) {
			if (isCode(error, 'ENOENT')) {
				return undefined;
			}
			throw error;
		}
		try {
			if ((fstatSync(file).mode & 0o077) !== 0) {
				throw new SealError(`The key file ${path} may be used by others: set its mode to 0600, and think of its secrets as known.`);
			}
			const key = readFileSync(file);
			if (key.length !== KEY_BYTES) {
				throw new SealError(`The key file ${path} holds ${key.length} bytes instead of ${KEY_BYTES}: restore it from a backup.`);
			}
			return key;
		} finally {
			closeSync(file);
		}
	});
}

/** The new name is on the disk before anything sealed with the key is. */
function syncFolder(path: string): void {
	const folder = openSync(path, 'r');
	try {
		fsyncSync(folder);
	} finally {
		closeSync(folder);
	}
}

/** Writes the whole key beside its place and links it there: nobody ever sees half a key, and the first one wins. */
function makeKey(path: string): Buffer {
	guard(`The key file ${path} cannot be made.`, () => {
		const draft = `${path}.${randomBytes(8).toString('hex')}`;
		const file = openSync(draft, 'wx', 0o600);
		try {
			writeSync(file, randomBytes(KEY_BYTES));
			fsyncSync(file);
			linkSync(draft, path);
			syncFolder(dirname(path));
		} catch (error) {
			if (!isCode(error, 'EEXIST')) {
				throw error;
			}
		} finally {
			closeSync(file);
			unlinkSync(draft);
		}
	});
	const key = readKey(path);
	if (key === undefined) {
		throw new SealError(`The key file ${path} has disappeared.`);
	}
	return key;
}
