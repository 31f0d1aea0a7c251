/** The worker as pods of the cluster (`worker: "eks"`), scaled by KEDA with the length of its queue. */
import type { Manifest, SpecManifest, Workload } from '../types.ts';
import { restrictedContainer, restrictedPod } from './restricted-pod.ts';

export interface ConsumerSettings {
	readonly namespace: string;
	readonly image: string;
	readonly env: Readonly<Record<string, string>>;
	readonly queueUrl: string;
	readonly region: string;
	readonly replicas: { readonly least: number; readonly most: number };
	/** Messages, waiting or in flight, that call for one more worker. */
	readonly messagesAWorker: number;
	/** A worker gets this long to come to the end of a step when it is told to go, seconds. */
	readonly drainSeconds: number;
}

const NAME = 'consumer';

export function consumerManifests(settings: ConsumerSettings): Manifest[] {
	return [serviceAccount(settings), deployment(settings), triggerAuthentication(settings), scaledObject(settings)];
}

function serviceAccount(settings: ConsumerSettings): Manifest {
	return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: NAME, namespace: settings.namespace } };
}

/** Without `replicas`: KEDA's business, and applying this again must not reset it. */
function deployment(settings: ConsumerSettings): Workload {
	const labels = { app: NAME };
	return {
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: { name: NAME, namespace: settings.namespace },
		spec: {
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					...restrictedPod,
					serviceAccountName: NAME,
					// It works in this same cluster, by the Role bound to its account.
					automountServiceAccountToken: true,
					terminationGracePeriodSeconds: settings.drainSeconds,
					containers: [
						{
							name: 'worker',
							image: settings.image,
							imagePullPolicy: 'IfNotPresent',
							env: Object.entries(settings.env).map(([name, value]) => ({ name, value })),
							resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '512Mi' } },
							securityContext: restrictedContainer,
							volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
						},
					],
					volumes: [{ name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }],
				},
			},
		},
	};
}

function triggerAuthentication(settings: ConsumerSettings): SpecManifest<object> {
	return {
		apiVersion: 'keda.sh/v1alpha1',
		kind: 'TriggerAuthentication',
		metadata: { name: NAME, namespace: settings.namespace },
		spec: { podIdentity: { provider: 'aws' } },
	};
}

/** Workers of a queue are few and stay a while: taken away slowly, added at once. */
function scaledObject(settings: ConsumerSettings): SpecManifest<object> {
	const { replicas } = settings;
	return {
		apiVersion: 'keda.sh/v1alpha1',
		kind: 'ScaledObject',
		metadata: { name: NAME, namespace: settings.namespace },
		spec: {
			scaleTargetRef: { name: NAME },
			minReplicaCount: replicas.least,
			maxReplicaCount: replicas.most,
			pollingInterval: 10,
			// When the queue cannot be asked: a few workers, not none.
			fallback: { failureThreshold: 3, replicas: Math.min(replicas.most, replicas.least + 2) },
			advanced: {
				horizontalPodAutoscalerConfig: {
					behavior: {
						scaleDown: { stabilizationWindowSeconds: 300, policies: [{ type: 'Percent', value: 25, periodSeconds: 60 }] },
					},
				},
			},
			triggers: [
				{
					type: 'aws-sqs-queue',
					authenticationRef: { name: NAME },
					metadata: {
						queueURL: settings.queueUrl,
						queueLength: String(settings.messagesAWorker),
						awsRegion: settings.region,
						scaleOnInFlight: 'true',
						// A delayed message is a job that waits: nobody has to work on it yet.
						scaleOnDelayed: 'false',
					},
				},
			],
		},
	};
}
