/** What runs the clones of the one-machine service: WordPress Playground on this machine, or a cluster. */
import { join } from 'node:path';
import { eksCluster } from '../../adapters/aws/eks-cluster.ts';
import { ensureBundle } from '../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { PHP_VERSIONS } from '../../adapters/embedded/playground/php/runtime.ts';
import { PlaygroundCloneHost } from '../../adapters/embedded/playground/playground-clone-host.ts';
import { CloneApi } from '../../adapters/kubernetes/clone-api.ts';
import { checkCluster } from '../../adapters/kubernetes/cluster-check.ts';
import { type ClusterAccess, clusterConfig } from '../../adapters/kubernetes/cluster-config.ts';
import { KubernetesCloneHost } from '../../adapters/kubernetes/kubernetes-clone-host.ts';
import { type CloneSettings, DEFAULT_CLONE_SETTINGS } from '../../core/clones/settings.ts';
import type { Clock, CloneDatabases, CloneHost, Telemetry } from '../../core/ports.ts';
import { DEFAULT_CLONE_MANIFEST_SETTINGS } from '../../k8s/clone/settings.ts';
import { openDatabases } from './databases.ts';
import type { MysqlSettings } from './mysql-settings.ts';
import type { KubernetesSettings, ServeSettings } from './settings.ts';

export interface OpenedHost {
	readonly host: CloneHost;
	/** Undefined: no clones on MySQL. */
	readonly databases: CloneDatabases | undefined;
	readonly settings: CloneSettings;
	close(): Promise<void>;
}

/** @throws ProductError with a sentence that says what to do when the host cannot be used as it is. */
export async function openCloneHost(settings: ServeSettings, clock: Clock, telemetry: Telemetry): Promise<OpenedHost> {
	return settings.kubernetes === null
		? openPlayground(settings, telemetry)
		: openKubernetes(settings.kubernetes, settings.mysql, clock, telemetry);
}

async function openPlayground(settings: ServeSettings, telemetry: Telemetry): Promise<OpenedHost> {
	const bundle = await ensureBundle({ cacheDir: settings.cache });
	const slotsDir = join(settings.data, 'clones');
	return {
		host: new PlaygroundCloneHost({ slotsDir, bundle, allowPrivateSites: settings.allowPrivateSites, telemetry }),
		databases: undefined,
		settings: { ...DEFAULT_CLONE_SETTINGS, phpVersions: PHP_VERSIONS },
		close: async () => {},
	};
}

async function openKubernetes(
	settings: KubernetesSettings,
	mysql: MysqlSettings | null,
	clock: Clock,
	telemetry: Telemetry,
): Promise<OpenedHost> {
	const { kubeconfig, eksCluster: eksName, namespace, image, phpVersion, wpVersion, domain, scheme, keepFinishedSeconds } = settings;
	const manifests = { ...DEFAULT_CLONE_MANIFEST_SETTINGS, namespace, image, phpVersion, wpVersion, domain, keepFinishedSeconds };
	const fromFile: ClusterAccess = { kind: 'kubeconfig', ...(kubeconfig === null ? {} : { path: kubeconfig }) };
	const config = clusterConfig(eksName === null ? fromFile : await eksCluster(eksName, clock));
	const api = new CloneApi({ config, namespace, onCall: (call) => telemetry.metric('kubernetes_calls', 1, 'count', { call }) });
	await checkCluster(api, manifests);
	const databases = mysql === null ? undefined : await openDatabases(mysql);
	return {
		host: new KubernetesCloneHost({ api, clock, manifests, address: { scheme } }),
		databases,
		settings: { ...DEFAULT_CLONE_SETTINGS, phpVersions: [phpVersion], warmPhp: phpVersion },
		async close() {
			await Promise.all([config.close(), databases?.close()]);
		},
	};
}
