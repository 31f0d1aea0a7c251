/**
 * The consumer as it is in bin/, with jobs that can be watched: each step takes a while and writes a line.
 * `node consumer-process.ts '{"url","region","table","queueUrl","effects"}'`
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoTable } from '../../../../adapters/aws/dynamodb/dynamo-table.ts';
import { DynamoJobStore } from '../../../../adapters/aws/dynamodb/dynamodb-job-store.ts';
import { SqsJobQueue, SqsJobQueueConsumer } from '../../../../adapters/aws/sqs/sqs-job-queue.ts';
import { TraceContext } from '../../../../adapters/aws/telemetry/trace-context.ts';
import { createConsoleTelemetry, systemClock, systemRandom, systemTimers } from '../../../../adapters/embedded/system.ts';
import { runConsumer } from '../../../../bin/consumer/run-consumer.ts';
import { createEngine } from '../../../../core/jobs/engine.ts';
import { done, type Step } from '../../../../core/jobs/step.ts';
import { clientsOf } from './resources.ts';

export interface ConsumerProcessOptions {
	readonly url: string;
	readonly region: string;
	readonly table: string;
	readonly queueUrl: string;
	/** Each step adds a line: `{pid} {job_id} {step}`. */
	readonly effects: string;
}

const options = JSON.parse(process.argv[2] ?? '{}') as ConsumerProcessOptions;
const { dynamo, sqs } = clientsOf(options);
const telemetry = createConsoleTelemetry({ write: (line) => process.stderr.write(`${line}\n`), clock: systemClock, level: 'warn' });
const traces = new TraceContext(() => undefined);
const jobs = new DynamoJobStore(new DynamoTable({ client: dynamo, tableName: options.table }));
const queue = new SqsJobQueue({ client: sqs, queueUrl: options.queueUrl, traces });

const step = (name: string): Step => ({
	name,
	message: name,
	weight: 1,
	deadlineSeconds: 60,
	async run(context) {
		appendFileSync(options.effects, `${process.pid} ${context.job.job_id} ${name}\n`);
		await pause(700, undefined, { signal: context.signal });
		return done(name);
	},
});
const engine = createEngine({
	jobs,
	queue,
	secrets: { seal: async (plain) => plain, open: async (sealed) => sealed },
	clock: systemClock,
	timers: systemTimers,
	random: systemRandom,
	telemetry,
	definitions: [
		{
			type: 'clone',
			steps: ['one', 'two', 'three'].map(step),
			finish: async () => ({ result: 'all three', secret_result: null, status_message: 'Done' }),
		},
	],
	// A dead worker is found in seconds rather than a minute.
	settings: { leaseSeconds: 2, reserveMs: 0, yieldMs: 0, abandonMs: 500 },
});
const running = runConsumer({
	consumer: new SqsJobQueueConsumer({ client: sqs, queueUrl: options.queueUrl, clock: systemClock, telemetry, waitSeconds: 2 }),
	queue,
	engine,
	telemetry,
	traces,
	concurrency: 3,
	drainSeconds: 10,
	visibilitySeconds: 4,
});
process.once('SIGTERM', () => {
	running.stop().then(
		() => process.exit(0),
		(error: unknown) => {
			console.error(error);
			process.exit(1);
		},
	);
});
