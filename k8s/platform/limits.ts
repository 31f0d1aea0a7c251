import type { SpecManifest } from '../types.ts';
import type { PlatformSettings } from './settings.ts';

/**
 * How much all clones together may take. A Job beyond it is accepted by Kubernetes and its pod is not: the adapter tells
 * that from the event, and the clone waits.
 */
export function resourceQuota(settings: PlatformSettings): SpecManifest<{ hard: Readonly<Record<string, string>> }> {
	const { quota } = settings;
	return {
		apiVersion: 'v1',
		kind: 'ResourceQuota',
		metadata: { name: 'clones', namespace: settings.namespace },
		spec: {
			hard: {
				'requests.cpu': quota.cpu,
				'requests.memory': quota.memory,
				'limits.memory': quota.memory,
				pods: String(quota.pods),
				// Finished ones are kept a little.
				'count/jobs.batch': String(quota.pods + 50),
				'services.loadbalancers': '0',
				'services.nodeports': '0',
				persistentvolumeclaims: '0',
			},
		},
	};
}

/** For containers that say nothing, and against ones that ask for too much. */
export function limitRange(settings: PlatformSettings): SpecManifest<{ limits: readonly object[] }> {
	return {
		apiVersion: 'v1',
		kind: 'LimitRange',
		metadata: { name: 'clones', namespace: settings.namespace },
		spec: {
			limits: [
				{
					type: 'Container',
					default: { cpu: '1', memory: '512Mi', 'ephemeral-storage': '1Gi' },
					defaultRequest: { cpu: '100m', memory: '256Mi', 'ephemeral-storage': '256Mi' },
					max: { cpu: '2', memory: '2Gi', 'ephemeral-storage': '32Gi' },
				},
			],
		},
	};
}
