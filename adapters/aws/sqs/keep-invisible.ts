import type { JobQueueConsumer, QueueMessage, Telemetry } from '../../../core/ports.ts';

/** A consumer that can prolong what it has received. */
export interface ExtendingConsumer extends JobQueueConsumer {
	/** @returns false when the message is not ours any more */
	extend(message: QueueMessage, visibilitySeconds: number): Promise<boolean>;
}

/**
 * What is received stays invisible to others until it is acknowledged or released, renewed every third of its visibility. So
 * the visibility can be short: when this process dies, its messages come back after that at the latest.
 */
export function keepInvisible(consumer: ExtendingConsumer, telemetry: Telemetry): JobQueueConsumer {
	const timers = new Map<string, NodeJS.Timeout>();

	const stop = (message: QueueMessage): void => {
		clearInterval(timers.get(message.receipt));
		timers.delete(message.receipt);
	};

	const renew = async (message: QueueMessage, seconds: number): Promise<void> => {
		try {
			if (await consumer.extend(message, seconds)) return;
			stop(message);
			telemetry.log('warn', "A message's time ran out while it was worked on.", { job_id: message.job_id });
		} catch (error) {
			// The next renewal tries again; there are two before the message becomes visible.
			telemetry.log('warn', "A message's time was not extended.", { job_id: message.job_id, error });
		}
	};

	return {
		async receive(max, visibilitySeconds) {
			const messages = await consumer.receive(max, visibilitySeconds);
			for (const message of messages) {
				timers.set(
					message.receipt,
					setInterval(() => void renew(message, visibilitySeconds), (1000 * visibilitySeconds) / 3),
				);
			}
			return messages;
		},
		acknowledge(message) {
			stop(message);
			return consumer.acknowledge(message);
		},
		release(message, delaySeconds) {
			stop(message);
			return consumer.release(message, delaySeconds);
		},
		depth: () => consumer.depth(),
	};
}
