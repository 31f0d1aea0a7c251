import type { Role, RoleBinding } from '../types.ts';
import type { PlatformSettings } from './settings.ts';

const ROLE = 'clone-api';

/** The API changes the deadline of a live clone (`PATCH /api/v2/clones/{clone_id}`), and nothing else. */
export function apiRole(settings: Pick<PlatformSettings, 'namespace'>): Role {
	return {
		apiVersion: 'rbac.authorization.k8s.io/v1',
		kind: 'Role',
		metadata: { name: ROLE, namespace: settings.namespace },
		rules: [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'patch'] }],
	};
}

/** @param group of the API's access entry */
export function apiRoleBinding(settings: Pick<PlatformSettings, 'namespace'>, group: string): RoleBinding {
	return {
		apiVersion: 'rbac.authorization.k8s.io/v1',
		kind: 'RoleBinding',
		metadata: { name: ROLE, namespace: settings.namespace },
		roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: ROLE },
		subjects: [{ kind: 'Group', name: group, apiGroup: 'rbac.authorization.k8s.io' }],
	};
}
