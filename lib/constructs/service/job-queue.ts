import { Duration } from 'aws-cdk-lib';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { WORKER_TIMEOUT } from './service-function.ts';

/** Crashes of workers that one message survives; a job that waits is sent anew and does not count. */
export const MAX_RECEIVES = 5;

/** Job ids on their way to a worker. */
export class JobQueue extends Construct {
	readonly queue: Queue;
	/** What killed its workers, and schedules that could not be delivered. */
	readonly dead: Queue;

	constructor(scope: Construct, id: string, props: { readonly name: string }) {
		super(scope, id);
		const secure = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
		this.dead = new Queue(this, 'Dead', { ...secure, queueName: `${props.name}-dead`, retentionPeriod: Duration.days(14) });
		this.queue = new Queue(this, 'Queue', {
			...secure,
			queueName: props.name,
			// As Lambda asks of a queue that it reads; a lost worker's job is found sooner by the sweep.
			visibilityTimeout: Duration.seconds(6 * WORKER_TIMEOUT.toSeconds()),
			retentionPeriod: Duration.days(4),
			receiveMessageWaitTime: Duration.seconds(20),
			deadLetterQueue: { queue: this.dead, maxReceiveCount: MAX_RECEIVES },
		});
	}
}
