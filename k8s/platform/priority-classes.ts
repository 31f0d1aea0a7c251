import { BUFFER_PRIORITY, CLONE_PRIORITY } from '../labels.ts';
import type { PriorityClass } from '../types.ts';

export function priorityClasses(): PriorityClass[] {
	return [
		{
			apiVersion: 'scheduling.k8s.io/v1',
			kind: 'PriorityClass',
			metadata: { name: CLONE_PRIORITY },
			value: 1000,
			globalDefault: false,
			preemptionPolicy: 'PreemptLowerPriority',
			description: 'Clones: they take the place of the buffer, never of one another.',
		},
		{
			apiVersion: 'scheduling.k8s.io/v1',
			kind: 'PriorityClass',
			metadata: { name: BUFFER_PRIORITY },
			value: -10,
			globalDefault: false,
			preemptionPolicy: 'Never',
			description: 'Holds free nodes for clones and gives way to them.',
		},
	];
}
