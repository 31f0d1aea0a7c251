import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JobQueue, JobQueueConsumer, QueueMessage } from '../../core/ports.ts';
import { nth, unique } from './support.ts';

export interface JobQueueHarness {
	readonly queue: JobQueue;
	readonly consumer: JobQueueConsumer;
	/** Lets this much time pass for the queue: moves its clock, or really waits. */
	advance(seconds: number): Promise<void>;
	close(): Promise<void>;
}

/** What every queue must do. `make` gives an empty queue. Nothing here counts on an order, or on a delivery happening only once. */
export function jobQueueContract(name: string, make: () => Promise<JobQueueHarness>): void {
	describe(`JobQueue contract: ${name}`, () => {
		let harness: JobQueueHarness;
		let queue: JobQueue;
		let consumer: JobQueueConsumer;
		beforeEach(async () => {
			harness = await make();
			({ queue, consumer } = harness);
		});
		afterEach(() => harness.close());

		/** Receives until `count` messages came, or several receives in a row had none. */
		async function drain(count: number, visibilitySeconds = 30): Promise<QueueMessage[]> {
			const messages: QueueMessage[] = [];
			for (let empty = 0; messages.length < count && empty < 3; ) {
				const received = await consumer.receive(10, visibilitySeconds);
				messages.push(...received);
				empty = received.length === 0 ? empty + 1 : 0;
			}
			return messages;
		}
		const sorted = (values: readonly string[]): string[] => [...values].sort((a, b) => (a < b ? -1 : 1));
		const ids = (messages: readonly QueueMessage[]): string[] => sorted(messages.map((message) => message.job_id));

		it('delivers what was sent, and nothing after it was acknowledged', async () => {
			const sent = sorted(Array.from({ length: 12 }, () => unique('clone')));
			for (const id of sent) {
				await queue.send(id);
			}
			const messages = await drain(12);
			expect(ids(messages)).toEqual(sent);
			expect(messages.map((message) => message.receive_count)).toEqual(Array(12).fill(1));
			await Promise.all(messages.map((message) => consumer.acknowledge(message)));
			await harness.advance(31);
			expect(await drain(1)).toEqual([]);
			expect(await consumer.depth()).toBe(0);
		});

		it('gives an empty list when there is nothing, and never more than asked', async () => {
			expect(await consumer.receive(10, 30)).toEqual([]);
			for (let index = 0; index < 3; index++) {
				await queue.send(unique('clone'));
			}
			expect((await consumer.receive(2, 30)).length).toBeLessThanOrEqual(2);
		});

		it('delivers the same job id as often as it was sent', async () => {
			const id = unique('clone');
			await queue.send(id);
			await queue.send(id);
			expect(ids(await drain(2))).toEqual([id, id]);
		});

		it('holds a message back until its delay is over', async () => {
			const id = unique('clone');
			await queue.send(id, 3);
			expect(await drain(1)).toEqual([]);
			expect(await consumer.depth()).toBe(1);
			await harness.advance(1);
			expect(await drain(1)).toEqual([]);
			await harness.advance(3);
			expect(ids(await drain(1))).toEqual([id]);
		});

		it('hides a received message, then delivers it again and counts', async () => {
			const id = unique('clone');
			await queue.send(id);
			expect(await drain(1, 3)).toMatchObject([{ job_id: id, receive_count: 1 }]);
			expect(await drain(1, 3)).toEqual([]);
			await harness.advance(4);
			expect(await drain(1, 3)).toMatchObject([{ job_id: id, receive_count: 2 }]);
			await harness.advance(4);
			expect(await drain(1, 30)).toMatchObject([{ job_id: id, receive_count: 3 }]);
		});

		it('does not let an old receipt acknowledge or release a newer delivery', async () => {
			const id = unique('clone');
			await queue.send(id);
			const old = nth(await drain(1, 2), 0);
			await harness.advance(3);
			const newer = nth(await drain(1, 2), 0);
			await consumer.acknowledge(old);
			await harness.advance(3);
			const third = nth(await drain(1, 2), 0);
			expect(third).toMatchObject({ job_id: id, receive_count: newer.receive_count + 1 });
			await consumer.release(newer, 0);
			expect(await drain(1, 2)).toEqual([]);
		});

		it('releases a message after a delay', async () => {
			const id = unique('clone');
			await queue.send(id);
			await consumer.release(nth(await drain(1, 600), 0), 3);
			expect(await drain(1)).toEqual([]);
			await harness.advance(4);
			const again = nth(await drain(1, 600), 0);
			expect(again).toMatchObject({ job_id: id, receive_count: 2 });
			await consumer.release(again, 0);
			await harness.advance(1);
			expect(ids(await drain(1))).toEqual([id]);
		});

		it('counts what waits, not what is being worked on', async () => {
			for (let index = 0; index < 3; index++) {
				await queue.send(unique('clone'));
			}
			await queue.send(unique('clone'), 60);
			expect(await consumer.depth()).toBe(4);
			const first = nth(await consumer.receive(1, 30), 0);
			expect(await consumer.depth()).toBe(3);
			await consumer.acknowledge(first);
			expect(await consumer.depth()).toBe(3);
		});

		it('gives no message to two of several consumers at once', async () => {
			const sent = Array.from({ length: 30 }, () => unique('clone'));
			await Promise.all(sent.map((id) => queue.send(id)));
			const received = (await Promise.all(Array.from({ length: 10 }, () => consumer.receive(5, 60)))).flat();
			const rest = await drain(30 - received.length, 60);
			expect(ids([...received, ...rest])).toEqual(sorted(sent));
		});
	});
}
