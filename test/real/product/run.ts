/**
 * `node test/real/product/run.ts [vitest arguments]`: the whole product, the stacks in the AWS emulator and the clones on the
 * test cluster. `--down` takes the cluster down afterwards.
 */
import { join } from 'node:path';
import { installEmulator } from '../aws/support/emulator.ts';
import { runOnCluster } from '../kubernetes/run.ts';

if (process.env.KUBECONFIG) {
	console.error('The emulator and the test cluster (test/real/cluster) share a network: unset KUBECONFIG.');
	process.exitCode = 2;
} else {
	// From the cluster's network there is no way to a package registry.
	installEmulator(process.env);
	process.exitCode = await runOnCluster(join(import.meta.dirname, 'vitest.config.ts'), process.argv.slice(2), { consumer: true });
}
