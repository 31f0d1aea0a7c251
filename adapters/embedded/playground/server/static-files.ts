import { createReadStream, realpathSync, type Stats, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';

/** What a request's path means: a file to send, a script to run, or an answer. */
export type Target =
	| { readonly kind: 'file'; readonly path: string; readonly stats: Stats }
	/** `scriptName` is the script's URL path; `pathInfo` what follows it. */
	| { readonly kind: 'php'; readonly path: string; readonly scriptName: string; readonly pathInfo: string }
	| { readonly kind: 'redirect'; readonly location: string }
	| { readonly kind: 'refused'; readonly status: 400 | 403 | 404 };

const TYPES: Readonly<Record<string, string>> = {
	'.html': 'text/html; charset=UTF-8',
	'.htm': 'text/html; charset=UTF-8',
	'.css': 'text/css; charset=UTF-8',
	'.js': 'text/javascript; charset=UTF-8',
	'.mjs': 'text/javascript; charset=UTF-8',
	'.json': 'application/json; charset=UTF-8',
	'.map': 'application/json; charset=UTF-8',
	'.xml': 'text/xml; charset=UTF-8',
	'.xsl': 'text/xsl; charset=UTF-8',
	'.txt': 'text/plain; charset=UTF-8',
	'.csv': 'text/csv; charset=UTF-8',
	'.svg': 'image/svg+xml',
	'.png': 'image/png',
	'.jpg': 'image/jpeg',
	'.jpeg': 'image/jpeg',
	'.gif': 'image/gif',
	'.webp': 'image/webp',
	'.avif': 'image/avif',
	'.ico': 'image/x-icon',
	'.bmp': 'image/bmp',
	'.woff': 'font/woff',
	'.woff2': 'font/woff2',
	'.ttf': 'font/ttf',
	'.otf': 'font/otf',
	'.eot': 'application/vnd.ms-fontobject',
	'.mp3': 'audio/mpeg',
	'.m4a': 'audio/mp4',
	'.ogg': 'audio/ogg',
	'.wav': 'audio/wav',
	'.mp4': 'video/mp4',
	'.webm': 'video/webm',
	'.mov': 'video/quicktime',
	'.pdf': 'application/pdf',
	'.zip': 'application/zip',
	'.gz': 'application/gzip',
	'.wasm': 'application/wasm',
};

/** Never sent: dot files (`.ht*`, `.env`, `.git`; `.well-known` is meant to be public), databases, and PHP under names that are not run. */
const HIDDEN_SEGMENT = /^\.(?!well-known$)/;
const HIDDEN_FILE = /\.(sqlite|sqlite3|db)([-.].*)?$|\.(php\d|phps|phtml|phar|inc|log|tmp|swp|bak)$|~$/i;

const statOrNothing = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

/**
 * Maps a request's URL to the document root as a front-controller web server does.
 * @param followLinks whether symbolic links may lead out of the document root
 */
export function resolveTarget(documentRoot: string, url: URL, followLinks: boolean): Target {
	let path: string;
	try {
		path = decodeURIComponent(url.pathname);
	} catch {
		return { kind: 'refused', status: 400 };
	}
	if (path.includes('\0') || path.includes('\\')) return { kind: 'refused', status: 400 };
	const segments = path.split('/').filter((part) => part !== '');
	if (segments.includes('..') || segments.includes('.')) return { kind: 'refused', status: 400 };
	if (segments.some((part) => HIDDEN_SEGMENT.test(part))) return { kind: 'refused', status: 403 };

	const inside = (file: string): boolean => followLinks || `${realpathSync(file)}${sep}`.startsWith(`${realpathSync(documentRoot)}${sep}`);
	let at = documentRoot;
	for (const [index, part] of segments.entries()) {
		at = join(at, part);
		const stats = safeStat(at);
		if (stats === undefined) break;
		if (!stats.isFile()) continue;
		const scriptName = `/${segments.slice(0, index + 1).join('/')}`;
		const rest = segments.slice(index + 1);
		if (!inside(at)) return { kind: 'refused', status: 403 };
		if (/\.php$/.test(part)) {
			return { kind: 'php', path: at, scriptName, pathInfo: rest.length > 0 ? path.slice(scriptName.length) : '' };
		}
		if (rest.length > 0 || path.endsWith('/')) break;
		if (HIDDEN_FILE.test(part) || /\.php$/i.test(part)) return { kind: 'refused', status: 403 };
		return { kind: 'file', path: at, stats };
	}
	return directoryOrFront(documentRoot, url, path, segments);
}

/** A path component that is too long or crosses a file is no file; anything else is a fault of the disk and thrown. */
function safeStat(path: string): Stats | undefined {
	try {
		return statOrNothing(path);
	} catch (cause) {
		if (
			cause instanceof Error &&
			'code' in cause &&
			(cause.code === 'ENAMETOOLONG' || cause.code === 'ENOTDIR' || cause.code === 'ELOOP')
		) {
			return undefined;
		}
		throw cause;
	}
}

function directoryOrFront(documentRoot: string, url: URL, path: string, segments: readonly string[]): Target {
	const directory = join(documentRoot, ...segments);
	if (safeStat(directory)?.isDirectory() && segments.length > 0) {
		const index = join(directory, 'index.php');
		const page = join(directory, 'index.html');
		const stats = safeStat(page);
		if (safeStat(index)?.isFile() || stats?.isFile()) {
			if (!path.endsWith('/')) return { kind: 'redirect', location: `${url.pathname}/${url.search}` };
			if (safeStat(index)?.isFile()) return { kind: 'php', path: index, scriptName: `/${segments.join('/')}/index.php`, pathInfo: '' };
			if (stats) return { kind: 'file', path: page, stats };
		}
	}
	const front = join(documentRoot, 'index.php');
	return safeStat(front)?.isFile()
		? { kind: 'php', path: front, scriptName: '/index.php', pathInfo: '' }
		: { kind: 'refused', status: 404 };
}

/** Sends a file, with one range, `If-None-Match` and `If-Modified-Since`. */
export async function sendFile(request: IncomingMessage, response: ServerResponse, path: string, stats: Stats): Promise<void> {
	const etag = `"${stats.size.toString(16)}-${Math.floor(stats.mtimeMs).toString(16)}"`;
	response.setHeader('content-type', TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream');
	response.setHeader('last-modified', stats.mtime.toUTCString());
	response.setHeader('etag', etag);
	response.setHeader('accept-ranges', 'bytes');
	response.setHeader('cache-control', 'public, max-age=0');
	const since = Date.parse(request.headers['if-modified-since'] ?? '');
	const known = request.headers['if-none-match'];
	if (known === undefined ? Math.floor(stats.mtimeMs / 1000) * 1000 <= since : known === etag) {
		response.writeHead(304).end();
		return;
	}
	const range = parseRange(request.headers.range, stats.size);
	if (range === 'unsatisfiable') {
		response.writeHead(416, { 'content-range': `bytes */${stats.size}` }).end();
		return;
	}
	const { start, end } = range ?? { start: 0, end: stats.size - 1 };
	if (range) response.setHeader('content-range', `bytes ${start}-${end}/${stats.size}`);
	response.writeHead(range ? 206 : 200, { 'content-length': end - start + 1 });
	if (request.method === 'HEAD' || stats.size === 0) {
		response.end();
		return;
	}
	await pipeline(createReadStream(path, { start, end }), response);
}

/** One range; several, or another unit, count as none (which RFC 9110 allows). */
function parseRange(header: string | undefined, size: number): { start: number; end: number } | 'unsatisfiable' | undefined {
	const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
	if (match === null) return undefined;
	const [, first = '', last = ''] = match;
	if (first === '' && last === '') return undefined;
	const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
	const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
	return start > end || start >= size ? 'unsatisfiable' : { start, end };
}
