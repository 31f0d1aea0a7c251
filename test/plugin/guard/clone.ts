import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { slotSpec, until } from '../../contracts/clone-host.ts';
import { Agent } from '../../support/migrator/agent.ts';
import { makePlaygroundHost } from '../../support/sites/playground-host.ts';
import { CLONE_ADMIN, type ImportStatus, importRequest } from '../import/support/slot.ts';
import { bootSource } from '../source/support.ts';

const PROBE = fileURLToPath(new URL('./probe.php', import.meta.url));

export interface OutboxItem {
	readonly time: string;
	readonly kind: string;
	readonly to: string;
	readonly subject?: string;
	readonly url?: string;
}

/** A real clone: a site with the probe plugin, imported into a slot of the Playground host. */
export interface RunningClone {
	readonly url: string;
	readonly agent: Agent;
	readonly status: ImportStatus;
	/** The front page of the slot before anything was imported. */
	readonly warmStatus: number;
	get(path: string, init?: RequestInit): Promise<Response>;
	/** Logs in by a fresh login link. @returns the cookie header */
	logIn(): Promise<string>;
	loginLink(): Promise<string>;
	outbox(): Promise<readonly OutboxItem[]>;
	hasFile(relative: string): boolean;
	/** Changes members of clone.json. */
	configure(patch: Readonly<Record<string, unknown>>): void;
	close(): Promise<void>;
}

/** The cookies of an answer, as the next request sends them. */
export const cookiesOf = (response: Response): string =>
	response.headers
		.getSetCookie()
		.map((each) => each.split(';')[0])
		.join('; ');

export async function startClone(php: string): Promise<RunningClone> {
	const [source, harness] = await Promise.all([bootSource({ php, plugins: [PROBE] }), makePlaygroundHost()]);
	try {
		const spec = slotSpec({ php_version: php });
		await harness.host.start(spec);
		const slot = await until(
			() => harness.host.status(spec.slot_id),
			(answer) => answer.state !== 'starting',
		);
		if (slot.state !== 'ready') throw new Error(slot.state === 'gone' ? slot.reason : 'not ready');
		const { url } = slot.endpoint;
		const agent = new Agent(url, spec.slot_id, Buffer.from(spec.agent_key, 'base64'));
		const warm = await fetch(url, { redirect: 'manual' });
		await agent.call('import_start', importRequest(source.agent, { target: { url }, allow_hosts: ['hooks.example.net'] }));
		const status = await until(
			async () => (await agent.callInPlace('import_status')).data as unknown as ImportStatus,
			(answer) => answer.state === 'done' || answer.state === 'failed',
		);
		if (status.state !== 'done') throw new Error(JSON.stringify(status));
		await source.site.stop();
		const dir = harness.cloneDir(spec.slot_id);
		const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(url + path, { redirect: 'manual', ...init });
		const loginLink = async (): Promise<string> => String((await agent.call('login_link')).data.url);
		return {
			url,
			agent,
			status,
			warmStatus: warm.status,
			get,
			loginLink,
			async logIn() {
				const response = await fetch(await loginLink(), { redirect: 'manual' });
				if (response.status !== 302) throw new Error(`the login link answered ${response.status}`);
				return cookiesOf(response);
			},
			async outbox() {
				return (await agent.call('outbox')).data.items as readonly OutboxItem[];
			},
			hasFile: (relative) => existsSync(join(dir, relative)),
			configure(patch) {
				const path = join(dir, 'clone.json');
				writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...patch }));
			},
			close: () => harness.close(),
		};
	} catch (cause) {
		await source.site.stop();
		await harness.close();
		throw cause;
	}
}

export { CLONE_ADMIN };
