/**
 * The parts of php-wasm 3.1.56 that are used here. Its own declarations import each other without file extensions,
 * which TypeScript's `nodenext` resolution does not follow, so that every export would be unknown.
 */
declare module '@php-wasm/universal' {
	export const __private__dont__use: unique symbol;

	export type UnmountFunction = () => unknown;
	export type MountHandler = (php: PHP, fs: never, vfsMountPoint: string) => UnmountFunction | Promise<UnmountFunction>;

	export interface StreamedPHPResponse {
		/** Chunks are Int8Array, whatever php-wasm's own types say. */
		readonly stdout: ReadableStream<Int8Array>;
		readonly stderr: ReadableStream<Int8Array>;
		/** Rejects when php-wasm itself crashed. */
		readonly exitCode: Promise<number>;
		readonly headers: Promise<Record<string, string[]>>;
		readonly httpStatusCode: Promise<number>;
	}

	export interface PHPResponse {
		readonly text: string;
		readonly errors: string;
		readonly exitCode: number;
	}
	export type SupportedPHPVersion = '8.5' | '8.4' | '8.3' | '8.2' | '8.1' | '8.0' | '7.4';

	export interface PHPRunOptions {
		relativeUri?: string;
		protocol?: string;
		method?: string;
		headers?: Record<string, string>;
		body?: Uint8Array;
		env?: Record<string, string>;
		$_SERVER?: Record<string, string>;
		scriptPath?: string;
		code?: string;
	}

	export class PHP {
		constructor(runtimeId?: number);
		/** @throws Error when the exit code is not 0 */
		run(request: PHPRunOptions): Promise<PHPResponse>;
		writeFile(path: string, data: string | Uint8Array): void;
		runStream(request: PHPRunOptions): Promise<StreamedPHPResponse>;
		addEventListener(event: string, listener: () => void): void;
		/** What PHP_SAPI says; before the first run. */
		setSapiName(name: string): Promise<void>;
		setSpawnHandler(handler: (command: string, args: string[]) => unknown): Promise<void>;
		onMessage(listener: (message: string) => Promise<string>): () => Promise<void>;
		mount(path: string, handler: MountHandler): Promise<UnmountFunction>;
		chdir(path: string): void;
		exit(code?: number): void;
	}

	export interface FileLockManager {
		releaseLocksForProcess(pid: number): void;
	}
	export class FileLockManagerInMemory implements FileLockManager {
		releaseLocksForProcess(pid: number): void;
	}
	export class FileLockManagerComposite implements FileLockManager {
		constructor(managers: { nativeLockManager: FileLockManager; wasmLockManager: FileLockManager });
		releaseLocksForProcess(pid: number): void;
	}
	export class ProcessIdAllocator {
		claim(): number;
		release(id: number): boolean;
	}
	export function setPhpIniEntries(php: PHP, entries: Record<string, string>): Promise<void>;
}

declare module '@php-wasm/node' {
	import type { FileLockManager, MountHandler } from '@php-wasm/universal';

	export interface WasmUserSpaceContext {
		readonly constants: { readonly F_SETLK: number; readonly F_SETLKW: number };
		readonly errnoCodes: { readonly EAGAIN: number; readonly EWOULDBLOCK: number };
	}
	export interface WasmUserSpaceAPI {
		fcntl64: (fd: number, cmd: number, varargs?: number) => number;
		flock: (fd: number, op: number) => number;
		fd_close: (fd: number) => number;
		js_release_file_locks: () => void;
		gethostbyname: (hostname: string) => Promise<string>;
	}
	export function bindUserSpace(kernel: { fileLockManager: FileLockManager }, context: WasmUserSpaceContext): WasmUserSpaceAPI;
	export class FileLockManagerForPosix implements FileLockManager {
		releaseLocksForProcess(pid: number): void;
	}
	export class FileLockManagerForWindows implements FileLockManager {
		releaseLocksForProcess(pid: number): void;
	}
	export function createNodeFsMountHandler(localPath: string): MountHandler;
	export function loadNodeRuntime(
		version: string,
		options: {
			followSymlinks?: boolean;
			emscriptenOptions?: {
				processId?: number;
				bindUserSpace?: (context: WasmUserSpaceContext) => WasmUserSpaceAPI;
			};
		},
	): Promise<number>;
}
