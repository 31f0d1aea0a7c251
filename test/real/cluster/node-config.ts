/** Configuration files of the one node. JSON where the program takes it, because JSON is YAML. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PAUSE_IMAGE } from './images.ts';
import { CLUSTER_CIDR, CONTAINERD_SOCKET, type Layout, NODE_ADDRESS, NODE_NAME, POD_CIDR, RUN_DIR } from './layout.ts';

/** Writes them below `{state}/etc`. @returns that folder */
export async function writeNodeConfig(layout: Layout): Promise<string> {
	const etc = join(layout.state, 'etc');
	await mkdir(join(etc, 'cni'), { recursive: true });
	await Promise.all([
		writeFile(join(etc, 'containerd.toml'), containerdToml(layout, etc)),
		writeFile(join(etc, 'cni', '10-bridge.conflist'), JSON.stringify(bridge)),
		// Pods get no name servers of the machine: there is no way to them.
		writeFile(join(etc, 'resolv.conf'), ''),
		writeFile(join(etc, 'kubelet.json'), JSON.stringify(kubelet(layout, etc))),
		writeFile(join(etc, 'kube-proxy.json'), JSON.stringify(kubeProxy(layout))),
	]);
	return etc;
}

const containerdToml = (layout: Layout, etc: string): string => `version = 2
root = "${layout.state}/containerd"
state = "${RUN_DIR}/containerd"
[grpc]
address = "${CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${PAUSE_IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${etc}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`;

const bridge = {
	cniVersion: '0.4.0',
	name: 'pods',
	plugins: [
		{
			type: 'bridge',
			bridge: 'cni0',
			isGateway: true,
			ipMasq: false,
			hairpinMode: true,
			ipam: { type: 'host-local', dataDir: `${RUN_DIR}/ipam`, ranges: [[{ subnet: POD_CIDR }]], routes: [{ dst: '0.0.0.0/0' }] },
		},
		{ type: 'portmap', capabilities: { portMappings: true } },
	],
};

const kubelet = (layout: Layout, etc: string): object => ({
	apiVersion: 'kubelet.config.k8s.io/v1beta1',
	kind: 'KubeletConfiguration',
	failCgroupV1: false,
	cgroupDriver: 'cgroupfs',
	failSwapOn: false,
	containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
	authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: `${layout.pki}/ca.crt` } },
	authorization: { mode: 'Webhook' },
	tlsCertFile: `${layout.pki}/kubelet-serving.crt`,
	tlsPrivateKeyFile: `${layout.pki}/kubelet-serving.key`,
	clusterDomain: 'cluster.local',
	clusterDNS: [NODE_ADDRESS],
	resolvConf: `${etc}/resolv.conf`,
	maxPods: 110,
	evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1Gi', 'imagefs.available': '1Gi' },
	// There is nowhere to pull an image from again.
	imageGCHighThresholdPercent: 100,
	imageMaximumGCAge: '0s',
});

const kubeProxy = (layout: Layout): object => ({
	apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
	kind: 'KubeProxyConfiguration',
	mode: 'iptables',
	clusterCIDR: CLUSTER_CIDR,
	hostnameOverride: NODE_NAME,
	clientConnection: { kubeconfig: `${layout.pki}/kube-proxy.kubeconfig` },
	// Zero leaves the machine's own settings alone; they are not the namespace's to change.
	conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
});
