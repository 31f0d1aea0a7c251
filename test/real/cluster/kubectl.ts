import { join } from 'node:path';
import type { Layout } from './layout.ts';
import { runInNetwork } from './shell.ts';

/** kubectl as the cluster's administrator. */
export async function kubectl(layout: Layout, args: readonly string[], input?: string): Promise<string> {
	return runInNetwork(join(layout.bin, 'kubectl'), args, { env: { KUBECONFIG: layout.kubeconfig }, input });
}
