/**
 * `node test/real/kubernetes/run.ts [vitest arguments]`: brings the cluster up, builds the clone image, applies the platform,
 * and runs the tests of this folder inside the cluster's network. `--down` takes the cluster down afterwards.
 *
 * With KUBECONFIG set that cluster is used instead, as it is: WP_CLONE_TEST names a file as support/environment.ts reads it.
 */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultCacheDir } from '../../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { platformManifests } from '../../../k8s/platform/index.ts';
import { DEFAULT_PLATFORM_SETTINGS } from '../../../k8s/platform/settings.ts';
import { cloneImage } from '../cluster/clone-image.ts';
import { consumerImage } from '../cluster/consumer-image.ts';
import { down } from '../cluster/down.ts';
import { ctr, PAUSE_IMAGE } from '../cluster/images.ts';
import { defineKeda } from '../cluster/keda.ts';
import { kubectl } from '../cluster/kubectl.ts';
import { API_SERVER, CLONE_DOMAIN, CLOSED_ADDRESSES, clusterLayout, type Layout, PUBLIC_ADDRESSES } from '../cluster/layout.ts';
import { waitFor } from '../cluster/processes.ts';
import { CommandError, inside } from '../cluster/shell.ts';
import { up } from '../cluster/up.ts';
import type { TestEnvironment } from './support/environment.ts';

const WORKER = { serviceAccount: 'clone-worker', namespace: 'clone-system' };
/** As k8s/platform/consumer.ts names it. */
const CONSUMER = { serviceAccount: 'consumer', namespace: 'clone-system' };

export interface PrepareOptions {
	/** Builds the consumer's image and defines what its scaler is told, too. */
	readonly consumer?: boolean;
}

/** @returns the file that tells the tests which cluster it is */
export async function prepare(layout: Layout, say: (line: string) => void, options: PrepareOptions = {}): Promise<string> {
	await up(layout, say);
	const image = await cloneImage(layout, defaultCacheDir(process.env), say);
	const platform = platformManifests({
		...DEFAULT_PLATFORM_SETTINGS,
		cloneImage: image.name,
		pauseImage: PAUSE_IMAGE,
		workers: [WORKER, CONSUMER],
	});
	const worker = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: WORKER.serviceAccount, namespace: WORKER.namespace } };
	const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...platform, worker] });
	// The same image by another name: what a new deployment brings.
	const nextImage = `${image.name}-next`;
	await ctr(['images', 'tag', '--force', image.name, nextImage]);
	await kubectl(layout, ['apply', '--server-side', '--force-conflicts', '--validate=strict', '-f', '-'], list);
	// Until it is there the namespace takes no pods.
	await waitFor('The namespace', `${layout.logs}/kube-controller-manager.log`, () =>
		kubectl(layout, ['-n', DEFAULT_PLATFORM_SETTINGS.namespace, 'get', 'serviceaccount', 'default']),
	);
	// What a run that was cut off has left.
	await kubectl(layout, ['-n', DEFAULT_PLATFORM_SETTINGS.namespace, 'delete', 'jobs', '--all']);
	if (options.consumer === true) await defineKeda(layout);
	const environment: TestEnvironment = {
		adminKubeconfig: layout.kubeconfig,
		workerKubeconfig: await workerKubeconfig(layout),
		namespace: DEFAULT_PLATFORM_SETTINGS.namespace,
		systemNamespace: DEFAULT_PLATFORM_SETTINGS.systemNamespace,
		image: image.name,
		nextImage,
		consumerImage: options.consumer === true ? await consumerImage(layout) : null,
		phpVersion: image.phpVersion,
		wpVersion: image.wpVersion,
		domain: CLONE_DOMAIN,
		ownCluster: true,
		sourceAddresses: PUBLIC_ADDRESSES,
		closedAddresses: CLOSED_ADDRESSES,
	};
	const file = join(layout.state, 'test.json');
	await writeFile(file, JSON.stringify(environment, null, '\t'));
	return file;
}

/** The service account that the Role is bound to, as a kubeconfig: the tests have these rights and no others. */
async function workerKubeconfig(layout: Layout): Promise<string> {
	const token = await kubectl(layout, ['-n', WORKER.namespace, 'create', 'token', WORKER.serviceAccount, '--duration=24h']);
	const admin: { clusters: { cluster: object }[] } = JSON.parse(await kubectl(layout, ['config', 'view', '--raw', '-o', 'json']));
	const file = join(layout.state, 'worker.kubeconfig');
	const config = {
		apiVersion: 'v1',
		kind: 'Config',
		clusters: [{ name: 'test', cluster: { ...admin.clusters[0]?.cluster, server: API_SERVER } }],
		users: [{ name: 'worker', user: { token: token.trim() } }],
		contexts: [{ name: 'test', context: { cluster: 'test', user: 'worker' } }],
		'current-context': 'test',
	};
	await writeFile(file, JSON.stringify(config), { mode: 0o600 });
	return file;
}

/**
 * Runs the tests of a vitest configuration inside the cluster's network.
 * @returns the exit code
 */
export async function runOnCluster(config: string, args: readonly string[], options: PrepareOptions = {}): Promise<number> {
	const vitest = [join(import.meta.dirname, '../../../node_modules/vitest/vitest.mjs'), 'run', '--config', config];
	const tests = args.filter((arg) => arg !== '--down');
	if (process.env.KUBECONFIG) {
		if (!process.env.WP_CLONE_TEST) {
			console.error(
				'With KUBECONFIG set, WP_CLONE_TEST must name a file that describes the cluster: see test/real/kubernetes/support/environment.ts.',
			);
			return 2;
		}
		return spawnSync(process.execPath, [...vitest, ...tests], { stdio: 'inherit' }).status ?? 1;
	}
	const layout = clusterLayout(process.env);
	try {
		const file = await prepare(layout, (line) => console.error(line), options);
		const [program, inner] = inside(process.execPath, [...vitest, ...tests]);
		return spawnSync(program, inner, { stdio: 'inherit', env: { ...process.env, WP_CLONE_TEST: file } }).status ?? 1;
	} catch (cause) {
		if (!(cause instanceof CommandError)) throw cause;
		console.error(cause.message);
		return 1;
	} finally {
		if (args.includes('--down')) await down(layout, false);
	}
}

if (import.meta.main) process.exitCode = await runOnCluster(join(import.meta.dirname, 'vitest.config.ts'), process.argv.slice(2));
