/**
 * A clone on the machine's own PHP: the clone image's tree as bin/clone-image.ts lays it out, at its own paths in a mount
 * namespace, run by the image's own boot.php and drive.php as its own user. Only the web server is another: PHP's.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultCacheDir } from '../../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { layOutCloneImage } from '../../../bin/clone-image.ts';
import type { DatabaseConnection } from '../../../core/ports.ts';
import type { ImportStatus } from '../../plugin/import/support/slot.ts';
import { Agent } from '../../support/migrator/agent.ts';
import { freePort } from './mariadb.ts';

/** www-data. */
const USER = 33;

/** The image's tree, laid out once for all clones of a test file. */
export interface ImageTree {
	readonly dir: string;
	remove(): Promise<void>;
}

export async function imageTree(): Promise<ImageTree> {
	const dir = await mkdtemp(join(tmpdir(), 'clone-tree-'));
	await layOutCloneImage(join(dir, 'tree'), defaultCacheDir(process.env), () => {});
	return { dir: join(dir, 'tree'), remove: () => rm(dir, { recursive: true, force: true }) };
}

export interface NativeClone {
	readonly url: string;
	/** CLONE_DIR. */
	readonly dir: string;
	readonly agent: Agent;
	/** Changes the file that a pod mounts from its Secret. */
	setDatabase(database: DatabaseConnection | null): Promise<void>;
	status(): Promise<ImportStatus>;
	/** Imports and waits for the end. @throws Error when it fails */
	import(source: Agent, changes?: Readonly<Record<string, unknown>>): Promise<ImportStatus>;
	json(path: string): Promise<Record<string, unknown>>;
	/** One step of an import, about so many seconds, killed after so many milliseconds. @returns its line; null when it was killed */
	step(seconds: number, killAfter?: number): Promise<{ readonly state: string; readonly wait_ms: number } | null>;
	/** What PHP and the scripts said. */
	log(): string;
	stop(): Promise<void>;
}

/** @param drive whether imports are carried on by drive.php; else the test steps them itself */
export async function startNativeClone(tree: ImageTree, database: DatabaseConnection | null, { drive = true } = {}): Promise<NativeClone> {
	const home = await mkdtemp(join(tmpdir(), 'native-clone-'));
	const [dir, run] = [join(home, 'clone'), join(home, 'run')];
	const port = await freePort();
	const url = `http://127.0.0.1:${port}`;
	const key = randomBytes(32);
	for (const path of [dir, run]) {
		await mkdir(path);
		await chown(path, USER, USER);
	}
	await chown(home, USER, USER);
	const setDatabase = async (connection: DatabaseConnection | null): Promise<void> => {
		const text = JSON.stringify({ slot_id: 'slot-native', agent_key: key.toString('base64'), url, database: connection });
		await writeFile(join(run, 'slot.new'), text, { mode: 0o644 });
		await rename(join(run, 'slot.new'), join(run, 'slot.json'));
	};
	await setDatabase(database);
	const script = `set -e
		mount -t tmpfs tmpfs /opt; mkdir /opt/clone; mount --bind "$1/opt/clone" /opt/clone
		mount -t tmpfs tmpfs /run; mkdir /run/clone; mount --bind "$2" /run/clone
		as_user="setpriv --reuid=${USER} --regid=${USER} --clear-groups"
		$as_user php /opt/clone/bin/boot.php
		${drive ? '$as_user php /opt/clone/bin/drive.php &' : ''}
		exec $as_user php -d variables_order=EGPCS -S 127.0.0.1:$3 -t "$4/wordpress"`;
	const child = spawn('unshare', ['--mount', '--', 'sh', '-c', script, 'clone', tree.dir, run, String(port), dir], {
		stdio: ['ignore', 'ignore', 'pipe'],
		env: { ...process.env, CLONE_DIR: dir, PHP_INI_SCAN_DIR: ':/opt/clone/php', PHP_CLI_SERVER_WORKERS: '3' },
		// Its own group: the servers' and drivers' processes end with it.
		detached: true,
	});
	let said = '';
	await new Promise<void>((resolve, reject) => {
		child.stderr.on('data', (chunk: Buffer) => {
			// The server's own log of requests says nothing here.
			said += chunk.toString().replaceAll(/^\[\d+\] .*(?:Accepted|Closing|\]: [A-Z]+ .*)\n/gm, '');
			if (said.includes('started')) resolve();
		});
		child.once('error', reject);
		child.once('exit', (code) => reject(new Error(`The clone ended with ${code}: ${said}`)));
	});
	const agent = new Agent(url, 'slot-native', key);
	const clone: NativeClone = {
		url,
		dir,
		agent,
		setDatabase,
		async status() {
			return (await agent.askInPlace('import_status')).data as unknown as ImportStatus;
		},
		async import(source, changes = {}) {
			await agent.call('import_start', {
				source: {
					agent_url: `${source.url}/wp-admin/admin-ajax.php`,
					key_id: source.keyId,
					agent_key: source.key.toString('base64'),
					url: source.url,
				},
				target: { url },
				job_id: 'clone-0123456789ab',
				admin: { username: 'clone-admin', password: 'a-long-enough-password', email: 'clone-admin@clone.invalid' },
				access: 'login',
				allow_hosts: [],
				limits: { max_bytes: 2 ** 40 },
				allow_private: true,
				...changes,
			});
			if (!drive) return clone.status();
			for (;;) {
				const status = await clone.status();
				if (status.state === 'done') return status;
				if (status.state === 'failed') throw new Error(`${JSON.stringify(status.error)} ${said}`);
				await new Promise((resolve) => setTimeout(resolve, 200));
			}
		},
		async step(seconds, killAfter) {
			const command = ['php', '-d', 'memory_limit=512M', '/opt/clone/system/custom-migrator/import-step.php', dir, String(seconds)];
			const step = spawn(
				'nsenter',
				['--target', String(child.pid), '--mount', 'setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', ...command],
				{ stdio: ['ignore', 'pipe', 'pipe'] },
			);
			let out = '';
			step.stdout.on('data', (chunk: Buffer) => {
				out += chunk.toString();
			});
			step.stderr.on('data', (chunk: Buffer) => {
				said += chunk.toString();
			});
			const timer = killAfter === undefined ? undefined : setTimeout(() => step.kill('SIGKILL'), killAfter);
			await new Promise((resolve) => step.once('close', resolve));
			clearTimeout(timer);
			return out === '' ? null : JSON.parse(out.trim().split('\n').at(-1) ?? '');
		},
		json: async (path) => JSON.parse(await readFile(join(dir, path), 'utf8')) as Record<string, unknown>,
		log: () => said,
		async stop() {
			if (child.pid !== undefined && child.exitCode === null) {
				const gone = new Promise((resolve) => child.once('exit', resolve));
				process.kill(-child.pid, 'SIGKILL');
				await gone;
			}
			await rm(home, { recursive: true, force: true, maxRetries: 5 });
		},
	};
	return clone;
}
