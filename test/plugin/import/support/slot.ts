import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PhpVersion } from '../../../../adapters/embedded/playground/php/runtime.ts';
import { prepareSlot, writeCloneJson } from '../../../../adapters/embedded/playground/slot-files.ts';
import { testBundle } from '../../../support/sites/boot-site.ts';
import { StepHost } from './step-host.ts';

export interface ImportStatus {
	readonly state: 'idle' | 'running' | 'done' | 'failed';
	readonly phase: string;
	readonly progress: number;
	readonly message: string;
	readonly error: { readonly code: string; readonly message: string; readonly permanent: boolean } | null;
	readonly proof: {
		readonly tables: number;
		readonly rows: number;
		readonly files: number;
		readonly bytes: number;
		readonly differences: readonly { readonly table?: string; readonly path?: string; readonly reason: string }[];
		readonly left_out: readonly { readonly table?: string; readonly path?: string; readonly reason: string }[];
		readonly core_differs: readonly string[];
	} | null;
	readonly facts: { readonly warnings: readonly string[]; readonly username?: string; readonly wp_version?: string };
}

export const CLONE_URL = 'http://127.0.0.1:65000';
export const CLONE_ADMIN = { username: 'clone-admin', password: 'a-long-enough-password', email: 'clone-admin@clone.invalid' } as const;

/** A slot on disk without a server, and a PHP that runs its import steps. */
export interface TestSlot {
	readonly dir: string;
	readonly host: StepHost;
	path(relative: string): string;
	json(relative: string): Record<string, unknown>;
	/** Calls a verb of the clone as the agent would. @throws Error with the verb's code */
	verb(name: string, args?: unknown): Promise<Record<string, unknown>>;
	status(): Promise<ImportStatus>;
	remove(): Promise<void>;
}

export async function makeSlot(php: PhpVersion = '8.4'): Promise<TestSlot> {
	const dir = mkdtempSync(join(tmpdir(), 'wp-clone-slot-'));
	prepareSlot(dir, (await testBundle()).dir);
	writeCloneJson(dir, { slotId: 'slot-test', agentKey: randomBytes(32).toString('base64'), phpVersion: php });
	return openSlot(dir, php);
}

export async function openSlot(dir: string, php: PhpVersion): Promise<TestSlot> {
	const host = await StepHost.start(dir, php);
	const slot: TestSlot = {
		dir,
		host,
		path: (relative) => join(dir, relative),
		json: (relative) => JSON.parse(readFileSync(join(dir, relative), 'utf8')),
		async verb(name, args = {}) {
			const text = await host.run(`
				define( 'CLONE_DIR', '${dir}' );
				require '${dir}/system/custom-migrator/includes/load.php';
				require '${dir}/system/custom-migrator/includes/import/load.php';
				$verbs = Custom_Migrator_Clone_Verbs::verbs();
				try {
					$data = $verbs['${name}']( json_decode( base64_decode( '${Buffer.from(JSON.stringify(args)).toString('base64')}' ), true ) );
					echo json_encode( array( 'data' => (object) $data ) );
				} catch ( Custom_Migrator_Error $error ) {
					echo json_encode( array( 'code' => $error->error_code(), 'message' => $error->getMessage() ) );
				}`);
			const answer: { data?: Record<string, unknown>; code?: string; message?: string } = JSON.parse(text);
			if (answer.data === undefined) throw new Error(`${answer.code}: ${answer.message}`);
			return answer.data;
		},
		async status() {
			return (await slot.verb('import_status')) as unknown as ImportStatus;
		},
		async remove() {
			host.stop();
			await rm(dir, { recursive: true, force: true, maxRetries: 3 });
		},
	};
	return slot;
}

/** What a worker sends as `import_start`. */
export function importRequest(
	source: { readonly url: string; readonly keyId: string; readonly key: Buffer },
	changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
	return {
		source: {
			agent_url: `${source.url}/wp-admin/admin-ajax.php`,
			key_id: source.keyId,
			agent_key: source.key.toString('base64'),
			url: source.url,
		},
		target: { url: CLONE_URL },
		job_id: 'clone-0123456789ab',
		admin: CLONE_ADMIN,
		access: 'login',
		allow_hosts: [],
		limits: { max_bytes: 2 ** 40 },
		...changes,
	};
}
