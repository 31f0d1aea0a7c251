import { CLONE_LABELS } from '../labels.ts';
import type { Manifest } from '../types.ts';
import type { PlatformSettings } from './settings.ts';

/** Both refuse every pod that is not `restricted`: whoever may create Jobs there can still run nothing privileged. */
export function namespaces(settings: PlatformSettings): Manifest[] {
	const labels = {
		'app.kubernetes.io/managed-by': CLONE_LABELS['app.kubernetes.io/managed-by'],
		'pod-security.kubernetes.io/enforce': 'restricted',
		'pod-security.kubernetes.io/enforce-version': settings.podSecurityVersion,
	};
	return [settings.namespace, settings.systemNamespace].map((name) => ({
		apiVersion: 'v1',
		kind: 'Namespace',
		metadata: { name, labels },
	}));
}
