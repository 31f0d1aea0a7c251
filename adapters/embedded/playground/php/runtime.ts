/**
 * One PHP: a php-wasm instance with folders of this machine mounted at their own paths (a file has the same name in
 * PHP and in Node), guarded sockets, and file locks that hold between the instances of this process.
 *
 * Gotchas (php-wasm 3.1.56):
 * - PHP runs on the thread that calls it. Sockets, sleep and post_message_to_js suspend it (JSPI) and let others run;
 *   anything else blocks the event loop. `max_execution_time` has no effect.
 * - Locks: POSIX locks belong to the process, so they do not separate two PHPs in it: FileLockManagerInMemory does
 *   (one for all instances of a site). A lock that would wait is retried here with a pause, or it would block the
 *   thread that must release it. The same goes for a refused one: SQLite sleeps on the thread before it asks again.
 * - WAL needs shared memory, which php-wasm has not: SQLite must be kept to a rollback journal (see wp-config.php).
 */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import {
	bindUserSpace,
	createNodeFsMountHandler,
	FileLockManagerForPosix,
	FileLockManagerForWindows,
	loadNodeRuntime,
	type WasmUserSpaceAPI,
	type WasmUserSpaceContext,
} from '@php-wasm/node';
import {
	__private__dont__use,
	FileLockManagerComposite,
	type FileLockManagerInMemory,
	type MountHandler,
	PHP,
	ProcessIdAllocator,
	setPhpIniEntries,
} from '@php-wasm/universal';
import { nearestPhp as nearestOf } from '../../../../core/clones/settings.ts';
import type { NetworkPolicy } from './network-policy.ts';
import { noProcesses } from './no-processes.ts';
import { socketUrl, TcpSocket } from './tcp-socket.ts';

/** The PHP versions that are installed (package.json replaces the others by an empty package). */
export const PHP_VERSIONS = ['7.4', '8.2', '8.4', '8.5'] as const;
export type PhpVersion = (typeof PHP_VERSIONS)[number];
export const DEFAULT_PHP: PhpVersion = '8.4';

/** The installed version nearest to the wanted one (the clone job's own rule); without one, the default. */
export function nearestPhp(wanted: string | null): PhpVersion {
	return wanted !== null && /^\d+\.\d+/.test(wanted) ? nearestOf(PHP_VERSIONS, wanted) : DEFAULT_PHP;
}

export interface PhpRuntimeOptions {
	readonly version: PhpVersion;
	/** Folders PHP sees, each at its own absolute path. */
	readonly mounts: readonly string[];
	/** For uploads, sessions and temporary files; below a mount. */
	readonly tmpDir: string;
	readonly ini: Readonly<Record<string, string>>;
	readonly network: NetworkPolicy;
	readonly locks: FileLockManagerInMemory;
	/** Whether symbolic links are followed and may be made. Never for a clone: its PHP is foreign. */
	readonly symlinks: boolean;
	/** Whether it answers requests, many with the same scripts. @default false */
	readonly web?: boolean;
	/** Answers post_message_to_js. Without it PHP gets an empty string. */
	readonly onMessage?: (message: string) => Promise<string>;
}

const processIds = new ProcessIdAllocator();
const LOCK_NB = 4;
const LOCK_RETRY_MS = 3;
/** How often a lock that may not wait is asked for again before it is refused: SQLite's own sleeps, spent suspended. */
const REFUSED_LOCK_RETRIES = 20;

/** The parts of php-wasm's module that are adjusted below; none of them is in its types. */
interface WasmModule {
	readonly HEAPU8: Uint8Array;
	readonly websocket: Record<string, unknown>;
	readonly outboundNetworkProxyServer?: { close(): void; closeAllConnections(): void };
	readonly FS: {
		readonly filesystems: { readonly NODEFS: { node_ops: Record<string, (...args: never[]) => unknown>; realPath(node: FsNode): string } };
		lookupNode(parent: FsNode, name: string): FsNode;
		hashRemoveNode(node: FsNode): void;
		readonly ErrnoError: new (errno: number) => Error;
	};
}
interface FsNode {
	name: string;
}

/** Emscripten's EPERM. */
const EPERM = 63;

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));

/** Bytes of WebAssembly memory an instance holds; it never shrinks. */
export function memoryOf(php: PHP): number {
	return moduleOf(php).HEAPU8.byteLength;
}

function moduleOf(php: PHP): WasmModule {
	return (php as unknown as { [__private__dont__use]: WasmModule })[__private__dont__use];
}

/** Boots an instance: about 0.25 s. Dispose of it with `php.exit()`. */
export async function createPhp(options: PhpRuntimeOptions): Promise<PHP> {
	mkdirSync(join(options.tmpDir, 'sessions'), { recursive: true });
	const names = new Map<string, string>();
	const processId = processIds.claim();
	const runtime = await loadNodeRuntime(options.version, {
		followSymlinks: options.symlinks,
		emscriptenOptions: {
			processId,
			bindUserSpace: (context: WasmUserSpaceContext) => userSpace(context, options, names),
		},
	});
	const php = new PHP(runtime);
	php.addEventListener('runtime.beforeExit', () => processIds.release(processId));
	adjust(moduleOf(php), options, names);
	await php.setSpawnHandler(noProcesses());
	for (const dir of options.mounts) await php.mount(dir, mountAt(dir));
	// Under the name "wasm", which php-wasm gives itself, opcache does not know it and stays off.
	if (options.web) await php.setSapiName('fpm-fcgi');
	await setPhpIniEntries(php, {
		max_execution_time: '0',
		...(options.web ? opcache(options.version) : {}),
		display_errors: '0',
		display_startup_errors: '0',
		html_errors: '0',
		implicit_flush: '0',
		output_buffering: '4096',
		'session.save_path': join(options.tmpDir, 'sessions'),
		upload_tmp_dir: options.tmpDir,
		sys_temp_dir: options.tmpDir,
		...options.ini,
	});
	const { onMessage } = options;
	if (onMessage) php.onMessage(onMessage);
	return php;
}

/**
 * Compiled scripts are kept from request to request: without that a request to WordPress spends four fifths of its time
 * compiling. In memory of the instance's own; PHP 7.4 does not get that from php-wasm and keeps them in files there.
 */
function opcache(version: PhpVersion): Readonly<Record<string, string>> {
	return {
		// Stale code must not be served after an import or an update: a script is compared with its file each time.
		'opcache.revalidate_freq': '0',
		'opcache.max_accelerated_files': '8000',
		...(version === '7.4'
			? { 'opcache.file_cache_only': '1', 'opcache.file_cache_consistency_checks': '0' }
			: { 'opcache.file_cache_only': '0', 'opcache.file_cache': '', 'opcache.memory_consumption': '64' }),
	};
}

const mountAt = (dir: string): MountHandler => createNodeFsMountHandler(dir);

/** Locks that suspend instead of blocking the thread, and name lookups that remember which name an address was for. */
function userSpace(context: WasmUserSpaceContext, options: PhpRuntimeOptions, names: Map<string, string>): WasmUserSpaceAPI {
	const nativeLockManager = process.platform === 'win32' ? new FileLockManagerForWindows() : new FileLockManagerForPosix();
	const fileLockManager = new FileLockManagerComposite({ nativeLockManager, wasmLockManager: options.locks });
	const bound = bindUserSpace({ fileLockManager }, context);
	const { F_SETLK, F_SETLKW } = context.constants;
	const { EAGAIN, EWOULDBLOCK } = context.errnoCodes;
	const untilFree = (attempt: () => number, retries = Number.POSITIVE_INFINITY): number | Promise<number> => {
		const busy = (answer: number): boolean => answer === -EAGAIN || answer === -EWOULDBLOCK;
		const first = attempt();
		if (!busy(first)) return first;
		return (async () => {
			for (let retry = 1; ; retry++) {
				await pause();
				const answer = attempt();
				if (!busy(answer) || retry >= retries) return answer;
			}
		})();
	};
	return {
		...bound,
		// php-wasm wraps both calls as suspending imports, so a promise is as good as a number; its types do not say so.
		flock: (fd, op) => (op & LOCK_NB ? bound.flock(fd, op) : untilFree(() => bound.flock(fd, op | LOCK_NB))) as number,
		fcntl64: (fd, cmd, varargs) => {
			const attempt = (): number => bound.fcntl64(fd, cmd === F_SETLKW ? F_SETLK : cmd, varargs);
			if (cmd === F_SETLKW) return untilFree(attempt) as number;
			return (cmd === F_SETLK ? untilFree(attempt, REFUSED_LOCK_RETRIES) : attempt()) as number;
		},
		async gethostbyname(host) {
			if (!options.network.allowsHost(host)) return host;
			const address = await bound.gethostbyname(host);
			names.set(address, host);
			return address;
		},
	};
}

function adjust(module: WasmModule, options: PhpRuntimeOptions, names: ReadonlyMap<string, string>): void {
	module.outboundNetworkProxyServer?.close();
	module.outboundNetworkProxyServer?.closeAllConnections();
	module.websocket.url = (_socket: unknown, host: string, port: number) => socketUrl(names.get(host) ?? host, port);
	module.websocket.decorator = () =>
		class extends TcpSocket {
			constructor(url: string) {
				super(url, options.network);
			}
		};
	delete module.websocket.serverDecorator;

	const { FS } = module;
	const { NODEFS } = FS.filesystems;
	// php-wasm removes the target before it renames, so that a kill between the two loses the file; rename(2) replaces it.
	NODEFS.node_ops.rename = (node: FsNode, newParent: FsNode, newName: string) => {
		const from = NODEFS.realPath(node);
		const to = join(NODEFS.realPath(newParent), newName);
		try {
			renameSync(from, to);
		} catch (cause) {
			throw asErrno(FS, cause);
		}
		try {
			const replaced = FS.lookupNode(newParent, newName);
			if (replaced !== node) FS.hashRemoveNode(replaced);
		} catch {
			// Nothing was there before: lookupNode throws, and there is no stale entry to drop.
		}
		node.name = newName;
	};
	if (!options.symlinks) {
		// A link could be swapped in for a folder another instance has cached, and lead out of the mounts.
		NODEFS.node_ops.symlink = () => {
			throw new FS.ErrnoError(EPERM);
		};
	}
}

const ERRNO: Readonly<Record<string, number>> = {
	ENOENT: 44,
	EACCES: 2,
	EPERM,
	EEXIST: 20,
	ENOTEMPTY: 55,
	EISDIR: 31,
	ENOTDIR: 54,
	EXDEV: 75,
	EINVAL: 28,
	EBUSY: 10,
	ENOSPC: 51,
	EROFS: 69,
};
const EIO = 29;

function asErrno(FS: WasmModule['FS'], cause: unknown): Error {
	const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
	return new FS.ErrnoError(ERRNO[code] ?? EIO);
}
