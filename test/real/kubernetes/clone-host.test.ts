/** The contract of every clone host, on a real cluster, with exactly the rights of the worker's Role. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { LABEL_SLOT } from '../../../k8s/labels.ts';
import { cloneHostContract } from '../../contracts/clone-host.ts';
import { admin, leftovers, workerHost } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';

cloneHostContract('Kubernetes', async () => {
	const { host, config } = workerHost();
	return {
		host,
		async startAndDie(spec) {
			const script = join(import.meta.dirname, 'support', 'start-and-wait.ts');
			const child = spawn(process.execPath, [script, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'inherit'] });
			await once(child.stdout, 'data');
			const ended = once(child, 'exit');
			child.kill('SIGKILL');
			await ended;
		},
		leftovers,
		names: true,
		async lose(slotId) {
			const { namespace } = testEnvironment();
			await admin().core.deleteCollectionNamespacedPod({ namespace, labelSelector: `${LABEL_SLOT}=${slotId}` });
		},
		close: () => config.close(),
	};
});
