/**
 * The whole service on one machine, wired. Life cycle: lock the data folder → open the store → take back what the last
 * process left in its hands → worker, schedule, sweep, warm pool → HTTP last, so that nothing is accepted before it can run.
 * Stopping goes the other way; clones stay up, and the next start finds them.
 */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ensureFirstToken, openApiTokens } from '../../adapters/embedded/api-tokens.ts';
import { lockData } from '../../adapters/embedded/data-lock.ts';
import { FileKeySecretBox } from '../../adapters/embedded/file-key-secret-box.ts';
import { startHttpServer } from '../../adapters/embedded/http-server.ts';
import { SqliteCloneStore } from '../../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteDatabase } from '../../adapters/embedded/sqlite/sqlite-database.ts';
import { SqliteJobQueue } from '../../adapters/embedded/sqlite/sqlite-job-queue.ts';
import { SqliteJobStore } from '../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { recoverFromCrash } from '../../adapters/embedded/sqlite/sqlite-recovery.ts';
import { purgeOldRows } from '../../adapters/embedded/sqlite/sqlite-retention.ts';
import { SqliteTtlSchedule } from '../../adapters/embedded/sqlite/sqlite-ttl-schedule.ts';
import { swaggerUiFile } from '../../adapters/embedded/swagger-ui.ts';
import { systemClock, systemRandom, systemTimers } from '../../adapters/embedded/system.ts';
import { createGuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient } from '../../adapters/wordpress/migrator-client.ts';
import { createWordPressSite } from '../../adapters/wordpress/wordpress-site.ts';
import { DEFAULT_API_SETTINGS } from '../../core/api/deps.ts';
import { tokenBuckets } from '../../core/api/rate-limit.ts';
import { cloneControl } from '../../core/clones/clone-control.ts';
import { cloneJob } from '../../core/clones/clone-job.ts';
import { sweepClones } from '../../core/clones/clone-sweep.ts';
import { deleteJob } from '../../core/clones/delete-job.ts';
import { maintainWarmPool } from '../../core/clones/warm-pool.ts';
import { createEngine } from '../../core/jobs/engine.ts';
import { sweepJobs } from '../../core/jobs/sweep.ts';
import { createWorkerLoop } from '../../core/jobs/worker-loop.ts';
import type { Telemetry } from '../../core/ports.ts';
import { bearerAuth } from '../../lambdas/api/bearer.ts';
import { createApiHandler } from '../../lambdas/api/handler.ts';
import { openCloneHost } from './clone-host.ts';
import { every } from './periodic.ts';
import type { ServeSettings } from './settings.ts';

export interface Service {
	readonly url: string;
	/** The first owner's token, only when this start made it. */
	readonly newToken: string | null;
	/** Takes no more requests and messages, and waits for what is under way. Clones stay up. */
	stop(): Promise<void>;
}

/** A message is invisible for this long, and a turn with a job lasts at most that, seconds. Longer than a lease. */
const VISIBILITY_SECONDS = 120;

/** @throws ProductError with a sentence that says what to do when something is in the way. */
export async function startService(settings: ServeSettings, telemetry: Telemetry): Promise<Service> {
	mkdirSync(settings.data, { recursive: true, mode: 0o700 });
	const lock = lockData(join(settings.data, 'service.lock'));
	try {
		return await startLocked(settings, telemetry, lock);
	} catch (error) {
		lock.release();
		throw error;
	}
}

async function startLocked(settings: ServeSettings, telemetry: Telemetry, lock: { release(): void }): Promise<Service> {
	const clock = systemClock;
	const random = systemRandom;
	const timers = systemTimers;
	const newToken = await ensureFirstToken(settings.data);
	const tokens = openApiTokens(settings.data);
	const secrets = new FileKeySecretBox(join(settings.data, 'secret.key'));
	const db = new SqliteDatabase(join(settings.data, 'service.sqlite'));
	const recovered = recoverFromCrash(db, clock.now());
	if (recovered.messages + recovered.leases > 0)
		telemetry.log('warn', 'The last run ended in the middle of work; going on with it.', recovered);

	const jobs = new SqliteJobStore(db);
	const clones = new SqliteCloneStore(db, clock.now);
	const queue = new SqliteJobQueue({ db, clock, random, timers, waitMs: 20_000, pollMs: 1000 });
	const ttl = new SqliteTtlSchedule(db, queue);
	const opened = await openCloneHost(settings, clock, telemetry);
	const { host, databases, settings: cloneSettings } = opened;

	const sourceHttp = createGuardedFetch({ allowPrivate: settings.allowPrivateSites });
	// Clones are on this machine's own loopback address, or behind a cluster's ingress; only addresses that the host gave are called.
	const cloneHttp = createGuardedFetch({ allowPrivate: true, maxRedirects: 0 });
	const sourceAgents = createMigratorClient({ http: sourceHttp, clock, random });
	const cloneAgents = createMigratorClient({ http: cloneHttp, clock, random });
	const site = createWordPressSite({
		http: sourceHttp,
		client: sourceAgents,
		clock,
		pluginFolder: resolve(import.meta.dirname, '../../wordpress/custom-migrator'),
	});

	const deps = {
		jobs,
		clones,
		queue,
		ttl,
		host,
		databases,
		site,
		sourceAgents,
		cloneAgents,
		secrets,
		clock,
		random,
		telemetry,
		settings: cloneSettings,
	};
	const engine = createEngine({ jobs, queue, secrets, clock, random, timers, telemetry, definitions: [cloneJob(deps), deleteJob(deps)] });
	const worker = createWorkerLoop({
		consumer: queue,
		queue,
		engine,
		clock,
		timers,
		random,
		telemetry,
		concurrency: settings.workers,
		visibilitySeconds: VISIBILITY_SECONDS,
	});

	const pool = every(2, 'The warm pool', telemetry, async () => {
		const counts = await maintainWarmPool(deps, {
			size: settings.warm,
			php: cloneSettings.warmPhp,
			deadlineSeconds: cloneSettings.warmDeadlineSeconds,
			bootSeconds: 300,
		});
		telemetry.metric('pool_warm', counts.warm, 'count');
		telemetry.metric('pool_booting', counts.booting, 'count');
	});
	const schedule = every(0.5, 'The schedule', telemetry, async () => ttl.fireDue(clock.now()));
	const sweep = every(settings.sweepSeconds, 'The sweep', telemetry, async (signal) => {
		const end = clock.now() + 60_000;
		await sweepJobs({ jobs, queue, engine, clock, random, telemetry }, { remainingMs: () => end - clock.now(), signal });
		await sweepClones(deps);
	});
	const purge = every(settings.sweepSeconds, 'Removing old rows', telemetry, async () => purgeOldRows(db, clock.now()));
	worker.start();

	const http = await startHttpServer({
		handler: createApiHandler({
			deps: {
				jobs,
				clones,
				queue,
				secrets,
				control: cloneControl(deps),
				limiter: tokenBuckets(clock, settings.requestsPerMinute),
				clock,
				random,
				telemetry,
				delay: (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds)),
				settings: {
					...DEFAULT_API_SETTINGS,
					features: { ...DEFAULT_API_SETTINGS.features, mysql: databases !== undefined },
					allowPrivateSites: settings.allowPrivateSites,
					liveClonesPerOwner: settings.clonesPerOwner,
					cloneDeadlineSeconds: cloneSettings.jobDeadlineSeconds,
				},
			},
			authenticate: bearerAuth((token) => tokens.ownerOf(token)),
			docs: swaggerUiFile,
		}),
		host: settings.host,
		port: settings.port,
		telemetry,
	});

	return {
		url: http.url,
		newToken,
		async stop() {
			await http.close();
			await Promise.all([pool.stop(), schedule.stop(), sweep.stop(), purge.stop()]);
			queue.close();
			await worker.stop();
			await Promise.all([sourceHttp.close(), cloneHttp.close(), opened.close()]);
			db.close();
			lock.release();
		},
	};
}
