/** The worker as a pod of the cluster: `worker: "eks"`. */
import { join } from 'node:path';
import { pollingClient } from '../adapters/aws/open-aws.ts';
import { SqsJobQueueConsumer } from '../adapters/aws/sqs/sqs-job-queue.ts';
import { awsParts } from '../lambdas/shared/aws-parts.ts';
import { parseConsumerEnvironment } from '../lambdas/shared/environment.ts';
import { workerParts } from '../lambdas/shared/worker-parts.ts';
import { runConsumer } from './consumer/run-consumer.ts';

const environment = parseConsumerEnvironment(process.env);
const parts = awsParts(environment, { service: 'consumer', traceHeader: () => undefined });
const { telemetry, traces, clock, queue } = parts;
const work = workerParts(parts, environment, environment.PLUGIN_FOLDER ?? join(import.meta.dirname, 'custom-migrator'));
const running = runConsumer({
	consumer: new SqsJobQueueConsumer({
		client: pollingClient(),
		queueUrl: environment.QUEUE_URL,
		clock,
		telemetry,
		// A poll has to come to its end before the kill.
		waitSeconds: environment.DRAIN_SECONDS - 5,
	}),
	queue,
	engine: work.engine,
	telemetry,
	traces,
	concurrency: environment.CONCURRENCY,
	drainSeconds: environment.DRAIN_SECONDS,
});
telemetry.log('info', 'The consumer reads the queue.', { queue: environment.QUEUE_URL, concurrency: environment.CONCURRENCY });

const stop = async (signal: string): Promise<void> => {
	telemetry.log('info', `${signal}: no new jobs; those at hand are put aside.`);
	await running.stop();
	await work.close();
	process.exit(0);
};
process.once('SIGTERM', () => void stop('SIGTERM'));
process.once('SIGINT', () => void stop('SIGINT'));
