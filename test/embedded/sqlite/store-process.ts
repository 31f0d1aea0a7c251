/** A second process on the same database file: `node store-process.ts PATH TASK`. Answers over IPC. */
import { SqliteDatabase } from '../../../adapters/embedded/sqlite/sqlite-database.ts';
import { SqliteJobQueue } from '../../../adapters/embedded/sqlite/sqlite-job-queue.ts';
import { SqliteJobStore } from '../../../adapters/embedded/sqlite/sqlite-job-store.ts';
import { systemClock, systemRandom, systemTimers } from '../../../adapters/embedded/system.ts';
import { makeClone, makeJob, T0 } from '../../contracts/support.ts';

const [path = '', task = ''] = process.argv.slice(2);
const [verb, argument] = task.split(' ');
const db = new SqliteDatabase(path);
const jobs = new SqliteJobStore(db);

const random = (type: string): string => `${type}-${systemRandom.hex(12)}`;

function answer(text: string): Promise<void> {
	return new Promise((resolve, reject) => {
		process.send?.(text, (error: Error | null) => (error ? reject(error) : resolve()));
	});
}

/** Everybody wants the same clone names, keys and leases. */
async function race(names: number): Promise<void> {
	const counts = { accepted: 0, accepted_by_key: 0, leased: 0 };
	for (let index = 0; index < names; index++) {
		const named = makeJob({ job_id: random('clone'), owner: `owner-${process.pid}`, clone_id: `shop-${index}` });
		const first = await jobs.accept({ job: named, idempotency: null, clone: makeClone(named) });
		counts.accepted += first.outcome === 'accepted' ? 1 : 0;

		const keyed = makeJob({ job_id: random('clone'), owner: 'one-owner' });
		const second = await jobs.accept({ job: keyed, idempotency: { key_hash: `key-${index}`, body_hash: 'b' }, clone: null });
		counts.accepted_by_key += second.outcome === 'accepted' ? 1 : 0;

		const shared = makeJob({ job_id: `clone-00000000${String(index).padStart(4, '0')}`, owner: 'all' });
		await jobs.accept({ job: shared, idempotency: { key_hash: shared.job_id, body_hash: 'b' }, clone: null });
		const lease = await jobs.lease(shared.job_id, { holder: String(process.pid), now: T0, until: T0 + 1 });
		counts.leased += lease === undefined ? 0 : 1;
	}
	await answer(JSON.stringify(counts));
}

async function drain(): Promise<void> {
	const queue = new SqliteJobQueue({ db, clock: systemClock, random: systemRandom, timers: systemTimers });
	const received: string[] = [];
	for (;;) {
		const messages = await queue.receive(3, 600);
		if (messages.length === 0) {
			break;
		}
		for (const message of messages) {
			received.push(message.job_id);
			await queue.acknowledge(message);
		}
	}
	await answer(JSON.stringify(received));
}

/** Says each id once it is accepted, until it is killed. */
async function acceptForever(): Promise<void> {
	for (;;) {
		const job = makeJob({ job_id: random('clone'), owner: 'o' });
		await jobs.accept({ job, idempotency: null, clone: null });
		await answer(job.job_id);
	}
}

switch (verb) {
	case 'race':
		await race(Number(argument));
		break;
	case 'drain':
		await drain();
		break;
	case 'accept-forever':
		await acceptForever();
		break;
	default:
		throw new Error(`There is no task "${task}".`);
}
db.close();
process.disconnect();
