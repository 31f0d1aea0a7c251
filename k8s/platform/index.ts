import type { Manifest } from '../types.ts';
import { limitRange, resourceQuota } from './limits.ts';
import { namespaces } from './namespaces.ts';
import { clonePolicy, denyAll } from './network-policies.ts';
import { bufferDeployment, nodePools, prePullDaemonSet } from './nodes.ts';
import { priorityClasses } from './priority-classes.ts';
import { workerRole, workerRoleBinding } from './rbac.ts';
import type { PlatformSettings } from './settings.ts';

/** Everything that has to be there before the first clone, in the order in which it has to come. */
export function platformManifests(settings: PlatformSettings): Manifest[] {
	const { nodes } = settings;
	return [
		...namespaces(settings),
		...priorityClasses(),
		resourceQuota(settings),
		limitRange(settings),
		denyAll(settings),
		clonePolicy(settings),
		workerRole(settings),
		workerRoleBinding(settings),
		...(nodes === null ? [] : [...nodePools(nodes), bufferDeployment(settings, nodes)]),
		prePullDaemonSet(settings, nodes !== null),
	];
}
