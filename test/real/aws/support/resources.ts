/** Makes what the stacks would make, by the same constants, for tests of single adapters. */
import { randomUUID } from 'node:crypto';
import {
	type AttributeDefinition,
	CreateTableCommand,
	DynamoDBClient,
	type GlobalSecondaryIndex,
	UpdateTimeToLiveCommand,
	waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms';
import { CreateScheduleGroupCommand, SchedulerClient } from '@aws-sdk/client-scheduler';
import { CreateQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { TABLE_INDEXES, TABLE_KEYS, TTL_ATTRIBUTE } from '../../../../adapters/aws/table-schema.ts';
import type { Emulator } from './emulator.ts';

export const clientOptions = (emulator: Pick<Emulator, 'url' | 'region'>) => ({
	endpoint: emulator.url,
	region: emulator.region,
	credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});

/** @returns the table's name */
export async function createTable(client: DynamoDBClient): Promise<string> {
	const TableName = `jobs-${randomUUID()}`;
	const keys = ({ partitionKey, sortKey }: { partitionKey: string; sortKey: string }) => [
		{ AttributeName: partitionKey, KeyType: 'HASH' as const },
		{ AttributeName: sortKey, KeyType: 'RANGE' as const },
	];
	const names = [TABLE_KEYS, ...TABLE_INDEXES].flatMap(({ partitionKey, sortKey }) => [partitionKey, sortKey]);
	await client.send(
		new CreateTableCommand({
			TableName,
			BillingMode: 'PAY_PER_REQUEST',
			KeySchema: keys(TABLE_KEYS),
			AttributeDefinitions: names.map((AttributeName): AttributeDefinition => ({ AttributeName, AttributeType: 'S' })),
			GlobalSecondaryIndexes: TABLE_INDEXES.map(
				(index): GlobalSecondaryIndex => ({ IndexName: index.indexName, KeySchema: keys(index), Projection: { ProjectionType: 'ALL' } }),
			),
		}),
	);
	await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName });
	await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { AttributeName: TTL_ATTRIBUTE, Enabled: true } }));
	return TableName;
}

export async function createQueue(
	client: SQSClient,
	attributes: Readonly<Record<string, string>> = {},
): Promise<{ url: string; arn: string }> {
	const made = await client.send(new CreateQueueCommand({ QueueName: `jobs-${randomUUID()}`, Attributes: attributes }));
	const url = made.QueueUrl ?? '';
	const asked = await client.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['QueueArn'] }));
	return { url, arn: asked.Attributes?.QueueArn ?? '' };
}

export async function createKey(client: KMSClient): Promise<string> {
	return (await client.send(new CreateKeyCommand({}))).KeyMetadata?.KeyId ?? '';
}

export async function createScheduleGroup(client: SchedulerClient): Promise<string> {
	const Name = `clones-${randomUUID()}`;
	await client.send(new CreateScheduleGroupCommand({ Name }));
	return Name;
}

export function clientsOf(emulator: Pick<Emulator, 'url' | 'region'>) {
	const options = clientOptions(emulator);
	return {
		dynamo: new DynamoDBClient(options),
		sqs: new SQSClient(options),
		kms: new KMSClient(options),
		scheduler: new SchedulerClient(options),
	};
}
