/** What runs the clones of the one-machine service: WordPress Playground on this machine, or a cluster. */
import { join } from 'node:path';
import { ensureBundle } from '../../adapters/embedded/playground/bundle/wordpress-bundle.ts';
import { PHP_VERSIONS } from '../../adapters/embedded/playground/php/runtime.ts';
import { PlaygroundCloneHost } from '../../adapters/embedded/playground/playground-clone-host.ts';
import { CloneApi } from '../../adapters/kubernetes/clone-api.ts';
import { checkCluster } from '../../adapters/kubernetes/cluster-check.ts';
import { clusterConfig } from '../../adapters/kubernetes/cluster-config.ts';
import { KubernetesCloneHost } from '../../adapters/kubernetes/kubernetes-clone-host.ts';
import { type CloneSettings, DEFAULT_CLONE_SETTINGS } from '../../core/clones/settings.ts';
import type { Clock, CloneHost, Telemetry } from '../../core/ports.ts';
import { DEFAULT_CLONE_MANIFEST_SETTINGS } from '../../k8s/clone/settings.ts';
import type { KubernetesSettings, ServeSettings } from './settings.ts';

export interface OpenedHost {
	readonly host: CloneHost;
	readonly settings: CloneSettings;
	close(): Promise<void>;
}

/** @throws ProductError with a sentence that says what to do when the host cannot be used as it is. */
export async function openCloneHost(settings: ServeSettings, clock: Clock, telemetry: Telemetry): Promise<OpenedHost> {
	return settings.kubernetes === null ? openPlayground(settings, telemetry) : openKubernetes(settings.kubernetes, clock, telemetry);
}

async function openPlayground(settings: ServeSettings, telemetry: Telemetry): Promise<OpenedHost> {
	const bundle = await ensureBundle({ cacheDir: settings.cache });
	const slotsDir = join(settings.data, 'clones');
	return {
		host: new PlaygroundCloneHost({ slotsDir, bundle, allowPrivateSites: settings.allowPrivateSites, telemetry }),
		settings: { ...DEFAULT_CLONE_SETTINGS, phpVersions: PHP_VERSIONS },
		close: async () => {},
	};
}

async function openKubernetes(settings: KubernetesSettings, clock: Clock, telemetry: Telemetry): Promise<OpenedHost> {
	const { kubeconfig, namespace, image, phpVersion, wpVersion, domain, scheme, keepFinishedSeconds } = settings;
	const manifests = { ...DEFAULT_CLONE_MANIFEST_SETTINGS, namespace, image, phpVersion, wpVersion, domain, keepFinishedSeconds };
	const config = clusterConfig({ kind: 'kubeconfig', ...(kubeconfig === null ? {} : { path: kubeconfig }) });
	const api = new CloneApi({ config, namespace, onCall: (call) => telemetry.metric('kubernetes_calls', 1, 'count', { call }) });
	await checkCluster(api, manifests);
	return {
		host: new KubernetesCloneHost({ api, clock, manifests, address: { scheme } }),
		settings: { ...DEFAULT_CLONE_SETTINGS, phpVersions: [phpVersion], warmPhp: phpVersion },
		close: () => config.close(),
	};
}
