import type { Container, PodSpec } from '../types.ts';

export const restrictedContainer: Container['securityContext'] = {
	allowPrivilegeEscalation: false,
	readOnlyRootFilesystem: true,
	capabilities: { drop: ['ALL'] },
};

/** What every pod of the service's own has in common. */
export const restrictedPod: Pick<PodSpec, 'automountServiceAccountToken' | 'enableServiceLinks' | 'securityContext'> = {
	automountServiceAccountToken: false,
	enableServiceLinks: false,
	securityContext: { runAsNonRoot: true, runAsUser: 65_534, runAsGroup: 65_534, seccompProfile: { type: 'RuntimeDefault' } },
};
