/** The cluster as its administrator sees it, and the clone host as the worker does. */
import { AppsV1Api, BatchV1Api, CoreV1Api, KubernetesObjectApi, NetworkingV1Api } from '@kubernetes/client-node';
import { CloneApi } from '../../../../adapters/kubernetes/clone-api.ts';
import { type ClusterConfig, clusterConfig } from '../../../../adapters/kubernetes/cluster-config.ts';
import { KubernetesCloneHost } from '../../../../adapters/kubernetes/kubernetes-clone-host.ts';
import { type CloneManifestSettings, DEFAULT_CLONE_MANIFEST_SETTINGS } from '../../../../k8s/clone/settings.ts';
import { LABEL_SLOT } from '../../../../k8s/labels.ts';
import { testEnvironment } from './environment.ts';

export function manifestSettings(): CloneManifestSettings {
	const { namespace, image, phpVersion, wpVersion, domain } = testEnvironment();
	return { ...DEFAULT_CLONE_MANIFEST_SETTINGS, namespace, image, phpVersion, wpVersion, domain, keepFinishedSeconds: 2 };
}

export interface WorkerHost {
	readonly host: KubernetesCloneHost;
	readonly api: CloneApi;
	readonly config: ClusterConfig;
	/** Every call to the API, in order. */
	readonly calls: string[];
}

/** With the worker's rights. */
export function workerHost(settings: Partial<CloneManifestSettings> = {}): WorkerHost {
	const calls: string[] = [];
	const manifests = { ...manifestSettings(), ...settings };
	const config = clusterConfig({ kind: 'kubeconfig', path: testEnvironment().workerKubeconfig });
	const api = new CloneApi({ config, namespace: manifests.namespace, onCall: (what) => calls.push(what) });
	const host = new KubernetesCloneHost({ api, clock: { now: () => Date.now() }, manifests, address: { scheme: 'http' } });
	return { host, api, config, calls };
}

export interface Admin {
	readonly apps: AppsV1Api;
	readonly core: CoreV1Api;
	readonly batch: BatchV1Api;
	readonly networking: NetworkingV1Api;
	readonly objects: KubernetesObjectApi;
}

export function admin(): Admin {
	const config = clusterConfig({ kind: 'kubeconfig', path: testEnvironment().adminKubeconfig });
	return {
		apps: config.makeApiClient(AppsV1Api),
		core: config.makeApiClient(CoreV1Api),
		batch: config.makeApiClient(BatchV1Api),
		networking: config.makeApiClient(NetworkingV1Api),
		objects: KubernetesObjectApi.makeApiClient(config),
	};
}

/** Everything a slot has in its namespace; of all slots without an id. `Kind name`. */
export async function leftovers(slotId?: string): Promise<string[]> {
	const { core, batch, networking } = admin();
	const { namespace } = testEnvironment();
	const selection = { namespace, labelSelector: slotId === undefined ? LABEL_SLOT : `${LABEL_SLOT}=${slotId}` };
	const kinds = {
		Job: batch.listNamespacedJob(selection),
		Pod: core.listNamespacedPod(selection),
		Secret: core.listNamespacedSecret(selection),
		Service: core.listNamespacedService(selection),
		Ingress: networking.listNamespacedIngress(selection),
	};
	const found: string[] = [];
	for (const [kind, listing] of Object.entries(kinds)) {
		for (const { metadata } of (await listing).items) found.push(`${kind} ${metadata?.name}`);
	}
	return found;
}

interface NodeSummary {
	readonly pods: readonly {
		readonly podRef: { readonly namespace: string };
		readonly memory?: { readonly workingSetBytes?: number };
	}[];
}

/** What each clone's pod holds in memory, by the kubelets (working set: what cannot be given back at once), bytes. */
export async function memoryOfPods(): Promise<number[]> {
	const { core } = admin();
	const found: number[] = [];
	for (const { metadata } of (await core.listNode()).items) {
		// The client hands an answer of no known kind through as it came.
		const answer: unknown = await core.connectGetNodeProxyWithPath({ name: metadata?.name ?? '', path: 'stats/summary' });
		const summary = (typeof answer === 'string' ? JSON.parse(answer) : answer) as NodeSummary;
		for (const { podRef, memory } of summary.pods) {
			if (podRef.namespace === testEnvironment().namespace && memory?.workingSetBytes !== undefined) found.push(memory.workingSetBytes);
		}
	}
	return found;
}
