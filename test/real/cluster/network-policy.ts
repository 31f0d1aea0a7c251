/** Keeps the node's nftables as the cluster's NetworkPolicies say. Runs inside the cluster's network until it is ended. */
import * as k8s from '@kubernetes/client-node';
import { BRIDGE_ADDRESS, NODE_ADDRESS } from './layout.ts';
import { nftRules } from './nft-rules.ts';
import { run } from './shell.ts';

const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const networking = config.makeApiClient(k8s.NetworkingV1Api);

let applied = '';
let due = false;
let busy = false;

/** A watched collection; calls `changed` after each change. */
function watch<T extends k8s.KubernetesObject>(path: string, list: () => Promise<k8s.KubernetesListObject<T>>): () => readonly T[] {
	const informer = k8s.makeInformer<T>(config, path, list);
	for (const event of ['add', 'update', 'delete'] as const) informer.on(event, changed);
	const again = (): void => {
		setTimeout(() => void informer.start().catch(again), 300);
	};
	informer.on('error', again);
	informer.start().catch(again);
	return () => informer.list();
}

const pods = watch<k8s.V1Pod>('/api/v1/pods', () => core.listPodForAllNamespaces());
const namespaces = watch<k8s.V1Namespace>('/api/v1/namespaces', () => core.listNamespace());
const policies = watch<k8s.V1NetworkPolicy>('/apis/networking.k8s.io/v1/networkpolicies', () =>
	networking.listNetworkPolicyForAllNamespaces(),
);

function changed(): void {
	if (due) return;
	due = true;
	setTimeout(() => void apply(), 20);
}

async function apply(): Promise<void> {
	if (busy) {
		setTimeout(() => void apply(), 20);
		return;
	}
	due = false;
	busy = true;
	try {
		const rules = nftRules({ pods: pods(), namespaces: namespaces(), policies: policies() }, [NODE_ADDRESS, BRIDGE_ADDRESS]);
		if (rules !== applied) await run('nft', ['-f', '-'], { input: rules });
		applied = rules;
	} catch (cause) {
		console.error(new Date().toISOString(), cause);
		changed();
	} finally {
		busy = false;
	}
}
