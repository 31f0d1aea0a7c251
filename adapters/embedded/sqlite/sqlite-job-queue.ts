import type { Millis } from '../../../core/jobs/job.ts';
import type { Timers } from '../../../core/jobs/timers.ts';
import type { Clock, JobQueue, JobQueueConsumer, QueueMessage, Random } from '../../../core/ports.ts';
import type { SqliteDatabase } from './sqlite-database.ts';
import { number, numberOrNull, text } from './sqlite-rows.ts';

const SQL = {
	send: 'INSERT INTO messages (job_id, visible_at, receipt, receive_count) VALUES (?, ?, NULL, 0)',
	// The receipt is new with every delivery, so that an old one can no longer acknowledge.
	receive: `UPDATE messages SET visible_at = ?, receipt = ? || '-' || message_id, receive_count = receive_count + 1
		WHERE message_id IN (SELECT message_id FROM messages WHERE visible_at <= ? ORDER BY visible_at LIMIT ?)
		RETURNING job_id, receipt, receive_count`,
	acknowledge: 'DELETE FROM messages WHERE receipt = ?',
	release: 'UPDATE messages SET visible_at = ?, receipt = NULL WHERE receipt = ?',
	depth: 'SELECT COUNT(*) AS waiting FROM messages WHERE receipt IS NULL OR visible_at <= ?',
	next: 'SELECT MIN(visible_at) AS next FROM messages',
} as const;

export interface SqliteJobQueueOptions {
	readonly db: SqliteDatabase;
	readonly clock: Clock;
	readonly random: Random;
	readonly timers: Timers;
	/** How long `receive` waits for a message; 0 (not at all) unless given. */
	readonly waitMs?: number;
	/** How often it looks for messages of another process while it waits; 1000 ms unless given. */
	readonly pollMs?: number;
}

/** The longest delay of the port. */
const LONGEST_DELAY = 900;

/**
 * The queue in the service's own SQLite file. A send in this process wakes a waiting `receive` at once; one of another
 * process is seen at the next look.
 */
export class SqliteJobQueue implements JobQueue, JobQueueConsumer {
	readonly #options: SqliteJobQueueOptions;
	readonly #waiting = new Set<() => void>();
	#closed: boolean;

	constructor(options: SqliteJobQueueOptions) {
		this.#options = options;
		this.#closed = false;
	}

	async send(jobId: string, delaySeconds = 0): Promise<void> {
		const delay = Math.min(LONGEST_DELAY, Math.max(0, delaySeconds));
		this.#options.db.run(SQL.send, jobId, Math.ceil(this.#options.clock.now() + 1000 * delay));
		this.wake();
	}

	async receive(max: number, visibilitySeconds: number): Promise<readonly QueueMessage[]> {
		const { clock } = this.#options;
		const end = clock.now() + (this.#options.waitMs ?? 0);
		for (;;) {
			const messages = this.#take(max, visibilitySeconds);
			const now = clock.now();
			if (messages.length > 0 || now >= end || this.#closed) {
				return messages;
			}
			await this.#wait(this.#nextLook(now, end));
		}
	}

	async acknowledge(message: QueueMessage): Promise<void> {
		this.#options.db.run(SQL.acknowledge, message.receipt);
	}

	async release(message: QueueMessage, delaySeconds: number): Promise<void> {
		const delay = Math.min(LONGEST_DELAY, Math.max(0, delaySeconds));
		this.#options.db.run(SQL.release, Math.ceil(this.#options.clock.now() + 1000 * delay), message.receipt);
		this.wake();
	}

	async depth(): Promise<number> {
		const row = this.#options.db.get(SQL.depth, this.#options.clock.now());
		return row === undefined ? 0 : number(row, 'waiting');
	}

	/** Something else put messages into the table: waiting receivers look again. */
	wake(): void {
		for (const look of [...this.#waiting]) {
			look();
		}
	}

	/** Ends every waiting `receive`; for the shutdown. */
	close(): void {
		this.#closed = true;
		this.wake();
	}

	#take(max: number, visibilitySeconds: number): QueueMessage[] {
		const { db, clock, random } = this.#options;
		const now = clock.now();
		return db.all(SQL.receive, Math.ceil(now + 1000 * visibilitySeconds), random.hex(24), now, max).map((row) => ({
			job_id: text(row, 'job_id'),
			receipt: text(row, 'receipt'),
			receive_count: number(row, 'receive_count'),
		}));
	}

	#nextLook(now: Millis, end: Millis): number {
		const row = this.#options.db.get(SQL.next);
		const next = row === undefined ? null : numberOrNull(row, 'next');
		return Math.max(1, Math.min(end, now + (this.#options.pollMs ?? 1000), next ?? end) - now);
	}

	#wait(ms: number): Promise<void> {
		return new Promise((resolve) => {
			const look = (): void => {
				cancel();
				this.#waiting.delete(look);
				resolve();
			};
			const cancel = this.#options.timers.after(ms, look);
			this.#waiting.add(look);
		});
	}
}
