/** The contract suites of the ports over the AWS adapters, against programs that speak AWS's protocols. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe } from 'vitest';
import { DynamoTable } from '../../../adapters/aws/dynamodb/dynamo-table.ts';
import { DynamoCloneStore } from '../../../adapters/aws/dynamodb/dynamodb-clone-store.ts';
import { DynamoJobStore } from '../../../adapters/aws/dynamodb/dynamodb-job-store.ts';
import { EventBridgeTtlSchedule } from '../../../adapters/aws/eventbridge-ttl-schedule.ts';
import { KmsSecretBox } from '../../../adapters/aws/kms-secret-box.ts';
import { SqsJobQueue, SqsJobQueueConsumer } from '../../../adapters/aws/sqs/sqs-job-queue.ts';
import { TraceContext } from '../../../adapters/aws/telemetry/trace-context.ts';
import { systemClock } from '../../../adapters/embedded/system.ts';
import { cloneStoreContract } from '../../contracts/clone-store.ts';
import { jobQueueContract } from '../../contracts/job-queue.ts';
import { jobStoreContract } from '../../contracts/job-store.ts';
import { secretBoxContract } from '../../contracts/secret-box.ts';
import { ttlScheduleContract } from '../../contracts/ttl-schedule.ts';
import { type Emulator, startEmulator } from './support/emulator.ts';
import { clientsOf, createKey, createQueue, createScheduleGroup, createTable } from './support/resources.ts';

const telemetry = { log: () => undefined, metric: () => undefined };
const traces = new TraceContext(() => undefined);

describe('AWS adapters', () => {
	let emulator: Emulator;
	let clients: ReturnType<typeof clientsOf>;
	beforeAll(async () => {
		emulator = await startEmulator();
		clients = clientsOf(emulator);
	});
	afterAll(() => emulator.stop());

	async function stores() {
		const table = new DynamoTable({ client: clients.dynamo, tableName: await createTable(clients.dynamo) });
		return { jobs: new DynamoJobStore(table), clones: new DynamoCloneStore(table), close: async () => {} };
	}
	jobStoreContract('DynamoDB', stores);
	cloneStoreContract('DynamoDB', stores);

	async function queueParts(waitSeconds: number) {
		const { url, arn } = await createQueue(clients.sqs);
		const options = { client: clients.sqs, queueUrl: url };
		return {
			arn,
			queue: new SqsJobQueue({ ...options, traces }),
			consumer: new SqsJobQueueConsumer({ ...options, clock: systemClock, telemetry, waitSeconds }),
		};
	}
	jobQueueContract('SQS', async () => {
		const { queue, consumer } = await queueParts(0);
		return { queue, consumer, advance: (seconds) => pause(1000 * seconds), close: async () => undefined };
	});

	ttlScheduleContract('EventBridge Scheduler', async () => {
		const { queue, consumer, arn } = await queueParts(0);
		const schedule = new EventBridgeTtlSchedule({
			client: clients.scheduler,
			group: await createScheduleGroup(clients.scheduler),
			roleArn: 'arn:aws:iam::000000000000:role/schedules',
			queueArn: arn,
			deadLetterArn: null,
			queue,
			clock: emulator.scheduleClock,
		});
		return {
			schedule,
			now: () => emulator.scheduleClock.now(),
			advance: (seconds) => emulator.advanceSchedules(seconds),
			async fired() {
				const messages = await consumer.receive(10, 600);
				await Promise.all(messages.map((message) => consumer.acknowledge(message)));
				return messages.map((message) => message.job_id);
			},
			close: async () => undefined,
		};
	});

	secretBoxContract('KMS', async () => {
		const box = async () => new KmsSecretBox({ client: clients.kms, keyId: await createKey(clients.kms), clock: systemClock });
		return { box: await box(), other: await box(), close: async () => {} };
	});
});
