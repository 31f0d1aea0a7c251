import {
	ANNOTATION_DATABASE,
	ANNOTATION_IMAGE,
	ANNOTATION_PHP,
	ANNOTATION_WORDPRESS,
	CLONE_DIR,
	CLONE_NODES,
	CLONE_PORT,
	CLONE_PRIORITY,
	CLONE_USER,
	HEALTH_PORT,
	SLOT_SECRET_DIR,
	slotLabels,
} from '../labels.ts';
import type { Container, Job, PodSpec } from '../types.ts';
import type { CloneManifestSettings } from './settings.ts';

export interface CloneJobInput {
	readonly slotId: string;
	readonly database: 'sqlite' | 'mysql';
	/** The dead man's switch, counted by Kubernetes from the Job's `status.startTime`, seconds. */
	readonly activeDeadlineSeconds: number;
}

/**
 * One clone. It owns its Secret, Service and Ingress, so that whatever ends the Job ends them all.
 *
 * Its data lies on an emptyDir, so a second pod would serve an empty site where a clone was: there is never one
 * (`backoffLimit: 0`). A container that crashes is restarted in its pod, with its data, by the container's own rule; a
 * Kubernetes before 1.35 drops the rule, and the clone is lost with its container.
 */
export function cloneJob(settings: CloneManifestSettings, input: CloneJobInput): Job {
	const labels = slotLabels(input.slotId);
	return {
		apiVersion: 'batch/v1',
		kind: 'Job',
		metadata: {
			name: input.slotId,
			namespace: settings.namespace,
			labels,
			annotations: {
				[ANNOTATION_PHP]: settings.phpVersion,
				[ANNOTATION_WORDPRESS]: settings.wpVersion,
				[ANNOTATION_IMAGE]: settings.image,
				[ANNOTATION_DATABASE]: input.database,
			},
		},
		spec: {
			activeDeadlineSeconds: input.activeDeadlineSeconds,
			ttlSecondsAfterFinished: settings.keepFinishedSeconds,
			backoffLimit: 0,
			completions: 1,
			parallelism: 1,
			podReplacementPolicy: 'Failed',
			template: {
				metadata: {
					labels,
					annotations: {
						// A clone cannot move: whatever empties nodes has to wait for it.
						'karpenter.sh/do-not-disrupt': 'true',
						'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
					},
				},
				spec: clonePod(settings, input),
			},
		},
	};
}

function clonePod(settings: CloneManifestSettings, input: CloneJobInput): PodSpec {
	return {
		restartPolicy: 'Never',
		priorityClassName: CLONE_PRIORITY,
		automountServiceAccountToken: false,
		// Otherwise every Service of the namespace would add seven environment variables: the other clones' names.
		enableServiceLinks: false,
		...(settings.userNamespaces ? { hostUsers: false as const } : {}),
		terminationGracePeriodSeconds: 5,
		securityContext: {
			runAsNonRoot: true,
			runAsUser: CLONE_USER,
			runAsGroup: CLONE_USER,
			fsGroup: CLONE_USER,
			seccompProfile: { type: 'RuntimeDefault' },
		},
		...(settings.dedicatedNodes
			? {
					nodeSelector: { [CLONE_NODES.key]: CLONE_NODES.value },
					tolerations: [{ key: CLONE_NODES.key, value: CLONE_NODES.value, effect: 'NoSchedule' as const }],
				}
			: {}),
		containers: [wordpress(settings)],
		volumes: [
			{ name: 'clone', emptyDir: { sizeLimit: `${settings.diskMib}Mi` } },
			{ name: 'tmp', emptyDir: { sizeLimit: `${TMP_MIB}Mi` } },
			{ name: 'slot', secret: { secretName: input.slotId, defaultMode: 0o440 } },
		],
	};
}

const TMP_MIB = 512;

function wordpress(settings: CloneManifestSettings): Container {
	const { memoryMib, cpuMilli } = settings;
	return {
		name: 'wordpress',
		image: settings.image,
		imagePullPolicy: settings.imagePullPolicy,
		env: [{ name: 'CLONE_DIR', value: CLONE_DIR }],
		ports: [{ name: 'http', containerPort: CLONE_PORT }],
		resources: {
			requests: { cpu: `${cpuMilli.request}m`, memory: `${memoryMib.request}Mi`, 'ephemeral-storage': '256Mi' },
			limits: {
				cpu: `${cpuMilli.limit}m`,
				memory: `${memoryMib.limit}Mi`,
				// Logs come on top of the volumes.
				'ephemeral-storage': `${settings.diskMib + TMP_MIB + 128}Mi`,
			},
		},
		securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
		startupProbe: { httpGet: { path: '/ready', port: HEALTH_PORT }, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 180 },
		readinessProbe: { httpGet: { path: '/ready', port: HEALTH_PORT }, periodSeconds: 10, timeoutSeconds: 10, failureThreshold: 3 },
		// Long requests may take every server process for a while: only one that never answers is hung.
		livenessProbe: { httpGet: { path: '/alive', port: HEALTH_PORT }, periodSeconds: 30, timeoutSeconds: 20, failureThreshold: 20 },
		volumeMounts: [
			{ name: 'clone', mountPath: CLONE_DIR },
			{ name: 'tmp', mountPath: '/tmp' },
			{ name: 'slot', mountPath: SLOT_SECRET_DIR, readOnly: true },
		],
		restartPolicy: 'Never',
		// 0: its time was up.
		restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [0] } }],
	};
}
