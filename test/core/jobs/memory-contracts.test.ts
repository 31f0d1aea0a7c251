/** The in-memory adapters that the simulation runs on are held to the same contracts as the real ones. */

import { cloneStoreContract } from '../../contracts/clone-store.ts';
import { jobQueueContract } from '../../contracts/job-queue.ts';
import { jobStoreContract } from '../../contracts/job-store.ts';
import { secretBoxContract } from '../../contracts/secret-box.ts';
import { T0 } from '../../contracts/support.ts';
import { ttlScheduleContract } from '../../contracts/ttl-schedule.ts';
import { fakeClock } from '../../support/memory/clock.ts';
import { MemoryCloneStore } from '../../support/memory/clone-store.ts';
import { MemoryDatabase } from '../../support/memory/database.ts';
import { MemoryJobQueue } from '../../support/memory/job-queue.ts';
import { MemoryJobStore } from '../../support/memory/job-store.ts';
import { MemorySecretBox } from '../../support/memory/secret-box.ts';
import { MemoryTtlSchedule } from '../../support/memory/ttl-schedule.ts';

const close = async (): Promise<void> => undefined;

async function stores() {
	const db = new MemoryDatabase();
	return { jobs: new MemoryJobStore(db), clones: new MemoryCloneStore(db), close };
}

jobStoreContract('memory', stores);
cloneStoreContract('memory', stores);

jobQueueContract('memory', async () => {
	const clock = fakeClock(T0);
	const queue = new MemoryJobQueue(clock);
	return { queue, consumer: queue, advance: async (seconds) => clock.move(seconds), close };
});

ttlScheduleContract('memory', async () => {
	const clock = fakeClock(T0);
	const queue = new MemoryJobQueue(clock);
	const schedule = new MemoryTtlSchedule(queue);
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

secretBoxContract('memory', async () => ({ box: new MemorySecretBox(), close }));
