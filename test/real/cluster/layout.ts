/** Where the test cluster keeps its things, and the addresses it uses. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Built from source by these versions. Kubernetes 1.36 is the last that runs on containerd 1.6 and cgroup v1. */
export const VERSIONS = {
	kubernetes: '1.36.3',
	etcd: '3.6.8',
	traefik: '3.6.12',
	karpenter: '1.14.1',
	kwok: '0.8.0',
} as const;

/**
 * Addresses that no clone may reach, of each kind: cloud metadata, the pod identity agent, private ranges, shared address
 * space. They exist inside the namespace, so that a test can put something there to be reached.
 */
export const CLOSED_ADDRESSES = ['169.254.169.254', '169.254.170.23', '10.20.30.40', '172.20.0.9', '192.168.7.7', '100.64.0.9'] as const;

/** The network namespace everything runs in. It has no link to the machine's own network. */
export const NAMESPACE = 'wpclone';
export const NODE_NAME = 'node1';
export const NODE_ADDRESS = '198.18.0.1';
/** The bridge's own address on the node: probes of the kubelet come from here. */
export const BRIDGE_ADDRESS = '10.244.0.1';
export const POD_CIDR = '10.244.0.0/24';
export const CLUSTER_CIDR = '10.244.0.0/16';
export const SERVICE_CIDR = '10.96.0.0/16';
/** The cluster address of Traefik's Service: where clones are reached. */
export const INGRESS_ADDRESS = '10.96.0.80';
/** Clones are `{slot}.clones.test`, by the cluster's own name server. */
export const CLONE_DOMAIN = 'clones.test';
/**
 * Addresses for source sites of the tests. They are public ones as far as any policy can tell, and exist only inside the
 * namespace, so that a clone reaches its source by the same rules as anywhere.
 */
export const PUBLIC_ADDRESSES = ['20.0.0.1', '20.0.0.2', '20.0.0.3'] as const;
export const API_SERVER = 'https://127.0.0.1:6443';

export const NETNS_PATH = `/run/netns/${NAMESPACE}`;
/** Sockets and such: short paths, gone with a reboot. */
export const RUN_DIR = '/run/wp-clone-cluster';
/** Names the cluster's name server. */
export const RESOLV_CONF = `${RUN_DIR}/resolv.conf`;
export const CONTAINERD_SOCKET = `${RUN_DIR}/containerd.sock`;

export interface Layout {
	/** Compiled programs of these versions. */
	readonly bin: string;
	/** Image archives, by content. */
	readonly images: string;
	/** etcd's data, containerd's images, logs, keys: what `wipe` removes. */
	readonly state: string;
	readonly logs: string;
	readonly pki: string;
	readonly kubeconfig: string;
}

/** @param environment `XDG_CACHE_HOME` is heeded. */
export function clusterLayout(environment: Readonly<Record<string, string | undefined>>): Layout {
	const cache = join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'wp-clone');
	const key = createHash('sha256').update(JSON.stringify(VERSIONS)).digest('hex').slice(0, 12);
	const root = join(cache, `cluster-${key}`);
	const state = join(root, 'state');
	return {
		bin: join(root, 'bin'),
		images: join(root, 'images'),
		state,
		logs: join(state, 'logs'),
		pki: join(state, 'pki'),
		kubeconfig: join(state, 'pki', 'admin.kubeconfig'),
	};
}
