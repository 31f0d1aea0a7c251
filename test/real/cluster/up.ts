/**
 * Brings the cluster up: network → keys → containerd, etcd → apiserver → controllers, scheduler → kubelet, proxy → policies
 * and Traefik. Every step looks first whether it was done, so calling it again repairs what died.
 * 5–12 s with everything built.
 */
import { existsSync } from 'node:fs';
import { lstat, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPrograms, built, KUBE_PROGRAMS, type ProgramName } from './build.ts';
import { baseImages, ctr, importImage } from './images.ts';
import { kubectl } from './kubectl.ts';
import { API_SERVER, CLUSTER_CIDR, type Layout, NODE_ADDRESS, NODE_NAME, RESOLV_CONF, RUN_DIR, SERVICE_CIDR } from './layout.ts';
import { checkNeeds } from './needs.ts';
import { makeNetwork } from './network.ts';
import { writeNodeConfig } from './node-config.ts';
import { makePki } from './pki.ts';
import { start, waitFor } from './processes.ts';
import { startTraefik } from './traefik.ts';

const NEEDED: readonly ProgramName[] = ['kubeall', 'traefik'];

export async function up(layout: Layout, say: (line: string) => void): Promise<void> {
	await checkNeeds(!built(layout.bin, NEEDED), say);
	await buildPrograms(layout.bin, NEEDED, say);
	for (const name of KUBE_PROGRAMS) {
		const link = join(layout.bin, name);
		if (!(await lstat(link).catch(() => undefined))) await symlink('kubeall', link);
	}
	await mkdir(layout.state, { recursive: true });
	await mkdir(RUN_DIR, { recursive: true });
	await makeNetwork();
	await makePki(layout.pki);
	const etc = await writeNodeConfig(layout);

	const program = (name: string): string => join(layout.bin, name);
	const log = (name: string): string => join(layout.logs, `${name}.log`);
	start('containerd', layout.logs, 'containerd', ['--config', join(etc, 'containerd.toml')], { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' });
	start('etcd', layout.logs, program('etcd'), [
		...['--data-dir', join(layout.state, 'etcd'), '--log-level', 'warn', '--unsafe-no-fsync'],
		...['--listen-client-urls', 'http://127.0.0.1:2379', '--advertise-client-urls', 'http://127.0.0.1:2379'],
		...['--listen-peer-urls', 'http://127.0.0.1:2380'],
	]);
	await waitFor('containerd', log('containerd'), () => ctr(['version']));
	for (const archive of await baseImages(layout)) await importImage(layout, archive);

	startApiServer(layout);
	await waitFor('kube-apiserver', log('kube-apiserver'), () => kubectl(layout, ['get', '--raw', '/readyz']));
	const as = (name: string): string[] =>
		['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].map((flag) => `--${flag}=${layout.pki}/${name}.kubeconfig`);
	start('kube-controller-manager', layout.logs, program('kube-controller-manager'), [
		...as('controllers'),
		...[`--root-ca-file=${layout.pki}/ca.crt`, `--service-account-private-key-file=${layout.pki}/service-accounts.key`],
		...[`--cluster-signing-cert-file=${layout.pki}/ca.crt`, `--cluster-signing-key-file=${layout.pki}/ca.key`],
		...['--allocate-node-cidrs=true', `--cluster-cidr=${CLUSTER_CIDR}`, `--service-cluster-ip-range=${SERVICE_CIDR}`],
		...['--use-service-account-credentials=true', '--leader-elect=false'],
	]);
	start('kube-scheduler', layout.logs, program('kube-scheduler'), [...as('scheduler'), '--leader-elect=false']);
	start('kubelet', layout.logs, program('kubelet'), [
		...[`--config=${etc}/kubelet.json`, `--kubeconfig=${layout.pki}/kubelet.kubeconfig`, `--hostname-override=${NODE_NAME}`],
		...[`--node-ip=${NODE_ADDRESS}`, `--root-dir=${layout.state}/kubelet`, `--cert-dir=${layout.state}/kubelet-certificates`, '--v=2'],
	]);
	start('kube-proxy', layout.logs, program('kube-proxy'), [`--config=${etc}/kube-proxy.json`]);
	await waitFor('The node', log('kubelet'), () => kubectl(layout, ['wait', '--for=condition=Ready', `node/${NODE_NAME}`, '--timeout=1s']));
	// Until it is there every pod is refused.
	await waitFor('The controllers', log('kube-controller-manager'), () => kubectl(layout, ['get', 'serviceaccount', 'default']));

	await writeFile(RESOLV_CONF, `nameserver ${NODE_ADDRESS}\noptions timeout:1 attempts:2\n`);
	start('names', layout.logs, process.execPath, [join(import.meta.dirname, 'names.ts')]);
	start('network-policy', layout.logs, process.execPath, [join(import.meta.dirname, 'network-policy.ts')], {
		KUBECONFIG: layout.kubeconfig,
	});
	await startTraefik(layout);
	say(`The cluster is up: node test/real/cluster/main.ts run ${program('kubectl')} get pods -A`);
}

function startApiServer(layout: Layout): void {
	const pki = (name: string): string => `${layout.pki}/${name}`;
	if (!existsSync(pki('apiserver.crt'))) throw new Error('The cluster has no keys yet: bring it up first.');
	start('kube-apiserver', layout.logs, join(layout.bin, 'kube-apiserver'), [
		...['--etcd-servers=http://127.0.0.1:2379', `--secure-port=${new URL(API_SERVER).port}`, `--advertise-address=${NODE_ADDRESS}`],
		...[`--service-cluster-ip-range=${SERVICE_CIDR}`, '--authorization-mode=Node,RBAC', '--enable-admission-plugins=NodeRestriction'],
		...[`--client-ca-file=${pki('ca.crt')}`, `--tls-cert-file=${pki('apiserver.crt')}`, `--tls-private-key-file=${pki('apiserver.key')}`],
		`--kubelet-client-certificate=${pki('apiserver-kubelet.crt')}`,
		`--kubelet-client-key=${pki('apiserver-kubelet.key')}`,
		...[`--kubelet-certificate-authority=${pki('ca.crt')}`, '--kubelet-preferred-address-types=InternalIP'],
		'--service-account-issuer=https://kubernetes.default.svc.cluster.local',
		`--service-account-key-file=${pki('service-accounts.pub')}`,
		`--service-account-signing-key-file=${pki('service-accounts.key')}`,
		...[`--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`, '--requestheader-allowed-names=front-proxy-client'],
		...['--requestheader-username-headers=X-Remote-User', '--requestheader-group-headers=X-Remote-Group'],
		'--requestheader-extra-headers-prefix=X-Remote-Extra-',
		...[`--proxy-client-cert-file=${pki('front-proxy.crt')}`, `--proxy-client-key-file=${pki('front-proxy.key')}`],
	]);
}
