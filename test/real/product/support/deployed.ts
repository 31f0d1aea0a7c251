/** The stacks deployed into the emulator, with the functions told of the test cluster instead of an EKS one. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Emulator, startEmulator } from '../../aws/support/emulator.ts';
import { type DeployedStacks, deployStacks, type FunctionEnvironment } from '../../aws/support/stacks.ts';
import { NODE_ADDRESS } from '../../cluster/layout.ts';
import { testEnvironment } from '../../kubernetes/support/environment.ts';

interface Kubeconfig {
	readonly clusters: readonly { readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } }[];
	readonly users: readonly { readonly user: { readonly token: string } }[];
}

export interface Deployed {
	readonly emulator: Emulator;
	readonly stacks: DeployedStacks;
	stop(): Promise<void>;
}

export async function deployProduct(settings: Readonly<Record<string, unknown>>): Promise<Deployed> {
	const { workerKubeconfig, domain } = testEnvironment();
	const folder = mkdtempSync(join(tmpdir(), 'product-'));
	const { clusters, users } = JSON.parse(readFileSync(workerKubeconfig, 'utf8')) as Kubeconfig;
	const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
	if (cluster === undefined || user === undefined) throw new RangeError(`${workerKubeconfig} names no cluster or no user.`);
	const tokenFile = join(folder, 'token');
	writeFileSync(tokenFile, user.token, { mode: 0o600 });
	const worker = { ...cloneEnvironment(), KUBE_TOKEN_FILE: tokenFile };
	// The cluster's pods reach it there.
	const emulator = await startEmulator(NODE_ADDRESS);
	const facts = { endpoint: cluster.server, ca: cluster['certificate-authority-data'] };
	const environment: FunctionEnvironment = {
		Api: cloneEnvironment(),
		Sweep: worker,
		...(settings.worker === 'eks' ? {} : { Worker: worker }),
	};
	const stacks = await deployStacks(emulator, facts, { domain, ...settings }, environment).catch(async (cause: unknown) => {
		await emulator.stop();
		throw cause;
	});
	return {
		emulator,
		stacks,
		async stop() {
			stacks.remove();
			await emulator.stop();
			rmSync(folder, { recursive: true, force: true });
		},
	};
}

/** What the test cluster has in place of an ALB with a certificate, an image from ECR and nodes that Karpenter made. */
function cloneEnvironment(): Readonly<Record<string, string>> {
	const { image, phpVersion, wpVersion } = testEnvironment();
	return { CLONE_IMAGE: image, CLONE_PHP: phpVersion, CLONE_WORDPRESS: wpVersion, CLONE_NODES: 'any', CLONE_SCHEME: 'http' };
}
