/** A job as the table has it, lease included, which the API does not show. */
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { jobKey } from '../../../../adapters/aws/dynamodb/keys.ts';
import { present } from '../../../contracts/support.ts';
import { clientsOf } from '../../aws/support/resources.ts';
import { until } from '../../kubernetes/support/service.ts';
import type { Deployed } from './deployed.ts';

type Row = NonNullable<Awaited<ReturnType<typeof jobRow>>>;

/** @throws Error when there is none */
export async function jobRow({ emulator, stacks }: Deployed, jobId: string) {
	const { dynamo } = clientsOf(emulator);
	const Key = Object.fromEntries(Object.entries(jobKey(jobId)).map(([name, value]) => [name, { S: value }]));
	return present((await dynamo.send(new GetItemCommand({ TableName: String(stacks.data.TableName), Key, ConsistentRead: true }))).Item);
}

/** Half of the clone is made, and a worker is at it. */
export const isInTheMiddle = (row: Row): boolean =>
	Number(row.progress?.N) >= 30 && row.status?.S === 'running' && row.lease_holder?.S !== undefined;

/**
 * Waits for the middle of a job and lets `kill` end its worker there. Where the worker was quicker, and had put the job aside by
 * then, once more.
 * @returns when the job is held by a worker that is dead
 */
export async function killInTheMiddle(deployed: Deployed, jobId: string, kill: () => Promise<void>): Promise<void> {
	await until(async () => {
		const before = await jobRow(deployed, jobId);
		if (!isInTheMiddle(before)) return false;
		await kill();
		const after = await jobRow(deployed, jobId);
		return after.lease_holder?.S === before.lease_holder?.S && after.fence?.N === before.fence?.N;
	});
}
