import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { PermanentError, TransientError } from '../../../../core/errors.ts';

/** One package of the npm registry, by exact version. */
export interface PackedPackage {
	readonly name: string;
	readonly version: string;
	/** `npm view NAME@VERSION dist.integrity`. */
	readonly integrity: string;
}

const NETWORK_CODES = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|E5\d\d|E429)\b/;

/** Runs a program to its end. @returns exit code and the last 8 KiB of stderr. @throws the spawn error (`ENOENT`, …) */
async function run(program: string, args: readonly string[], cwd: string): Promise<{ code: number | null; stderr: string }> {
	return new Promise((resolve, reject) => {
		const child = spawn(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'], shell: process.platform === 'win32' });
		let stderr = '';
		child.stderr.on('data', (chunk: Buffer) => {
			stderr = (stderr + chunk.toString()).slice(-8192);
		});
		child.once('error', reject);
		child.once('close', (code) => resolve({ code, stderr }));
	});
}

const isMissing = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';

function noSpace(cause?: unknown): TransientError {
	return new TransientError('disk_full', 'The disk is full: WordPress needs about 400 MB free in the cache folder (WP_CLONE_CACHE).', {
		cause,
	});
}

/** Rethrows a file system fault as `disk_full` when that is what it is. */
export function rethrowDiskFull(cause: unknown): never {
	if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')) throw noSpace(cause);
	throw cause;
}

/**
 * Fetches a package's tarball with `npm pack` into `dir` and checks it against the pinned integrity.
 * @param npm the npm program, found on PATH when it has no slash
 * @returns the tarball's path
 * @throws PermanentError `npm_missing`, `integrity_mismatch`; TransientError `registry_unreachable`, `disk_full`, `npm_failed`
 */
export async function npmPack(wanted: PackedPackage, dir: string, npm: string): Promise<string> {
	const spec = `${wanted.name}@${wanted.version}`;
	const args = ['pack', spec, '--pack-destination', dir, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
	let answer: { code: number | null; stderr: string };
	try {
		answer = await run(npm, args, dir);
	} catch (cause) {
		if (isMissing(cause)) {
			throw new PermanentError('npm_missing', `npm was not found. Install npm: it fetches WordPress (${spec}) once.`, { cause });
		}
		throw cause;
	}
	if (answer.code !== 0) {
		const cause = new Error(answer.stderr.trim() || `npm ended with code ${answer.code}`);
		if (/\bENOSPC\b/.test(answer.stderr)) throw noSpace(cause);
		if (/\bEINTEGRITY\b/.test(answer.stderr)) throw integrityMismatch(spec, cause);
		if (NETWORK_CODES.test(answer.stderr)) {
			const message = `The npm registry could not be reached to fetch ${spec}. Check the network and npm's registry setting, then try again.`;
			throw new TransientError('registry_unreachable', message, { cause });
		}
		throw new TransientError('npm_failed', `\`npm pack ${spec}\` failed. Run it by hand to see why.`, { cause });
	}
	const tarball = (await readdir(dir)).find((name) => name.endsWith('.tgz'));
	if (tarball === undefined) throw new TransientError('npm_failed', `\`npm pack ${spec}\` left no file. Run it by hand to see why.`);
	const path = join(dir, tarball);
	await checkIntegrity(path, wanted.integrity, spec);
	return path;
}

function integrityMismatch(spec: string, cause?: unknown): PermanentError {
	const message = `${spec} from the npm registry is not the package this version was tested with. Check which registry npm uses.`;
	return new PermanentError('integrity_mismatch', message, { cause });
}

/** @param integrity `sha512-BASE64` @throws PermanentError `integrity_mismatch` */
export async function checkIntegrity(path: string, integrity: string, spec: string): Promise<void> {
	const [algorithm = '', expected = ''] = integrity.split(/-(.*)/s);
	const hash = createHash(algorithm);
	await pipeline(createReadStream(path), hash);
	if (hash.digest('base64') !== expected) throw integrityMismatch(spec);
}

/**
 * Unpacks the named members of a tarball, stripping `strip` leading path parts.
 * @throws PermanentError `tar_missing`; TransientError `disk_full`, `unpack_failed`
 */
export async function unpack(tarball: string, dir: string, members: readonly string[], strip: number): Promise<void> {
	await stat(dir);
	let answer: { code: number | null; stderr: string };
	try {
		answer = await run('tar', ['-xzf', tarball, '-C', dir, `--strip-components=${strip}`, ...members], dir);
	} catch (cause) {
		if (isMissing(cause)) throw new PermanentError('tar_missing', 'tar was not found. Install tar: it unpacks WordPress once.', { cause });
		throw cause;
	}
	if (answer.code === 0) return;
	const cause = new Error(answer.stderr.trim() || `tar ended with code ${answer.code}`);
	if (/No space left/i.test(answer.stderr)) throw noSpace(cause);
	throw new TransientError('unpack_failed', 'The WordPress package could not be unpacked. Try again.', { cause });
}
