/** One authority, and every certificate and kubeconfig that a single-node cluster needs. Made once; valid ten years. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { API_SERVER, NODE_ADDRESS, NODE_NAME } from './layout.ts';
import { run } from './shell.ts';

interface Certificate {
	readonly name: string;
	readonly authority: 'ca' | 'front-proxy-ca';
	readonly subject: string;
	readonly usage: 'serverAuth' | 'clientAuth';
	readonly names?: string;
	/** Whether a kubeconfig is written for it. */
	readonly kubeconfig?: boolean;
}

const node = `/O=system:nodes/CN=system:node:${NODE_NAME}`;
const CERTIFICATES: readonly Certificate[] = [
	{
		name: 'apiserver',
		authority: 'ca',
		subject: '/CN=kube-apiserver',
		usage: 'serverAuth',
		names: `DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:${NODE_ADDRESS}`,
	},
	{ name: 'apiserver-kubelet', authority: 'ca', subject: '/O=system:masters/CN=kube-apiserver-kubelet-client', usage: 'clientAuth' },
	{ name: 'front-proxy', authority: 'front-proxy-ca', subject: '/CN=front-proxy-client', usage: 'clientAuth' },
	{ name: 'kubelet-serving', authority: 'ca', subject: node, usage: 'serverAuth', names: `DNS:${NODE_NAME},IP:${NODE_ADDRESS}` },
	{ name: 'admin', authority: 'ca', subject: '/O=system:masters/CN=admin', usage: 'clientAuth', kubeconfig: true },
	{ name: 'controllers', authority: 'ca', subject: '/CN=system:kube-controller-manager', usage: 'clientAuth', kubeconfig: true },
	{ name: 'scheduler', authority: 'ca', subject: '/CN=system:kube-scheduler', usage: 'clientAuth', kubeconfig: true },
	{ name: 'kubelet', authority: 'ca', subject: node, usage: 'clientAuth', kubeconfig: true },
	{ name: 'kube-proxy', authority: 'ca', subject: '/CN=system:kube-proxy', usage: 'clientAuth', kubeconfig: true },
];

/** Makes `dir` unless it is there. It appears by one rename, so an interrupted run starts over. */
export async function makePki(dir: string): Promise<void> {
	if (existsSync(dir)) return;
	const making = `${dir}.making`;
	await rm(making, { recursive: true, force: true });
	await mkdir(making, { recursive: true, mode: 0o700 });
	for (const authority of ['ca', 'front-proxy-ca']) {
		await makeKey(making, authority);
		await openssl(making, [
			...['req', '-x509', '-new', '-key', `${authority}.key`, '-subj', `/CN=${authority}`, '-days', '3650', '-out', `${authority}.crt`],
			...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'],
		]);
	}
	for (const certificate of CERTIFICATES) await makeCertificate(making, certificate);
	await openssl(making, ['genrsa', '-out', 'service-accounts.key', '2048']);
	await openssl(making, ['rsa', '-in', 'service-accounts.key', '-pubout', '-out', 'service-accounts.pub']);
	await rename(making, dir);
}

async function openssl(dir: string, args: readonly string[]): Promise<void> {
	await run('openssl', args, { cwd: dir });
}

async function makeKey(dir: string, name: string): Promise<void> {
	await openssl(dir, ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`]);
}

async function makeCertificate(dir: string, certificate: Certificate): Promise<void> {
	const { name, authority } = certificate;
	await makeKey(dir, name);
	const extensions = [`extendedKeyUsage=${certificate.usage}`, 'keyUsage=critical,digitalSignature', 'basicConstraints=CA:FALSE'];
	if (certificate.names) extensions.push(`subjectAltName=${certificate.names}`);
	await writeFile(join(dir, `${name}.ext`), extensions.join('\n'));
	await openssl(dir, ['req', '-new', '-key', `${name}.key`, '-subj', certificate.subject, '-out', `${name}.csr`]);
	await openssl(dir, [
		...['x509', '-req', '-in', `${name}.csr`, '-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-CAcreateserial'],
		...['-days', '3650', '-extfile', `${name}.ext`, '-out', `${name}.crt`],
	]);
	await Promise.all([rm(join(dir, `${name}.csr`)), rm(join(dir, `${name}.ext`))]);
	if (!certificate.kubeconfig) return;
	const read = async (file: string): Promise<string> => (await readFile(join(dir, file))).toString('base64');
	const kubeconfig = {
		apiVersion: 'v1',
		kind: 'Config',
		clusters: [{ name: 'test', cluster: { server: API_SERVER, 'certificate-authority-data': await read('ca.crt') } }],
		users: [{ name, user: { 'client-certificate-data': await read(`${name}.crt`), 'client-key-data': await read(`${name}.key`) } }],
		contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
		'current-context': 'test',
	};
	await writeFile(join(dir, `${name}.kubeconfig`), JSON.stringify(kubeconfig, null, '\t'), { mode: 0o600 });
}
