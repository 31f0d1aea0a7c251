/** The API server's own opinion of a manifest, byte for byte: the client would leave out what it does not know itself. */
import { type RequestOptions, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { clusterConfig } from '../../../../adapters/kubernetes/cluster-config.ts';
import type { Manifest } from '../../../../k8s/types.ts';
import { testEnvironment } from './environment.ts';

/** Names in addresses, of kinds whose plural is not made with an s. */
const PLURALS: Readonly<Record<string, string>> = {
	Ingress: 'ingresses',
	NetworkPolicy: 'networkpolicies',
	PriorityClass: 'priorityclasses',
};

/** Applies it without a trace, unknown fields being errors. @throws Error with the server's words when it refuses */
export async function judge(manifest: Manifest): Promise<void> {
	const { name, namespace } = manifest.metadata;
	const plural = PLURALS[manifest.kind] ?? `${manifest.kind.toLowerCase()}s`;
	const group = manifest.apiVersion.includes('/') ? `/apis/${manifest.apiVersion}` : `/api/${manifest.apiVersion}`;
	const path = `${group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}/${name}`;
	const config = clusterConfig({ kind: 'kubeconfig', path: testEnvironment().adminKubeconfig });
	const options: RequestOptions = { method: 'PATCH', headers: { 'content-type': 'application/apply-patch+yaml' } };
	await config.applyToHTTPSOptions(options);
	const url = `${config.getCurrentCluster()?.server}${path}?dryRun=All&fieldManager=judge&force=true&fieldValidation=Strict`;
	const [status, body] = await new Promise<[number, string]>((resolve, reject) => {
		const sent = request(url, options, (response) => {
			text(response).then((answer) => resolve([response.statusCode ?? 0, answer]), reject);
		});
		sent.on('error', reject);
		sent.end(JSON.stringify(manifest));
	});
	if (status !== 200 && status !== 201) throw new Error(`${manifest.kind} ${name}: ${status} ${body}`);
}
