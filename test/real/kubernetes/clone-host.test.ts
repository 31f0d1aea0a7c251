/** The contract of every clone host, on a real cluster, with exactly the rights of the worker's Role. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { cloneHostContract } from '../../contracts/clone-host.ts';
import { leftovers, workerHost } from './support/cluster.ts';

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
		close: () => config.close(),
	};
});
