/**
 * Bearer tokens of the one-machine service. `{data}/token` holds the first owner's token as it is, for the person at the
 * machine; every other token is one file `{data}/tokens/{SHA-256 of the token}.json` that names its owner. Each file
 * appears whole, by a rename, so a token made by another process works at the next request, and a file taken away stops
 * working as soon.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { link, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PermanentError } from '../../core/errors.ts';

export const FIRST_OWNER = 'owner-1';

/** Also the form of an owner's name. */
const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/;
const HASH_FILE = /^([0-9a-f]{64})\.json$/;
/** 32 random bytes; the prefix lets secret scanners know one when they see it. */
const newToken = (): string => `wpc_${randomBytes(32).toString('base64url')}`;
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Makes the first owner's token if there is none yet.
 * @returns the token when it was made now, to be printed once; else null
 * @throws PermanentError `token_file_unsafe` when the file is open to others
 */
export async function ensureFirstToken(dataDir: string): Promise<string | null> {
	await mkdir(dataDir, { recursive: true, mode: 0o700 });
	const path = join(dataDir, 'token');
	const token = newToken();
	const temporary = join(dataDir, `.token-${randomBytes(6).toString('hex')}`);
	await writePrivate(temporary, `${token}\n`);
	try {
		// Fails when the file is there, so that two first starts at once agree on one token.
		await link(temporary, path);
		return token;
	} catch (error) {
		if (!isCode(error, 'EEXIST')) throw error;
		readFirstToken(dataDir);
		return null;
	} finally {
		await rm(temporary, { force: true });
	}
}

/**
 * Makes a token for an owner, who may have several. It is stored only as a hash: this is the one time it can be shown.
 * @throws PermanentError `bad_owner_name`
 */
export async function createToken(dataDir: string, owner: string): Promise<string> {
	if (!NAME.test(owner)) {
		throw new PermanentError(
			'bad_owner_name',
			'An owner name has 1 to 64 of a-z, 0-9, dot, underscore and hyphen, with a letter or digit first and last.',
		);
	}
	const folder = join(dataDir, 'tokens');
	await mkdir(folder, { recursive: true, mode: 0o700 });
	const token = newToken();
	const path = join(folder, `${sha256(token).toString('hex')}.json`);
	await writePrivate(`${path}.new`, `${JSON.stringify({ owner, created_at: new Date().toISOString() })}\n`);
	await rename(`${path}.new`, path);
	return token;
}

export interface ApiTokens {
	/**
	 * @returns the token's owner, or null when it is not a token of this service
	 * @throws PermanentError `token_file_unsafe`, `token_file_broken`
	 */
	ownerOf(token: string): string | null;
}

/** Reads the tokens again whenever a file changed. @throws as `ownerOf` does, so that a bad file is noticed at start. */
export function openApiTokens(dataDir: string): ApiTokens {
	const folder = join(dataDir, 'tokens');
	const first = join(dataDir, 'token');
	let seen = '';
	let known = readAll(dataDir);

	return {
		ownerOf(token) {
			const now = `${fingerprint(first)} ${fingerprint(folder)}`;
			if (now !== seen) {
				known = readAll(dataDir);
				seen = now;
			}
			// A folder's time has a grain of some milliseconds, so an unknown token is looked for on the disk as well.
			const owner = match(known, token);
			if (owner !== null) return owner;
			known = readAll(dataDir);
			return match(known, token);
		},
	};
}

interface KnownToken {
	readonly hash: Buffer;
	readonly owner: string;
}

/** Compares with every token, each in constant time. */
function match(known: readonly KnownToken[], token: string): string | null {
	const hash = sha256(token);
	let owner: string | null = null;
	for (const candidate of known) if (timingSafeEqual(candidate.hash, hash)) owner = candidate.owner;
	return owner;
}

function readAll(dataDir: string): KnownToken[] {
	const firstToken = readFirstToken(dataDir);
	const known: KnownToken[] = firstToken === null ? [] : [{ hash: sha256(firstToken), owner: FIRST_OWNER }];
	const folder = join(dataDir, 'tokens');
	if (((statOrNull(folder)?.mode ?? 0) & 0o022) !== 0) {
		throw new PermanentError('token_file_unsafe', `Others can add files to ${folder}. Run \`chmod 700 ${folder}\` and start again.`);
	}
	for (const name of listOrNone(folder)) {
		const hash = HASH_FILE.exec(name)?.[1];
		if (hash === undefined) continue;
		const content = readPrivate(join(folder, name));
		if (content !== null) known.push({ hash: Buffer.from(hash, 'hex'), owner: ownerIn(content, join(folder, name)) });
	}
	return known;
}

function readFirstToken(dataDir: string): string | null {
	const path = join(dataDir, 'token');
	const token = readPrivate(path)?.trim();
	if (token === '') {
		throw new PermanentError('token_file_broken', `${path} is empty. Remove it, and the next start makes a new token.`);
	}
	return token ?? null;
}

function ownerIn(content: string, path: string): string {
	try {
		const parsed: unknown = JSON.parse(content);
		if (parsed !== null && typeof parsed === 'object' && 'owner' in parsed && typeof parsed.owner === 'string' && NAME.test(parsed.owner)) {
			return parsed.owner;
		}
	} catch (cause) {
		throw new PermanentError('token_file_broken', `${path} is not valid. Remove it and make a new token.`, { cause });
	}
	throw new PermanentError('token_file_broken', `${path} names no owner. Remove it and make a new token.`);
}

/** @returns null when there is no such file */
function readPrivate(path: string): string | null {
	const stats = statOrNull(path);
	if (stats === null) return null;
	if ((stats.mode & 0o077) !== 0) {
		throw new PermanentError('token_file_unsafe', `Others can read or change ${path}. Run \`chmod 600 ${path}\` and start again.`);
	}
	try {
		return readFileSync(path, 'utf8');
	} catch (error) {
		if (isCode(error, 'ENOENT')) return null;
		throw error;
	}
}

function statOrNull(path: string): Stats | null {
	return statSync(path, { throwIfNoEntry: false }) ?? null;
}

function fingerprint(path: string): string {
	const stats = statOrNull(path);
	return stats === null ? '-' : `${stats.ino}:${stats.mtimeMs}:${stats.size}:${stats.mode}`;
}

function listOrNone(folder: string): readonly string[] {
	try {
		return readdirSync(folder);
	} catch (error) {
		if (isCode(error, 'ENOENT')) return [];
		throw error;
	}
}

/** Writes a new file of mode 0600 and waits until it is on the disk. */
async function writePrivate(path: string, content: string): Promise<void> {
	const file = await open(path, 'wx', 0o600);
	try {
		await file.writeFile(content);
		await file.sync();
	} finally {
		await file.close();
	}
}

const isCode = (error: unknown, code: string): boolean => error instanceof Error && 'code' in error && error.code === code;
