/** The service as `npm start -- --host kubernetes` runs it, as a process of its own, with the worker's rights. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ApiClient, type CloneResult, type JobView } from '../../../../bin/demo/api-client.ts';
import { type ServiceProcess, startService } from '../../../../bin/demo/service-process.ts';
import { testEnvironment } from './environment.ts';

export function kubernetesArgs(more: Readonly<Record<string, string>> = {}): string[] {
	const { workerKubeconfig, image, phpVersion, wpVersion, domain, namespace } = testEnvironment();
	const flags: Record<string, string> = {
		host: 'kubernetes',
		kubeconfig: workerKubeconfig,
		'clone-image': image,
		'clone-php': phpVersion,
		'clone-wordpress': wpVersion,
		'clone-domain': domain,
		'clone-scheme': 'http',
		'keep-finished': '2',
		namespace,
		port: '0',
		warm: '0',
		'sweep-seconds': '2',
		...more,
	};
	return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
}

export interface RunningService {
	readonly process: ServiceProcess;
	readonly api: ApiClient;
	readonly log: readonly string[];
	/** Sends a request that is answered with a job, and waits for the job's end. */
	run(method: string, path: string, body?: unknown): Promise<JobView>;
	/** @throws Error unless the job completes */
	clone(body: Readonly<Record<string, unknown>>): Promise<CloneResult>;
}

/** @param flags options without a value */
export async function runService(
	dataDir: string,
	more: Readonly<Record<string, string>> = {},
	flags: readonly string[] = [],
): Promise<RunningService> {
	const log: string[] = [];
	const process = await startService(dataDir, [...kubernetesArgs(more), ...flags], (line) => log.push(line));
	const api = new ApiClient(process.url, process.token);
	const run = async (method: string, path: string, body?: unknown): Promise<JobView> => {
		const accepted = await api.call<{ job_id: string }>(method, path, body);
		return api.follow(accepted.job_id, () => undefined);
	};
	return {
		process,
		api,
		log,
		run,
		async clone(body) {
			const job = await run('POST', '/api/v2/clone', body);
			if (job.status !== 'completed' || job.result === null)
				throw new Error(`The clone job ended ${JSON.stringify(job)}\n${log.slice(-20).join('\n')}`);
			return job.result;
		},
	};
}

/** One value of the service's own store. */
function stored(dataDir: string, sql: string, id: string): unknown {
	const db = new DatabaseSync(join(dataDir, 'service.sqlite'), { readOnly: true, timeout: 5000 });
	try {
		return db.prepare(sql).get(id)?.value;
	} finally {
		db.close();
	}
}

/** The slot that a clone has. */
export function slotOfClone(dataDir: string, cloneId: string): string {
	const slot = stored(dataDir, 'SELECT slot_id AS value FROM clones WHERE clone_id = ?', cloneId);
	if (typeof slot !== 'string') throw new Error(`${cloneId} has no slot.`);
	return slot;
}

/** The step that a job is in, or was in last. */
export function stepOf(dataDir: string, jobId: string): unknown {
	return stored(dataDir, 'SELECT step AS value FROM jobs WHERE job_id = ?', jobId);
}

/** Waits until `check` holds; the test's own time limit ends it otherwise. */
export async function until(check: () => Promise<boolean>): Promise<void> {
	while (!(await check())) await new Promise((wake) => setTimeout(wake, 200));
}
