import type { Role, RoleBinding, Subject } from '../types.ts';
import type { PlatformSettings } from './settings.ts';

const ROLE = 'clone-workers';

/**
 * What the worker and the sweep do, and nothing more: the tests run with exactly this. Secrets are written and never read.
 * Applying an object that is not there yet needs `create` as well as `patch`. Whoever may create Jobs can mount any Secret
 * of the namespace, so nothing but clones lives in it.
 */
export function workerRole(settings: PlatformSettings): Role {
	return {
		apiVersion: 'rbac.authorization.k8s.io/v1',
		kind: 'Role',
		metadata: { name: ROLE, namespace: settings.namespace },
		rules: [
			{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'create', 'patch', 'delete'] },
			{ apiGroups: [''], resources: ['secrets', 'services'], verbs: ['create', 'patch', 'delete'] },
			{ apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ['create', 'patch', 'delete'] },
			{ apiGroups: [''], resources: ['pods', 'events'], verbs: ['list'] },
		],
	};
}

export function workerRoleBinding(settings: PlatformSettings): RoleBinding {
	const subjects = settings.workers.map(
		(worker): Subject =>
			'group' in worker
				? { kind: 'Group', name: worker.group, apiGroup: 'rbac.authorization.k8s.io' }
				: { kind: 'ServiceAccount', name: worker.serviceAccount, namespace: worker.namespace },
	);
	return {
		apiVersion: 'rbac.authorization.k8s.io/v1',
		kind: 'RoleBinding',
		metadata: { name: ROLE, namespace: settings.namespace },
		roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: ROLE },
		subjects,
	};
}
