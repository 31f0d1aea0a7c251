/** What becomes of the database of a clone on MySQL, through the clone job, its undo, the delete job and the sweep. */
import { beforeEach, describe, expect, it } from 'vitest';
import { cloneJob } from '../../../core/clones/clone-job.ts';
import { sweepClones } from '../../../core/clones/clone-sweep.ts';
import { deleteJob } from '../../../core/clones/delete-job.ts';
import { DEFAULT_CLONE_SETTINGS } from '../../../core/clones/settings.ts';
import { removeSlot, startSlot } from '../../../core/clones/slots.ts';
import { TransientError } from '../../../core/errors.ts';
import { createEngine } from '../../../core/jobs/engine.ts';
import type { Json } from '../../../core/jobs/job.ts';
import { jobSealContext, newJob } from '../../../core/jobs/new-job.ts';
import type { CloneHost, SlotSpec } from '../../../core/ports.ts';
import { cloneDatabasesContract } from '../../contracts/clone-databases.ts';
import { makeClone, T0 } from '../../contracts/support.ts';
import { fakeClock } from '../../support/memory/clock.ts';
import { MemoryCloneDatabases } from '../../support/memory/clone-databases.ts';
import { MemoryCloneStore } from '../../support/memory/clone-store.ts';
import { MemoryDatabase } from '../../support/memory/database.ts';
import { MemoryJobQueue } from '../../support/memory/job-queue.ts';
import { MemoryJobStore } from '../../support/memory/job-store.ts';
import { MemorySecretBox } from '../../support/memory/secret-box.ts';
import { MemoryTtlSchedule } from '../../support/memory/ttl-schedule.ts';

cloneDatabasesContract('memory', async () => {
	const databases = new MemoryCloneDatabases();
	return {
		databases,
		async write(connection, word) {
			databases.opened(connection).word = word;
		},
		read: async (connection) => databases.opened(connection).word,
		close: async () => {},
	};
});

const JOB_ID = 'clone-0123456789ab';
const SLOT = 'slot-0123456789ab';

function world() {
	const db = new MemoryDatabase();
	const clock = fakeClock(T0);
	const databases = new MemoryCloneDatabases();
	const started: SlotSpec[] = [];
	const order: string[] = [];
	const state: { startFails: number; ready: boolean } = { startFails: 0, ready: true };
	let hex = 0;
	const host: CloneHost = {
		async start(spec) {
			order.push('start');
			started.push(spec);
			if (state.startFails-- > 0) throw new TransientError('cluster_throttled', 'The cluster asks to be asked less often.');
		},
		status: async () =>
			state.ready
				? { state: 'ready', endpoint: { url: 'https://slot.test', ref: SLOT }, php_version: '8.4', wp_version: '7.1.1' }
				: { state: 'gone', reason: 'it crashed', code: 'clone_crashing' },
		extend: async () => true,
		route: async () => ({ endpoint: { url: 'https://slot.test', ref: SLOT }, reached: true }),
		async remove(slotId) {
			order.push(`remove ${slotId}`);
		},
		list: async () => [],
	};
	const queue = new MemoryJobQueue(clock);
	const answers: Readonly<Record<string, Json>> = {
		preflight: {
			...{ wp_version: '7.1.1', locale: 'en_US', php_version: '8.4.1', db: { engine: 'mariadb', version: '10.11' }, table_prefix: 'wp_' },
			...{ multisite: false, site_url: 'https://a.test', home_url: 'https://a.test', content_url: 'https://a.test/wp-content' },
			...{ uploads_url: 'https://a.test/wp-content/uploads', content_dir_default: true, uploads_in_content: true, db_bytes: 1000 },
		},
		import_status: {
			state: 'done',
			progress: 100,
			phase: '',
			message: '',
			error: null,
			proof: { tables: 12, rows: 9, files: 3, bytes: 1000, differences: [], left_out: [] },
			facts: { warnings: [] },
		},
		login_link: { url: 'https://slot.test/?clone_login=x' },
		set_expiry: {},
	};
	const agents = { call: async (_: unknown, verb: string): Promise<Json> => answers[verb] ?? {} };
	const deps = {
		jobs: new MemoryJobStore(db),
		clones: new MemoryCloneStore(db),
		queue,
		host,
		databases,
		ttl: new MemoryTtlSchedule(queue),
		secrets: new MemorySecretBox(),
		clock,
		random: { hex: (n: number) => (++hex).toString(16).padStart(n, '0'), fraction: () => 0.5 },
		telemetry: { log: () => undefined, metric: () => undefined },
		site: {
			connect: async () => ({ agent_url: 'https://a.test/ajax', site_url: 'https://a.test', uploaded: false }),
			disconnect: async () => undefined,
			cleanUp: async () => undefined,
		},
		sourceAgents: agents,
		cloneAgents: agents,
		settings: { ...DEFAULT_CLONE_SETTINGS },
	};
	const engine = createEngine({
		...deps,
		settings: {},
		timers: { after: () => () => undefined },
		definitions: [cloneJob(deps), deleteJob(deps)],
	});
	return { db, deps, engine, databases, started, order, state, clock };
}

type World = ReturnType<typeof world>;

async function accept({ deps }: World, database: 'sqlite' | 'mysql'): Promise<void> {
	const owner = 'owner-a';
	const job = newJob({
		job_id: JOB_ID,
		type: 'clone',
		owner,
		input: { clone_id: 'shop', source_url: 'https://a.test', source_username: 'admin', ttl_minutes: 30, database },
		sealed_input: await deps.secrets.seal('{"source_password":"x"}', jobSealContext({ job_id: JOB_ID, owner })),
		clone_id: 'shop',
		now: T0,
		deadlineSeconds: 3600,
		expectedSeconds: null,
	});
	await deps.jobs.accept({ job, idempotency: null, clone: makeClone(job, { clone_id: 'shop' }) });
}

/** Runs a job until it has ended. @returns it as it is then */
async function toEnd({ deps, engine, clock }: World, jobId: string) {
	for (let turn = 0; turn < 50; turn++) {
		await engine.run(jobId, { remainingMs: () => 60_000, signal: new AbortController().signal });
		const job = await deps.jobs.get(jobId);
		if (job?.completed_at) return job;
		clock.move(20);
	}
	throw new Error('The job does not end.');
}

describe('a clone on MySQL', () => {
	let here: World;
	beforeEach(() => {
		here = world();
	});

	it('gets its database before it starts, cold although a slot is warm, and shows its password to nobody', async () => {
		await here.deps.clones.putSlot({
			...{ slot_id: 'slot-warm', state: 'warm', job_id: null, endpoint: null, agent_key_sealed: 'x' },
			...{ php_version: '8.4', wp_version: null, created_at: T0 },
		} as const);
		await accept(here, 'mysql');
		const job = await toEnd(here, JOB_ID);
		expect(job).toMatchObject({ status: 'completed', result: { warm: false } });
		const entry = here.databases.entries.get(SLOT);
		expect(here.started).toMatchObject([{ slot_id: SLOT, database: { name: SLOT, password: entry?.password } }]);
		expect(JSON.stringify([...here.db.jobs.values(), ...here.db.slots.values(), ...here.db.clones.values()])).not.toContain(
			entry?.password,
		);
		expect((await here.deps.clones.getSlot('slot-warm'))?.state).toBe('warm');
	});

	it('gets a new password with every attempt, and the attempt gets it', async () => {
		here.state.startFails = 2;
		await accept(here, 'mysql');
		expect((await toEnd(here, JOB_ID)).status).toBe('completed');
		const passwords = here.started.map((spec) => spec.database?.password);
		expect(new Set(passwords).size).toBe(3);
		expect(here.databases.entries.get(SLOT)?.password).toBe(passwords.at(-1));
	});

	it('is recorded as a slot before its database is made, so that the sweep leaves it alone', async () => {
		const create = here.databases.create.bind(here.databases);
		let counts: unknown;
		here.databases.create = async (slotId) => {
			const made = await create(slotId);
			// Another worker's sweep, at the worst moment: the database is there, the slot has not started.
			counts = await sweepClones(here.deps);
			return made;
		};
		await accept(here, 'mysql');
		expect((await toEnd(here, JOB_ID)).status).toBe('completed');
		expect(counts).toMatchObject({ orphans: 0 });
		expect(here.databases.entries.has(SLOT)).toBe(true);
	});

	it('loses it with the slot: when the job fails', async () => {
		here.state.ready = false;
		await accept(here, 'mysql');
		expect(await toEnd(here, JOB_ID)).toMatchObject({ status: 'failed', error: { code: 'clone_crashing' } });
		expect(here.started[0]?.database).not.toBe(null);
		expect(await here.databases.list()).toEqual([]);
		expect(here.order.at(-1)).toBe(`remove ${SLOT}`);
	});

	it('loses it with the slot: when the clone is deleted', async () => {
		await accept(here, 'mysql');
		await toEnd(here, JOB_ID);
		expect(await here.databases.list()).toEqual([SLOT]);
		here.clock.move(1801);
		await toEnd(here, 'delete-0123456789ab');
		expect(await here.databases.list()).toEqual([]);
	});

	it('loses it by the sweep when no slot has it, and only then', async () => {
		await here.databases.create('slot-orphan');
		await accept(here, 'mysql');
		await toEnd(here, JOB_ID);
		expect(await sweepClones(here.deps)).toMatchObject({ orphans: 1 });
		expect(await here.databases.list()).toEqual([SLOT]);
		expect(await sweepClones(here.deps)).toMatchObject({ orphans: 0 });
	});

	it('a database that cannot be dropped keeps its slot on record, to be tried again', async () => {
		await accept(here, 'mysql');
		await toEnd(here, JOB_ID);
		const drop = here.databases.drop.bind(here.databases);
		here.databases.drop = async () => {
			throw new TransientError('database_unreachable', 'The database server does not answer.');
		};
		await expect(removeSlot(here.deps, SLOT)).rejects.toMatchObject({ code: 'database_unreachable' });
		expect(await here.deps.clones.getSlot(SLOT)).toBeDefined();
		here.databases.drop = drop;
		await removeSlot(here.deps, SLOT);
		expect(await here.deps.clones.getSlot(SLOT)).toBeUndefined();
	});
});

it('a clone on SQLite has none', async () => {
	const here = world();
	await accept(here, 'sqlite');
	expect((await toEnd(here, JOB_ID)).status).toBe('completed');
	expect(here.started.map((spec) => spec.database)).toEqual([null]);
	expect(await here.databases.list()).toEqual([]);
});

it('a service without MySQL starts none', async () => {
	const { deps } = world();
	const spec = { slot_id: SLOT, state: 'claimed', job_id: JOB_ID, deadline: T0 + 1000, php_version: '8.4', database: 'mysql' } as const;
	await expect(startSlot({ ...deps, databases: undefined }, spec)).rejects.toMatchObject({ code: 'database_not_available' });
});
