/**
 * The synthesized templates, deployed and used as a customer does: over HTTP to API Gateway → Lambda → DynamoDB and
 * SQS → the worker's Lambda → pods of a real cluster, each reached by its own name; until its schedule takes it away. Every
 * function runs from the bundle that `cdk deploy` would upload, every pod with the rights that the stack's Role gives.
 */
import { PutItemCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import {
	DeleteMessageCommand,
	GetQueueAttributesCommand,
	type Message,
	ReceiveMessageCommand,
	SendMessageBatchCommand,
	SendMessageCommand,
	SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readJobMessage } from '../../../adapters/aws/sqs/job-message.ts';
import { ApiClient, type CloneResult, type JobView } from '../../../bin/demo/api-client.ts';
import { verifyClone } from '../../../bin/demo/verify.ts';
import { present } from '../../contracts/support.ts';
import { AGENT_TRACES } from '../../support/service/leftovers.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { clientsOf } from '../aws/support/resources.ts';
import { programToken } from '../aws/support/user-pool.ts';
import { admin, leftovers } from '../kubernetes/support/cluster.ts';
import { testEnvironment } from '../kubernetes/support/environment.ts';
import { until } from '../kubernetes/support/service.ts';
import { type ReachableSite, reachableSite } from '../kubernetes/support/source.ts';
import { type Deployed, deployProduct } from './support/deployed.ts';
import { jobRow, killInTheMiddle } from './support/job-row.ts';
import { killFunction, setDeliveries, setSweep } from './support/lambda-control.ts';

/** The shortest there is. */
const TTL_MINUTES = 5;
/** Deliveries of a message before it is put aside (lib/constructs/service/job-queue.ts). */
const RECEIVES = 5;
/** In place of the 12 minutes that a lost message is away: longer than a batch takes that fails. */
const SOON_SECONDS = 6;

let source: ReachableSite;
let deployed: Deployed;
let clients: ReturnType<typeof clientsOf>;
let alice: ApiClient;
let bob: ApiClient;
let queueUrl: string;
let deadUrl: string;
/** Made by the first test, deleted by its schedule in the last but one. */
let shop: CloneResult;
let shopJob: string;

beforeAll(async () => {
	source = await reachableSite(testEnvironment().sourceAddresses[0] ?? '');
	deployed = await deployProduct({ warmPool: 1 });
	const { emulator, stacks } = deployed;
	clients = clientsOf(emulator);
	alice = new ApiClient(stacks.endpoint, await programToken(emulator, stacks.data));
	bob = new ApiClient(stacks.endpoint, await programToken(emulator, stacks.data, 'another'));
	queueUrl = String(stacks.service.QueueUrl);
	deadUrl = String(stacks.service.DeadLetterQueueUrl);
});
afterAll(async () => {
	await deployed.stop();
	await source.stop();
	const { namespace } = testEnvironment();
	await admin().batch.deleteCollectionNamespacedJob({ namespace, propagationPolicy: 'Background' });
	await until(async () => (await leftovers()).length === 0);
});

const request = (customer: string): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	customer_id: customer,
	ttl_minutes: TTL_MINUTES,
});

const accept = async (customer: string): Promise<string> =>
	(await alice.call<{ job_id: string }>('POST', '/api/v2/clone', request(customer))).job_id;

async function completed(jobId: string): Promise<CloneResult> {
	const job = await alice.follow(jobId, () => undefined);
	expect(job).toMatchObject({ status: 'completed', error: null });
	return present(job.result ?? undefined);
}

/** Every item of the table, its texts only. */
async function rows(): Promise<Readonly<Record<string, string | undefined>>[]> {
	const { Items = [] } = await clients.dynamo.send(
		new ScanCommand({ TableName: String(deployed.stacks.data.TableName), ConsistentRead: true }),
	);
	return Items.map((item) => Object.fromEntries(Object.entries(item).map(([name, value]) => [name, value.S])));
}

/** The slot that a clone runs in, by the table. */
async function slotOf(cloneId: string): Promise<string> {
	const row = (await rows()).find(({ pk, sk }) => pk === `CLONE#${cloneId}` && sk === 'CLONE');
	return present(row?.slot_id);
}

const depth = async (url: string): Promise<number> => {
	const { Attributes } = await clients.sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }));
	return Number(Attributes?.ApproximateNumberOfMessages) + Number(Attributes?.ApproximateNumberOfMessagesNotVisible);
};

it('clones a site onto the cluster, and proves it', async () => {
	shopJob = await accept('shop');
	shop = await completed(shopJob);
	expect(shop.clone_url).toBe(`http://shop.${testEnvironment().domain}`);
	expect(shop).toMatchObject({ fidelity: 'full', proof: { differences: [] } });
	expect((await verifyClone(source.url, shop)).filter((check) => !check.ok)).toEqual([]);
	expect(await source.site.evalPhp(AGENT_TRACES)).toBe('');
	expect((await leftovers(await slotOf('shop'))).map((line) => line.split(' ')[0])).toEqual([
		'Job',
		'Pod',
		'Secret',
		'Service',
		'Ingress',
		'Ingress',
	]);
	const stored = JSON.stringify(await rows());
	for (const secret of [SOURCE_ADMIN.password, shop.password]) expect(stored).not.toContain(secret);
});

it('shows it to its owner only', async () => {
	expect((await alice.call<{ clones: { clone_id: string }[] }>('GET', '/api/v2/clones')).clones).toMatchObject([{ clone_id: 'shop' }]);
	expect((await bob.call<{ clones: object[] }>('GET', '/api/v2/clones')).clones).toEqual([]);
	await expect(bob.call('GET', '/api/v2/clones/shop')).rejects.toThrow('404 clone_not_found');
	await expect(bob.call('DELETE', '/api/v2/delete/shop')).rejects.toThrow('404 clone_not_found');
	await expect(bob.call('POST', '/api/v2/clone', request('shop'))).rejects.toThrow('409 clone_id_taken');
});

it('puts aside what a bad deployment cannot handle, and that alone; sent again after the next one, it is done', async () => {
	const { jobs } = await alice.call<{ jobs: { job_id: string; status: string }[] }>('GET', '/api/v2/jobs');
	const finished = present(jobs.find(({ status }) => status === 'completed'));
	await setDeliveries(deployed.emulator, false);
	const jobId = await accept('held-up');
	const TableName = String(deployed.stacks.data.TableName);
	const row = await jobRow(deployed, jobId);
	// What the store cannot read is tried again by a new message; which this worker cannot send.
	await clients.dynamo.send(new PutItemCommand({ TableName, Item: { ...row, outputs: { S: '{' } } }));
	await deployed.stacks.redeploy({ Worker: { QUEUE_URL: `${queueUrl}-that-is-not` } });
	await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl: queueUrl, Attributes: { VisibilityTimeout: String(SOON_SECONDS) } }));
	const Entries = [finished.job_id, 'none of ours'].map((MessageBody, index) => ({ Id: String(index), MessageBody }));
	await clients.sqs.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries }));
	await setDeliveries(deployed.emulator, true);
	await until(async () => (await depth(deadUrl)) > 0 && (await depth(queueUrl)) === 0);

	const { Messages: dead = [] } = await clients.sqs.send(
		new ReceiveMessageCommand({ QueueUrl: deadUrl, MaxNumberOfMessages: 10, MessageSystemAttributeNames: ['ApproximateReceiveCount'] }),
	);
	expect(new Set(dead.map(({ Body = '' }) => readJobMessage(Body)))).toEqual(new Set([jobId]));
	// Its deliveries, and this one.
	expect(Number(present(dead[0]).Attributes?.ApproximateReceiveCount)).toBe(RECEIVES + 1);
	expect(await alice.call<JobView>('GET', `/api/v2/job-status/${finished.job_id}`)).toMatchObject({ status: 'completed' });

	await clients.dynamo.send(new PutItemCommand({ TableName, Item: row }));
	await clients.sqs.send(new SetQueueAttributesCommand({ QueueUrl: queueUrl, Attributes: { VisibilityTimeout: '720' } }));
	await deployed.stacks.redeploy({});
	for (const message of dead) await sendAgain(message);
	await completed(jobId);
	expect(await depth(deadUrl)).toBe(0);
});

/** As StartMessageMoveTask does, which the emulator has not. */
async function sendAgain({ Body: MessageBody, ReceiptHandle }: Message): Promise<void> {
	await clients.sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
	await clients.sqs.send(new DeleteMessageCommand({ QueueUrl: deadUrl, ReceiptHandle }));
}

it('goes on after its worker was killed in the middle, with one pod', async () => {
	const jobId = await accept('survivor');
	await killInTheMiddle(deployed, jobId, async () => {
		expect(killFunction(deployed.emulator, 'Worker')).toBeGreaterThan(0);
	});
	// The queue keeps its message for long; the sweep sees the lease end and sends another.
	const made = await completed(jobId);
	expect((await verifyClone(source.url, made)).filter((check) => !check.ok)).toEqual([]);
	const jobs = (await leftovers()).filter((line) => line.startsWith('Job '));
	const slots = (await rows()).filter(({ pk }) => pk === 'SLOTS').map(({ slot_id }) => `Job ${slot_id}`);
	expect(new Set(jobs)).toEqual(new Set(slots));
});

it('keeps a booted slot by its sweep, and the next clone has it', async () => {
	await until(async () => (await rows()).some(({ pk, state }) => pk === 'SLOTS' && state === 'warm'));
	const warm = present((await rows()).find(({ pk, state }) => pk === 'SLOTS' && state === 'warm')?.slot_id);
	const made = await completed(await accept('quick'));
	expect(made.warm).toBe(true);
	expect(await slotOf('quick')).toBe(warm);
	expect((await verifyClone(source.url, made)).filter((check) => !check.ok)).toEqual([]);
});

it('is taken away by its schedule, from its very second on', async () => {
	const slot = await slotOf('shop');
	expect((await fetch(`${shop.clone_url}/wp-login.php`)).status).toBe(200);
	// Which would do it a little later.
	await setSweep(deployed.emulator, false);
	const end = new Date(shop.expires_at).getTime();
	await new Promise((wake) => setTimeout(wake, Math.max(0, end - Date.now() + 50)));
	await expect(alice.call('GET', '/api/v2/clones/shop')).rejects.toThrow('404 clone_not_found');
	await until(async () => (await leftovers(slot)).length === 0);
	// The delete job that waited since the clone was made; the schedule only woke it.
	expect(await alice.follow(shopJob.replace('clone-', 'delete-'), () => undefined)).toMatchObject({ type: 'delete', status: 'completed' });
	expect((await fetch(`${shop.clone_url}/`)).status).toBe(404);
	await setSweep(deployed.emulator, true);
});

it('leaves nothing of the others once they are deleted, but the pool', async () => {
	for (const name of ['survivor', 'held-up', 'quick']) {
		const { job_id } = await alice.call<{ job_id: string }>('DELETE', `/api/v2/delete/${name}`);
		expect(await alice.follow(job_id, () => undefined)).toMatchObject({ status: 'completed' });
	}
	const slots = (await rows()).filter(({ pk, state }) => pk === 'SLOTS' && state !== 'claimed').map(({ slot_id }) => slot_id);
	const left = (await leftovers()).filter((line) => !slots.some((slot) => line.includes(String(slot))));
	expect(left).toEqual([]);
	expect(await depth(deadUrl)).toBe(0);
});
