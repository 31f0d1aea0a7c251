/** What the code does with the table, the key and the queue, action by action: CDK's own grants come with wildcards. */
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Key } from 'aws-cdk-lib/aws-kms';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { TABLE_INDEXES } from '../../../adapters/aws/table-schema.ts';

/** No scan: nothing at run time reads the whole table. A transaction needs the permission of each of its parts. */
const TABLE_ACTIONS = ['GetItem', 'Query', 'PutItem', 'UpdateItem', 'DeleteItem', 'ConditionCheckItem'];

export function grantTable(grantee: IGrantable, table: Table): void {
	allow(
		grantee,
		TABLE_ACTIONS.map((action) => `dynamodb:${action}`),
		[table.tableArn],
	);
	allow(
		grantee,
		['dynamodb:Query'],
		TABLE_INDEXES.map(({ indexName }) => `${table.tableArn}/index/${indexName}`),
	);
}

/** To seal and open secrets, and to read and write the table, which the same key encrypts. */
export function grantKey(grantee: IGrantable, key: Key): void {
	allow(grantee, ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey', 'kms:DescribeKey'], [key.keyArn]);
}

export function grantSend(grantee: IGrantable, queue: Queue): void {
	allow(grantee, ['sqs:SendMessage'], [queue.queueArn]);
}

export function grantReceive(grantee: IGrantable, queue: Queue): void {
	allow(grantee, ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:ChangeMessageVisibility', 'sqs:GetQueueAttributes'], [queue.queueArn]);
}

export function allow(grantee: IGrantable, actions: readonly string[], resources: readonly string[]): void {
	grantee.grantPrincipal.addToPrincipalPolicy(new PolicyStatement({ actions: [...actions], resources: [...resources] }));
}
