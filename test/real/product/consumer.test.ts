/**
 * `worker: "eks"`: the API as a function, the worker as the pods that k8s/platform/consumer.ts describes, in the cluster that they
 * make clones in, by their own account. Killed in the middle, told to go in the middle: nothing is lost.
 */
import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { PatchStrategy } from '@kubernetes/client-node';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ApiClient } from '../../../bin/demo/api-client.ts';
import { verifyClone } from '../../../bin/demo/verify.ts';
import { consumerManifests } from '../../../k8s/platform/consumer.ts';
import type { Manifest } from '../../../k8s/types.ts';
import { present } from '../../contracts/support.ts';
import { SOURCE_ADMIN } from '../../support/sites/boot-site.ts';
import { clientsOf } from '../aws/support/resources.ts';
import { programToken } from '../aws/support/user-pool.ts';
import { admin, leftovers } from '../kubernetes/support/cluster.ts';
import { testEnvironment } from '../kubernetes/support/environment.ts';
import { judge } from '../kubernetes/support/judge.ts';
import { until } from '../kubernetes/support/service.ts';
import { type ReachableSite, reachableSite } from '../kubernetes/support/source.ts';
import { type Deployed, deployProduct } from './support/deployed.ts';
import { isInTheMiddle, jobRow, killInTheMiddle } from './support/job-row.ts';
import { functionEnvironment } from './support/lambda-control.ts';

/** What KEDA would keep at least; it is not in the test cluster. */
const REPLICAS = 2;
const DRAIN_SECONDS = 30;

let source: ReachableSite;
let deployed: Deployed;
let api: ApiClient;

beforeAll(async () => {
	source = await reachableSite(testEnvironment().sourceAddresses[0] ?? '');
	deployed = await deployProduct({ worker: 'eks', warmPool: 0 });
	const { emulator, stacks } = deployed;
	api = new ApiClient(stacks.endpoint, await programToken(emulator, stacks.data));
	await startConsumer();
});
afterAll(async () => {
	const { namespace, systemNamespace } = testEnvironment();
	const { apps, core, batch } = admin();
	const fieldSelector = 'metadata.name=consumer';
	await apps.deleteCollectionNamespacedDeployment({ namespace: systemNamespace, fieldSelector, propagationPolicy: 'Background' });
	await core.deleteCollectionNamespacedServiceAccount({ namespace: systemNamespace, fieldSelector });
	await until(async () => (await pods()).length === 0);
	await batch.deleteCollectionNamespacedJob({ namespace, propagationPolicy: 'Background' });
	await until(async () => (await leftovers()).length === 0);
	await deployed.stop();
	await source.stop();
});

/** As the stack makes them, for this deployment; the emulator's login in place of Pod Identity's. */
async function manifestsHere(): Promise<readonly Manifest[]> {
	const { emulator, stacks } = deployed;
	const { systemNamespace, consumerImage } = testEnvironment();
	// A pod of the cluster finds that by itself.
	const { KUBE_API_URL: _, KUBE_CA: __, NODE_OPTIONS: ___, ...environment } = await functionEnvironment(emulator, 'Api');
	return consumerManifests({
		namespace: systemNamespace,
		image: present(consumerImage ?? undefined),
		env: { ...environment, ...emulator.environment, DRAIN_SECONDS: String(DRAIN_SECONDS) },
		queueUrl: String(stacks.service.QueueUrl),
		region: emulator.region,
		replicas: { least: REPLICAS, most: 20 },
		messagesAWorker: 5,
		drainSeconds: DRAIN_SECONDS,
	});
}

/** KEDA is not run: its part is done by hand. */
async function startConsumer(): Promise<void> {
	const { objects } = admin();
	for (const manifest of await manifestsHere()) {
		if (!manifest.apiVersion.startsWith('keda.sh/')) {
			const own = { ...manifest, metadata: { ...manifest.metadata, ownerReferences: [] } };
			await objects.patch(own, undefined, undefined, 'test', true, PatchStrategy.ServerSideApply);
		}
	}
	await scale(REPLICAS);
}

/** Sets the number of workers, and waits until that many work and all others have ended. */
async function scale(replicas: number): Promise<void> {
	const namespace = testEnvironment().systemNamespace;
	const body = [{ op: 'replace', path: '/spec/replicas', value: replicas }];
	await admin().apps.patchNamespacedDeploymentScale({ name: 'consumer', namespace, body });
	await until(async () => {
		const now = await pods();
		return now.length === replicas && now.every(({ ready }) => ready);
	});
}

async function pods(): Promise<{ readonly name: string; readonly ready: boolean }[]> {
	const { items } = await admin().core.listNamespacedPod({ namespace: testEnvironment().systemNamespace, labelSelector: 'app=consumer' });
	return items.map(({ metadata, status }) => ({
		name: metadata?.name ?? '',
		ready: status?.containerStatuses?.every(({ ready }) => ready) === true && metadata?.deletionTimestamp === undefined,
	}));
}

const request = (customer: string): Record<string, unknown> => ({
	source_url: source.url,
	source_username: SOURCE_ADMIN.username,
	source_password: SOURCE_ADMIN.password,
	customer_id: customer,
});

const accept = async (customer: string): Promise<string> =>
	(await api.call<{ job_id: string }>('POST', '/api/v2/clone', request(customer))).job_id;

async function expectMade(jobId: string): Promise<void> {
	const job = await api.follow(jobId, () => undefined);
	expect(job).toMatchObject({ status: 'completed', error: null });
	const made = present(job.result ?? undefined);
	expect((await verifyClone(source.url, made)).filter((check) => !check.ok)).toEqual([]);
}

it('is described, with its scaling, by what the cluster and KEDA take', async () => {
	const manifests = await manifestsHere();
	expect(manifests.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'Deployment', 'TriggerAuthentication', 'ScaledObject']);
	for (const manifest of manifests) await judge(manifest);
	const scaled = present(manifests.at(-1));
	await expect(judge({ ...scaled, ...{ spec: { ...Object(scaled).spec, mostReplicas: 3 } } })).rejects.toThrow(/mostReplicas/);
	await expect(judge({ ...scaled, ...{ spec: { ...Object(scaled).spec, maxReplicaCount: 'many' } } })).rejects.toThrow(/maxReplicaCount/);
});

it('makes and deletes clones from inside the cluster', async () => {
	await expectMade(await accept('from-a-pod'));
	const { job_id } = await api.call<{ job_id: string }>('DELETE', '/api/v2/delete/from-a-pod');
	expect(await api.follow(job_id, () => undefined)).toMatchObject({ status: 'completed' });
	expect(await leftovers()).toEqual([]);
});

it('all killed in the middle: others go on, with the same clone', async () => {
	const jobId = await accept('killed');
	const namespace = testEnvironment().systemNamespace;
	await killInTheMiddle(deployed, jobId, async () => {
		for (const { name } of await pods()) await admin().core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 });
	});
	await expectMade(jobId);
	expect((await leftovers()).filter((line) => line.startsWith('Job '))).toHaveLength(1);
});

it('told to go in the middle: put their job aside within their grace period, and others go on at once', async () => {
	const jobId = await accept('put-aside');
	await until(async () => isInTheMiddle(await jobRow(deployed, jobId)));
	await scale(0);
	expect(await jobRow(deployed, jobId)).toMatchObject({ status: { S: 'running' }, lease_holder: { NULL: true } });
	await scale(REPLICAS);
	await expectMade(jobId);
	const { Attributes } = await clientsOf(deployed.emulator).sqs.send(
		new GetQueueAttributesCommand({ QueueUrl: String(deployed.stacks.service.DeadLetterQueueUrl), AttributeNames: ['All'] }),
	);
	expect(Attributes?.ApproximateNumberOfMessages).toBe('0');
});
