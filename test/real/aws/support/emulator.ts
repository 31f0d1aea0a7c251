/**
 * MiniStack, an emulator of AWS, as a child process on a loopback port: DynamoDB, SQS, EventBridge Scheduler and KMS as real
 * programs behind the real clients. Installed once, outside the work tree, under a key of its versions.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** The second verifies the tokens of user pools. The functions run on the Node that runs the tests. */
export const EMULATOR_PACKAGES = ['ministack==1.5.33', 'cryptography==50.0.2'] as const;
const REGION = 'eu-central-1';
const READY_MS = 30_000;

export interface Emulator {
	readonly url: string;
	/** Of its process; its functions are children of it. */
	readonly pid: number;
	readonly region: string;
	/** What the AWS SDK has to find in the environment. */
	readonly environment: Readonly<Record<string, string>>;
	/** Everything the emulator keeps; gone when it is stopped. */
	readonly folder: string;
	/** The scheduler's clock, which can be moved on; ms since the epoch. */
	readonly scheduleClock: { now(): number };
	advanceSchedules(seconds: number): Promise<void>;
	stop(): Promise<void>;
}

/** Installs the emulator unless it is there. @returns its Python. @throws Error that says what is missing */
export function installEmulator(environment: Readonly<Record<string, string | undefined>>): string {
	const cache = join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wp-clone');
	const key = createHash('sha256').update(EMULATOR_PACKAGES.join(' ')).digest('hex').slice(0, 12);
	const home = join(cache, `aws-emulator-${key}`);
	const python = join(home, 'bin', 'python');
	const finished = join(home, 'installed');
	if (existsSync(finished)) return python;
	if (spawnSync('python3', ['-c', 'import venv, ensurepip']).status !== 0) {
		throw new Error('The AWS emulator needs Python 3.10 or newer with venv: apt-get install python3-venv.');
	}
	mkdirSync(cache, { recursive: true });
	rmSync(home, { recursive: true, force: true });
	const steps: readonly (readonly [string, readonly string[]])[] = [
		['python3', ['-m', 'venv', home]],
		[python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...EMULATOR_PACKAGES]],
	];
	for (const [command, args] of steps) {
		const run = spawnSync(command, args, { encoding: 'utf8' });
		if (run.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${run.stderr}`);
	}
	writeFileSync(`${finished}.new`, `${EMULATOR_PACKAGES.join('\n')}\n`);
	renameSync(`${finished}.new`, finished);
	return python;
}

/**
 * Starts one with nothing in it.
 * @param host address that it is reached at. Not the loopback one only inside a network namespace: it then listens at all of them,
 * because its functions call it at the loopback one.
 */
export async function startEmulator(host = '127.0.0.1'): Promise<Emulator> {
	const python = installEmulator(process.env);
	const folder = mkdtempSync(join(tmpdir(), 'aws-emulator-'));
	const port = await freePort(host);
	const url = `http://${host}:${port}`;
	const ahead = join(folder, 'ahead');
	const logFile = join(folder, 'emulator.log');
	const log = openSync(logFile, 'a');
	const child = spawn(python, [join(import.meta.dirname, 'ministack_launcher.py')], {
		stdio: ['ignore', log, log],
		// As little as it needs: its functions inherit what is here.
		env: {
			// This Node, for the functions: they are of its version.
			PATH: `${dirname(process.execPath)}:${join(python, '..')}:/usr/bin:/bin`,
			HOME: folder,
			TMPDIR: folder,
			BIND_HOST: host === '127.0.0.1' ? host : '0.0.0.0',
			GATEWAY_PORT: String(port),
			MINISTACK_HOST: host,
			MINISTACK_REGION: REGION,
			STATE_DIR: join(folder, 'state'),
			S3_DATA_DIR: join(folder, 's3'),
			SFTP_ENABLED: '0',
			IOT_MTLS_ENABLED: '0',
			CLOCK_AHEAD_FILE: ahead,
		},
	});
	const end = Date.now() + READY_MS;
	while (!(await answers(`${url}/_ministack/health`))) {
		if (child.exitCode !== null || Date.now() > end) {
			await kill(child);
			throw new Error(`The AWS emulator did not start: ${readFileSync(logFile, 'utf8').slice(-2000)}`);
		}
		await pause(50);
	}
	let seconds = 0;
	return {
		url,
		pid: child.pid ?? 0,
		region: REGION,
		folder,
		environment: {
			AWS_ENDPOINT_URL: url,
			AWS_REGION: REGION,
			AWS_ACCESS_KEY_ID: 'test',
			AWS_SECRET_ACCESS_KEY: 'test',
			AWS_EC2_METADATA_DISABLED: 'true',
			AWS_CONFIG_FILE: '/dev/null',
			AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
		},
		scheduleClock: { now: () => Date.now() + 1000 * seconds },
		async advanceSchedules(by) {
			seconds += by;
			writeFileSync(`${ahead}.new`, String(seconds));
			renameSync(`${ahead}.new`, ahead);
			// Several of its looks, with time to send.
			await pause(600);
		},
		async stop() {
			await kill(child);
			rmSync(folder, { recursive: true, force: true });
		},
	};
}

async function answers(url: string): Promise<boolean> {
	try {
		return (await fetch(url)).ok;
	} catch {
		// Not listening yet.
		return false;
	}
}

async function kill(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
	child.kill('SIGTERM');
	const late = setTimeout(() => child.kill('SIGKILL'), 5000);
	await gone;
	clearTimeout(late);
}

function freePort(host: string): Promise<number> {
	return new Promise((resolve, reject) => {
		const server = createServer();
		server.once('error', reject);
		server.listen(0, host, () => {
			const address = server.address();
			server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
		});
	});
}
