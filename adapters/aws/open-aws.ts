/** Everything of AWS that the service works with, opened: stores, queue, schedule, secrets. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { KMSClient } from '@aws-sdk/client-kms';
import { SchedulerClient } from '@aws-sdk/client-scheduler';
import { SQSClient } from '@aws-sdk/client-sqs';
import type { Clock } from '../../core/ports.ts';
import type { AwsCredentials } from '../kubernetes/eks-credentials.ts';
import { DynamoTable } from './dynamodb/dynamo-table.ts';
import { DynamoCloneStore } from './dynamodb/dynamodb-clone-store.ts';
import { DynamoJobStore } from './dynamodb/dynamodb-job-store.ts';
import { EventBridgeTtlSchedule } from './eventbridge-ttl-schedule.ts';
import { KmsSecretBox } from './kms-secret-box.ts';
import { SqsJobQueue } from './sqs/sqs-job-queue.ts';
import type { TraceContext } from './telemetry/trace-context.ts';

export interface AwsSettings {
	readonly tableName: string;
	readonly queueUrl: string;
	readonly queueArn: string;
	readonly kmsKeyId: string;
	readonly scheduleGroup: string;
	readonly scheduleRoleArn: string;
	readonly scheduleDeadLetterArn: string | null;
}

export interface AwsSurroundings {
	readonly clock: Clock;
	readonly traces: TraceContext;
	/** Wraps each client, for tracing. */
	readonly capture?: <Client>(client: Client) => Client;
}

/** A request is given up after this and sent again, three times in all: a lost answer is noticed well within a caller's patience. */
const PATIENCE = { connectionTimeout: 1000, requestTimeout: 5000, throwOnRequestTimeout: true };
/** A long poll answers after 20 s. */
const POLL_PATIENCE = { connectionTimeout: 1000, requestTimeout: 30_000, throwOnRequestTimeout: true };

/** Region, endpoint and credentials are those of the AWS SDK's usual places. */
export function openAws(settings: AwsSettings, surroundings: AwsSurroundings) {
	const { clock, traces, capture = (client) => client } = surroundings;
	const common = { maxAttempts: 3, requestHandler: PATIENCE };
	const dynamo = capture(new DynamoDBClient(common));
	const sqs = capture(new SQSClient(common));
	const kms = capture(new KMSClient(common));
	const scheduler = capture(new SchedulerClient(common));
	const table = new DynamoTable({ client: dynamo, tableName: settings.tableName });
	const queue = new SqsJobQueue({ client: sqs, queueUrl: settings.queueUrl, traces });
	return {
		jobs: new DynamoJobStore(table),
		clones: new DynamoCloneStore(table, () => clock.now()),
		queue,
		ttl: new EventBridgeTtlSchedule({
			client: scheduler,
			group: settings.scheduleGroup,
			roleArn: settings.scheduleRoleArn,
			queueArn: settings.queueArn,
			deadLetterArn: settings.scheduleDeadLetterArn,
			queue,
			clock,
		}),
		secrets: new KmsSecretBox({ client: kms, keyId: settings.kmsKeyId, clock }),
		/** Whom the AWS calls are made as: for the cluster's token. */
		credentials: (): Promise<AwsCredentials> => dynamo.config.credentials(),
		region: (): Promise<string> => dynamo.config.region(),
	};
}

/** A client for long polls. */
export function pollingClient(): SQSClient {
	return new SQSClient({ maxAttempts: 3, requestHandler: POLL_PATIENCE });
}
