/** What a clone's Job, its pods and the Job's events say about the slot: pure, so that every state can be shown in a test. */
import type { CoreV1Event, V1ContainerStatus, V1Job, V1JobCondition, V1Pod } from '@kubernetes/client-node';
import type { ErrorInfo } from '../../core/errors.ts';

export type SlotCondition =
	| { readonly state: 'ready' }
	/** `waiting`: why it takes longer than a start takes. */
	| { readonly state: 'starting'; readonly waiting?: ErrorInfo }
	/** `code`: what a clone job that waited for it fails with. */
	| { readonly state: 'gone'; readonly reason: string; readonly code: string };

const gone = (code: string, reason: string): SlotCondition => ({ state: 'gone', code, reason });
const waiting = (code: string, message: string): SlotCondition => ({ state: 'starting', waiting: { code, message } });

const condition = (job: V1Job, types: readonly string[]): V1JobCondition | undefined =>
	job.status?.conditions?.find((one) => one.status === 'True' && types.includes(one.type));

const TIME_UP = gone('clone_expired', 'Its time is up.');

/** When the Job's deadline is, ms since the epoch; undefined before Kubernetes has taken it up. */
export function jobDeadline(job: V1Job): number | undefined {
	const start = job.status?.startTime;
	const seconds = job.spec?.activeDeadlineSeconds;
	return start === undefined || seconds === undefined ? undefined : new Date(start).getTime() + seconds * 1000;
}

/** What the Job alone tells; undefined when its pods have to be looked at. */
export function jobCondition(job: V1Job | undefined, now: number): SlotCondition | undefined {
	if (job === undefined || job.metadata?.deletionTimestamp !== undefined) {
		return gone('clone_lost', 'There is no such slot; it was removed, or never started.');
	}
	const ended = condition(job, ['Failed', 'FailureTarget']);
	if (ended?.reason === 'DeadlineExceeded' || condition(job, ['Complete', 'SuccessCriteriaMet'])) return TIME_UP;
	const deadline = jobDeadline(job);
	if (deadline !== undefined && deadline <= now) return TIME_UP;
	// Why it failed is for its pods to say.
	if (ended !== undefined) return undefined;
	return (job.status?.ready ?? 0) > 0 ? { state: 'ready' } : undefined;
}

/** Whether the Job is known to have a pod that answers; what it is when not, its pods tell. */
export function isReady(job: V1Job, now: number): boolean {
	const ended = condition(job, ['Failed', 'FailureTarget']) !== undefined || (job.status?.failed ?? 0) > 0;
	return !ended && jobCondition(job, now)?.state === 'ready';
}

/** With the pods at hand, newest last. */
export function podCondition(job: V1Job, pods: readonly V1Pod[], events: readonly CoreV1Event[]): SlotCondition {
	const pod = pods.at(-1);
	const failed = pod === undefined ? undefined : podFailure(pod);
	if (failed !== undefined) return failed;
	if (condition(job, ['Failed', 'FailureTarget']) || (job.status?.failed ?? 0) > 0) {
		return gone('clone_lost', 'Its pod was deleted, or its node was lost.');
	}
	if (pod === undefined) return withoutPod(events);
	if (pod.metadata?.deletionTimestamp !== undefined) return gone('clone_lost', 'Its pod is being deleted.');
	const has = (type: string): boolean => pod.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;
	if (has('Ready')) return { state: 'ready' };
	const scheduled = pod.status?.conditions?.find((one) => one.type === 'PodScheduled');
	if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable') {
		return waiting('no_node', 'Waiting for a node with room: the cluster is adding one, or is full.');
	}
	const container = pod.status?.containerStatuses?.[0];
	return container === undefined ? { state: 'starting' } : containerCondition(container);
}

function podFailure(pod: V1Pod): SlotCondition | undefined {
	const disrupted = pod.status?.conditions?.find((one) => one.type === 'DisruptionTarget' && one.status === 'True');
	const reason = pod.status?.reason ?? '';
	if (pod.status?.phase === 'Failed' || disrupted !== undefined) {
		if (reason === 'Evicted') {
			return gone('clone_evicted', `Its node put it out: ${(pod.status?.message ?? 'it used more than it may').slice(0, 200)}`);
		}
		if (disrupted?.reason === 'DeletionByTaintManager' || reason === 'NodeLost' || disrupted?.reason === 'DeletionByPodGC') {
			return gone('node_lost', 'Its node is gone, and the clone with it.');
		}
		if (disrupted !== undefined) return gone('clone_evicted', `The cluster took its place away (${disrupted.reason ?? 'disruption'}).`);
		return gone('clone_lost', `Its pod has failed${reason === '' ? '' : ` (${reason})`}.`);
	}
	return pod.status?.phase === 'Succeeded' ? TIME_UP : undefined;
}

/** Messages with which a registry says that there is no such image, not that it cannot be reached. */
const NO_SUCH_IMAGE = /not found|does not exist|manifest unknown|name unknown|denied|unauthorized|not present/i;

function containerCondition(container: V1ContainerStatus): SlotCondition {
	const reason = container.state?.waiting?.reason;
	const said = container.state?.waiting?.message ?? '';
	const image = `The clone image ${container.image} `;
	switch (reason) {
		case 'InvalidImageName':
		case 'ErrImageNeverPull':
			return gone('image_not_found', `${image}cannot be used (${reason}). Set the image that the service was deployed with.`);
		case 'ErrImagePull':
		case 'ImagePullBackOff':
			return NO_SUCH_IMAGE.test(said)
				? gone('image_not_found', `${image}is not in its registry, or may not be pulled. Set the image that the service was deployed with.`)
				: waiting('image_pull', 'Waiting for the clone image: its registry does not give it yet.');
		case 'CreateContainerConfigError':
		case 'CreateContainerError':
		case 'RunContainerError':
			return waiting('container_not_started', `Waiting for the clone's container to start (${reason}).`);
		case 'CrashLoopBackOff':
			return waiting('clone_crashing', 'The clone has crashed several times and is started again.');
		default:
			return { state: 'starting' };
	}
}

/** Kubernetes took the Job and makes no pod for it. */
function withoutPod(events: readonly CoreV1Event[]): SlotCondition {
	const time = (event: CoreV1Event): number => new Date(event.lastTimestamp ?? event.eventTime ?? 0).getTime();
	const last = events
		.filter((event) => event.reason === 'FailedCreate')
		.sort((a, b) => time(a) - time(b))
		.at(-1);
	const said = last?.message ?? '';
	if (said.includes('exceeded quota')) return waiting('capacity_full', "Waiting for room: the cluster's quota for clones is used up.");
	if (said.includes('violates PodSecurity')) {
		return gone('pod_refused', "The cluster's pod security rules refuse a clone's pod. Check the namespace's labels.");
	}
	if (/no PriorityClass|serviceaccount .* not found|must (be|specify)|maximum .* usage/.test(said)) {
		return gone('pod_refused', "The cluster refuses a clone's pod. Apply the platform's manifests of this version.");
	}
	return said === '' ? { state: 'starting' } : waiting('pod_not_created', 'Waiting for the cluster to create the pod.');
}
