import { join } from 'node:path';
import { FileKeySecretBox } from '../../../adapters/embedded/file-key-secret-box.ts';
import { SqliteCloneStore } from '../../../adapters/embedded/sqlite/sqlite-clone-store.ts';
import { SqliteJobQueue } from '../../../adapters/embedded/sqlite/sqlite-job-queue.ts';
import { SqliteJobStore } from '../../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { SqliteTtlSchedule } from '../../../adapters/embedded/sqlite/sqlite-ttl-schedule.ts';
import { systemRandom, systemTimers } from '../../../adapters/embedded/system.ts';
import { cloneStoreContract } from '../../contracts/clone-store.ts';
import { jobQueueContract } from '../../contracts/job-queue.ts';
import { jobStoreContract } from '../../contracts/job-store.ts';
import { secretBoxContract } from '../../contracts/secret-box.ts';
import { T0 } from '../../contracts/support.ts';
import { ttlScheduleContract } from '../../contracts/ttl-schedule.ts';
import { fakeClock } from '../../support/memory/clock.ts';
import { temporaryDatabase, temporaryFolder } from './support.ts';

async function stores() {
	const { db, close } = temporaryDatabase();
	return { jobs: new SqliteJobStore(db), clones: new SqliteCloneStore(db), close };
}

jobStoreContract('SQLite', stores);
cloneStoreContract('SQLite', stores);

jobQueueContract('SQLite', async () => {
	const { db, close } = temporaryDatabase();
	const clock = fakeClock(T0);
	const queue = new SqliteJobQueue({ db, clock, random: systemRandom, timers: systemTimers });
	return { queue, consumer: queue, advance: async (seconds) => clock.move(seconds), close };
});

ttlScheduleContract('SQLite', async () => {
	const { db, close } = temporaryDatabase();
	const clock = fakeClock(T0);
	const queue = new SqliteJobQueue({ db, clock, random: systemRandom, timers: systemTimers });
	const schedule = new SqliteTtlSchedule(db, queue);
	return {
		schedule,
		now: clock.now,
		async advance(seconds) {
			clock.move(seconds);
			await schedule.fireDue(clock.now());
		},
		async fired() {
			const messages = await queue.receive(100, 600);
			await Promise.all(messages.map((message) => queue.acknowledge(message)));
			return messages.map((message) => message.job_id);
		},
		close,
	};
});

secretBoxContract('file key', async () => {
	const folder = temporaryFolder();
	return {
		box: new FileKeySecretBox(join(folder.path, 'secret.key')),
		other: new FileKeySecretBox(join(folder.path, 'other.key')),
		close: async () => folder.remove(),
	};
});
