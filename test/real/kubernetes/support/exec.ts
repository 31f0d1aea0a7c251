/** Runs a program in a slot's pod, as the cluster's administrator. The service itself has no right to. */
import { Writable } from 'node:stream';
import { Exec, type V1Status } from '@kubernetes/client-node';
import { clusterConfig } from '../../../../adapters/kubernetes/cluster-config.ts';
import { admin } from './cluster.ts';
import { testEnvironment } from './environment.ts';

/** @returns its output, standard error included, and exit code */
export async function execInPod(slotId: string, command: readonly string[]): Promise<{ output: string; code: number }> {
	const { namespace, adminKubeconfig } = testEnvironment();
	const pods = await admin().core.listNamespacedPod({ namespace, labelSelector: `clone-service/slot=${slotId}` });
	const pod = pods.items[0]?.metadata?.name;
	if (pod === undefined) throw new Error(`The slot ${slotId} has no pod.`);
	const chunks: Buffer[] = [];
	const sink = (): Writable =>
		new Writable({
			write(chunk: Buffer, _encoding, done) {
				chunks.push(chunk);
				done();
			},
		});
	const exec = new Exec(clusterConfig({ kind: 'kubeconfig', path: adminKubeconfig }));
	const status = await new Promise<V1Status>((resolve, reject) => {
		exec
			.exec(namespace, pod, 'wordpress', [...command], sink(), sink(), null, false, resolve)
			.then((socket) => socket.on('close', () => reject(new Error('The connection ended without a status.'))), reject);
	});
	// The last output may arrive with the status.
	await new Promise((wake) => setImmediate(wake));
	const code = status.status === 'Success' ? 0 : Number(status.details?.causes?.find((cause) => cause.reason === 'ExitCode')?.message ?? 1);
	return { output: Buffer.concat(chunks).toString(), code };
}
