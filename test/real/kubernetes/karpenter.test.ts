/**
 * The buffer of free nodes, with Karpenter's own controller and the manifests of the product. Nodes, and the pods on them,
 * are made up (kwok): who is scheduled where, who gives way and which node comes and goes is real.
 */
import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CLONE_NODES, LABEL_SLOT } from '../../../k8s/labels.ts';
import { platformManifests } from '../../../k8s/platform/index.ts';
import { DEFAULT_PLATFORM_SETTINGS, EC2_NODES, type NodeSettings } from '../../../k8s/platform/settings.ts';
import { slotSpec } from '../../contracts/clone-host.ts';
import { startKarpenter, stopKarpenter } from '../cluster/karpenter.ts';
import { kubectl } from '../cluster/kubectl.ts';
import { clusterLayout } from '../cluster/layout.ts';
import { admin, workerHost } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { until } from './support/service.ts';

const SMALL = [
	// Two cores and 4 GiB: a t3.medium.
	{ key: 'node.kubernetes.io/instance-type', operator: 'In', values: ['c-2x-amd64-linux'] },
	{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
	{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
	{ key: 'kubernetes.io/os', operator: 'In', values: ['linux'] },
] as const;
/** As on EC2 but for what names the provider's own things, and an empty node's time. */
const NODES: NodeSettings = {
	...EC2_NODES,
	nodeClass: { group: 'karpenter.kwok.sh', kind: 'KWOKNodeClass', name: 'default' },
	bufferRequirements: SMALL,
	cloneRequirements: SMALL,
	emptyFor: '5s',
};
const SELECTOR = `${CLONE_NODES.key}=${CLONE_NODES.value}`;

const layout = clusterLayout(process.env);
const { namespace, systemNamespace, image } = testEnvironment();
const platform = { ...DEFAULT_PLATFORM_SETTINGS, cloneImage: image, workers: [] };
const apply = async (manifests: readonly object[]): Promise<void> => {
	const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifests });
	await kubectl(layout, ['apply', '--server-side', '--force-conflicts', '-f', '-'], list);
};
/** What of the platform is about nodes. */
const ofNodes = platformManifests({ ...platform, nodes: NODES }).filter((one) =>
	['NodePool', 'Deployment', 'DaemonSet'].includes(one.kind),
);

const nodes = async (): Promise<V1Node[]> => (await admin().core.listNode({ labelSelector: SELECTOR })).items;
const names = (objects: readonly (V1Node | V1Pod)[]): string[] => objects.map((one) => one.metadata?.name ?? '');
/** Pods that run, each with its node. */
const running = async (where: string, labelSelector: string): Promise<V1Pod[]> =>
	(await admin().core.listNamespacedPod({ namespace: where, labelSelector })).items.filter(
		(pod) => pod.status?.phase === 'Running' && pod.metadata?.deletionTimestamp === undefined,
	);
const buffer = (): Promise<V1Pod[]> => running(systemNamespace, 'app=clone-buffer');
const nodesOf = (pods: readonly V1Pod[]): string[] => pods.map((pod) => pod.spec?.nodeName ?? '');

// Karpenter is run for our own cluster only.
describe.runIf(testEnvironment().ownCluster)('Karpenter and the buffer', () => {
	// A clone that does not fit beside a buffer pod.
	const { host, config } = workerHost({ dedicatedNodes: true, cpuMilli: { request: 1000, limit: 1000 } });
	const slots = [slotSpec(), slotSpec()];
	let first: string[] = [];

	beforeAll(async () => {
		await startKarpenter(layout, (line) => console.error(line));
		await apply(ofNodes);
	});
	afterAll(async () => {
		for (const { slot_id } of slots) await host.remove(slot_id);
		await config.close();
		await kubectl(layout, ['-n', systemNamespace, 'delete', 'deployment', 'clone-buffer', '--wait=true']);
		await stopKarpenter(layout, SELECTOR);
		await apply(platformManifests(platform).filter((one) => one.kind === 'DaemonSet'));
	});

	it('two pause pods hold two nodes', async () => {
		await until(async () => (await buffer()).length === 2 && (await nodes()).length === 2);
		first = names(await nodes());
		expect(new Set(nodesOf(await buffer()))).toEqual(new Set(first));
		for (const node of await nodes()) {
			expect(node.metadata?.labels?.pool).toBe('clone-buffer');
			expect(node.spec?.taints).toContainEqual(expect.objectContaining({ ...CLONE_NODES, effect: 'NoSchedule' }));
		}
	});

	it('clones take their place at once, without waiting for a node', async () => {
		const before = names(await buffer());
		await Promise.all(slots.map((spec) => host.start(spec)));
		const clones = (): Promise<V1Pod[]> => running(namespace, LABEL_SLOT);
		await until(async () => (await clones()).length === 2);
		// On nodes that were there before anybody asked for them.
		expect(new Set(nodesOf(await clones()))).toEqual(new Set(first));
		const events = await admin().core.listNamespacedEvent({ namespace: systemNamespace, fieldSelector: 'reason=Preempted' });
		const pushedOut = new Set(events.items.map((event) => event.involvedObject.name));
		for (const name of before) expect(pushedOut).toContain(name);
	});

	it('new nodes come for the pods that were pushed out', async () => {
		await until(async () => (await buffer()).length === 2);
		const others = nodesOf(await buffer());
		expect(new Set(others).size).toBe(2);
		for (const node of others) expect(first).not.toContain(node);
		expect(names(await nodes())).toEqual(expect.arrayContaining([...first, ...others]));
	});

	it('no node goes while a clone is on it, and empty ones do', async () => {
		const [stays, leaves] = slots;
		await host.remove(leaves?.slot_id ?? '');
		await until(async () => (await nodes()).length === 3);
		const clone = nodesOf(await running(namespace, `${LABEL_SLOT}=${stays?.slot_id}`));
		expect(clone).toHaveLength(1);
		expect(new Set(names(await nodes()))).toEqual(new Set([...clone, ...nodesOf(await buffer())]));
	});
});
