/**
 * One WordPress site in one process: HTTP server, PHP instances, and (for a slot) import and deadline.
 *
 * Start: record the process → watch the deadline → (slot) copy WordPress from the bundle → listen → (slot) write the
 * address into clone.json and the database → boot PHP and ask for one page → ready.json.
 * End: SIGTERM stops the server, lets running requests finish for a moment, and exits 0. The death of the parent is
 * no reason to end for a slot (a clone outlives the service); a plain site ends with it.
 */
import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { FileLockManagerInMemory, type PHP } from '@php-wasm/universal';
import { clonePolicy, type NetworkPolicy, openNetwork } from '../php/network-policy.ts';
import { PhpPool } from '../php/pool.ts';
import { runPhp } from '../php/run.ts';
import { createPhp } from '../php/runtime.ts';
import { processIdentity } from '../process-identity.ts';
import { allowHostsOf, prepareSlot, publishAddress } from '../slot-files.ts';
import { answerWithPhp, BodyTooLargeError, phpRunOptions, readBody } from './php-request.ts';
import type { SiteConfig } from './site-config.ts';
import { SiteState } from './state.ts';
import { resolveTarget, sendFile } from './static-files.ts';
import { startWatchdog } from './watchdog.ts';

/** How long SIGTERM waits for running requests. */
const STOP_GRACE_MS = 1500;

export interface SiteServer {
	readonly url: string;
	/** Runs PHP code in an instance of the site, in the document root. @throws Error when PHP failed, with its output */
	evalPhp(code: string): Promise<string>;
	/** Throws every PHP instance away, so that new code and files are seen by all. */
	recycle(): void;
	stop(): Promise<void>;
}

export interface SiteHooks {
	/** Called after each answered request that carried `X-Migrator-Verb`, with the verb. */
	readonly onVerb?: (verb: string) => void;
}

/** @throws Error when the port is taken or WordPress does not answer */
export async function startSite(config: SiteConfig, hooks: SiteHooks = {}): Promise<SiteServer> {
	const state = new SiteState(config.stateDir);
	const log = siteLog(state.path('site.log'));
	const identity = processIdentity(process.pid);
	if (identity !== undefined) state.process = { pid: process.pid, identity };
	const site = new RunningSite(config, state, log, hooks);
	if (config.slotRoot !== null) startWatchdog({ stateDir: config.stateDir, slotRoot: config.slotRoot }, () => site.stop());
	if (config.bundleDir !== null) prepareSlot(config.siteDir, config.bundleDir);
	await site.start();
	return site;
}

type Log = (line: string) => void;

/** Appends lines with their time to the site's log, which is its owner's alone. */
export function siteLog(path: string): Log {
	return (line) => {
		appendFileSync(path, `${new Date().toISOString()} ${line.trimEnd()}\n`, { mode: 0o600 });
	};
}

class RunningSite implements SiteServer {
	readonly #config: SiteConfig;
	readonly #state: SiteState;
	readonly #log: Log;
	readonly #hooks: SiteHooks;
	readonly #server: Server;
	readonly #pool: PhpPool;
	#port = 0;

	constructor(config: SiteConfig, state: SiteState, log: Log, hooks: SiteHooks) {
		this.#config = config;
		this.#state = state;
		this.#log = log;
		this.#hooks = hooks;
		const locks = new FileLockManagerInMemory();
		const network = this.#network();
		this.#pool = new PhpPool({
			size: config.workers,
			create: () =>
				createPhp({
					version: config.php,
					mounts: [config.siteDir],
					tmpDir: join(config.siteDir, 'tmp'),
					ini: config.ini,
					network,
					locks,
					symlinks: config.mode === 'site',
					web: true,
				}),
		});
		this.#server = createServer((request, response) => {
			this.#answer(request, response).catch((cause: unknown) => {
				this.#log(`request failed: ${describe(cause)}`);
				if (response.headersSent) response.destroy();
				else response.writeHead(500, { 'content-type': 'text/plain' }).end('The site failed to answer.\n');
			});
		});
		this.#server.keepAliveTimeout = 5000;
	}

	get url(): string {
		return `http://${this.#config.host}:${this.#port}`;
	}

	async start(): Promise<void> {
		const { config, state } = { config: this.#config, state: this.#state };
		this.#port = await this.#listen(state.port ?? config.port);
		state.port = this.#port;
		if (config.mode === 'slot') publishAddress(config.siteDir, this.url);
		const wpVersion = await this.#wordpressVersion();
		const response = await fetch(`${this.url}/wp-login.php`, { redirect: 'manual' });
		await response.arrayBuffer();
		if (response.status >= 500) throw new Error(`WordPress answers ${response.status}; see ${state.path('site.log')}.`);
		state.ready = { url: this.url, php_version: config.php, wp_version: wpVersion };
	}

	async evalPhp(code: string): Promise<string> {
		const output = await this.#withPhp((php) => {
			php.chdir(this.#config.documentRoot);
			return runPhp(php, {
				code,
				headers: { host: new URL(this.url).host },
				$_SERVER: { SERVER_SOFTWARE: 'nginx/php-wasm', SERVER_NAME: this.#config.host },
			});
		});
		if (output.exitCode !== 0) throw new Error(`PHP ended with ${output.exitCode}: ${output.stdout}\n${output.stderr}`);
		if (output.stderr !== '') this.#log(output.stderr);
		return output.stdout;
	}

	recycle(): void {
		this.#pool.recycle();
	}

	async stop(): Promise<void> {
		const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
		this.#server.closeIdleConnections();
		const timer = setTimeout(() => this.#server.closeAllConnections(), STOP_GRACE_MS);
		await closed;
		clearTimeout(timer);
		this.#pool.close();
	}

	#network(): NetworkPolicy {
		if (this.#config.mode === 'site') return openNetwork;
		return clonePolicy({
			self: () => (this.#port === 0 ? null : { host: this.#config.host, port: this.#port }),
			allowHosts: () => allowHostsOf(this.#config.siteDir),
			allowPrivate: this.#config.allowPrivate,
			onRefused: (host, port) => this.#log(`refused a connection to ${host}:${port}`),
		});
	}

	async #listen(port: number): Promise<number> {
		await new Promise<void>((resolve, reject) => {
			this.#server.once('error', reject);
			this.#server.listen(port, this.#config.host, () => {
				this.#server.off('error', reject);
				resolve();
			});
		});
		const address = this.#server.address();
		if (address === null || typeof address === 'string') throw new Error('The server has no port.');
		return address.port;
	}

	async #wordpressVersion(): Promise<string> {
		const output = await this.#withPhp((php) => {
			php.chdir(this.#config.documentRoot);
			return runPhp(php, { code: "<?php include 'wp-includes/version.php'; echo $wp_version;" });
		});
		return output.stdout;
	}

	/** A crash of php-wasm costs the instance, never the site. */
	async #withPhp<T>(use: (php: PHP) => Promise<T>): Promise<T> {
		const lease = await this.#pool.acquire();
		try {
			const answer = await use(lease.php);
			lease.release();
			return answer;
		} catch (cause) {
			lease.release(true);
			throw cause;
		}
	}

	async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const config = this.#config;
		const url = requestUrl(request, this.url);
		if (url === undefined) {
			response.writeHead(400).end();
			return;
		}
		const target = resolveTarget(config.documentRoot, url, config.mode === 'site');
		const reading = request.method === 'GET' || request.method === 'HEAD';
		if (target.kind === 'refused') response.writeHead(target.status, { 'content-type': 'text/plain' }).end(`${target.status}\n`);
		else if (target.kind === 'redirect') response.writeHead(301, { location: target.location }).end();
		else if (target.kind === 'php') await this.#runPhp(request, response, url, target);
		else if (reading) await sendFile(request, response, target.path, target.stats).catch(ignoreGoneClient);
		else response.writeHead(405, { allow: 'GET, HEAD' }).end();
	}

	async #runPhp(request: IncomingMessage, response: ServerResponse, url: URL, target: Parameters<typeof phpRunOptions>[2]): Promise<void> {
		const config = this.#config;
		let body: Buffer;
		try {
			body = await readBody(request, config.maxBodyBytes);
		} catch (cause) {
			if (!(cause instanceof BodyTooLargeError)) return ignoreGoneClient(cause);
			response.writeHead(413, { 'content-type': 'text/plain', connection: 'close' }).end('413\n');
			return;
		}
		const options = phpRunOptions(request, url, target, body, { documentRoot: config.documentRoot, host: config.host, port: this.#port });
		const lease = await this.#pool.acquire();
		const answer = await answerWithPhp(lease.php, options, response);
		lease.release(answer.crashed);
		if (answer.log !== '') this.#log(answer.log);
		const verb = request.headers['x-migrator-verb'];
		if (typeof verb === 'string') this.#hooks.onVerb?.(verb);
	}
}

function requestUrl(request: IncomingMessage, base: string): URL | undefined {
	const target = request.url ?? '/';
	// Only the origin form: an absolute one would name another host than the connection's.
	if (!target.startsWith('/')) return undefined;
	return URL.canParse(base + target) ? new URL(base + target) : undefined;
}

/** A client that went away while sending or reading is its own business; any other fault is the site's. */
function ignoreGoneClient(cause: unknown): void {
	const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
	if (code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ABORT_ERR') return;
	throw cause;
}

function describe(cause: unknown): string {
	return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
