/**
 * The CloneHost of a cluster: one slot = one Job that owns everything else (k8s/clone).
 *
 * Life cycle: the Job first, because the others name it as their owner; then Secret, Service and Ingress, applied again by
 * a start that was cut off. From then on Kubernetes ends the slot at the Job's deadline whatever becomes of us. Whatever
 * ends the Job, the cluster's garbage collector takes the rest; `remove` does not wait for it and deletes them itself.
 *
 * Gotchas: Kubernetes counts the deadline from the Job's `status.startTime`, which it sets itself; it can be moved until it
 * has passed and not after. It never changes for a Job that is not suspended, so it is remembered: a warm claim costs one
 * call to move the deadline.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { V1Job } from '@kubernetes/client-node';
import { PermanentError, TransientError } from '../../core/errors.ts';
import type { Millis } from '../../core/jobs/job.ts';
import type { Clock, CloneHost, HostedSlot, SlotRoute, SlotSpec, SlotStatus } from '../../core/ports.ts';
import { cloneJob } from '../../k8s/clone/job.ts';
import { cloneIngress, cloneSecret, cloneService } from '../../k8s/clone/owned.ts';
import type { CloneManifestSettings } from '../../k8s/clone/settings.ts';
import { ANNOTATION_IMAGE, ANNOTATION_PHP, ANNOTATION_WORDPRESS } from '../../k8s/labels.ts';
import type { CloneApi } from './clone-api.ts';
import { isReady, jobCondition, jobDeadline, podCondition, type SlotCondition } from './slot-condition.ts';

export interface KubernetesCloneHostOptions {
	readonly api: CloneApi;
	readonly clock: Clock;
	readonly manifests: CloneManifestSettings;
	/** How a slot is reached from outside: `https://{slot}.{domain}`, with a port where it is not the usual one. */
	readonly address: { readonly scheme: 'http' | 'https'; readonly port?: number };
}

/** A name of a Service: the strictest of the names a slot's id becomes. */
const SLOT_ID = /^[a-z]([a-z0-9-]{0,50}[a-z0-9])?$/;
const HOST_LABEL = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
/** How long `remove` waits for the pod to be gone; its container is killed after five seconds. */
const REMOVE_MS = 30_000;
/** A Job without a pod after this time has a reason, which its events tell. */
const POD_MS = 2000;
const REMEMBERED = 1000;
const PROBE_MS = 3000;
/** Answered by the clone's web server itself (wordpress/image). */
const READY_PATH = '/.well-known/clone-ready';
const ROUTE_WAITING = {
	state: 'starting',
	waiting: {
		code: 'route_not_ready',
		message: 'The clone runs; waiting until it is reached by its name. Does *.{clone domain} lead to the ingress?',
	},
} as const satisfies SlotStatus;

export class KubernetesCloneHost implements CloneHost {
	readonly #options: KubernetesCloneHostOptions;
	/** `status.startTime` of Jobs, ms since the epoch. */
	readonly #started = new Map<string, Millis>();
	/** `metadata.uid` of Jobs: what they own is owned by it. */
	readonly #uids = new Map<string, string>();
	/** Host names that were seen to lead to their slot. */
	readonly #reached = new Map<string, true>();
	/** Slots whose clone's name has a route, by us: that name. */
	readonly #routed = new Map<string, string>();

	constructor(options: KubernetesCloneHostOptions) {
		this.#options = options;
	}

	/** @throws PermanentError `bad_slot_id`, and those of kubernetes-errors.ts */
	async start(spec: SlotSpec): Promise<void> {
		const { api, manifests } = this.#options;
		const slotId = checked(spec.slot_id);
		const earlier = await api.getJob(slotId);
		if (earlier !== undefined && jobCondition(earlier, this.#options.clock.now())?.state === 'gone') return;
		const job =
			earlier ??
			(await api.applyJob(
				cloneJob(manifests, {
					slotId,
					database: spec.database === null ? 'sqlite' : 'mysql',
					activeDeadlineSeconds: this.#seconds(spec.deadline, undefined),
				}),
			));
		const uid = job.metadata?.uid;
		if (uid === undefined) throw new TransientError('cluster_error', 'The cluster answered without an id for the Job.');
		const owner = { slotId, uid };
		await Promise.all([
			api.applySecret(
				cloneSecret(manifests, owner, { slot_id: slotId, agent_key: spec.agent_key, url: this.#url(slotId), database: spec.database }),
			),
			api.applyService(cloneService(manifests, owner)),
			api.applyIngress(cloneIngress(manifests, owner)),
		]);
	}

	async status(slotId: string): Promise<SlotStatus> {
		const job = await this.#options.api.getJob(checked(slotId));
		const condition = await this.#condition(slotId, job);
		if (condition.state === 'gone') return condition;
		const annotations: Readonly<Record<string, string | undefined>> = job?.metadata?.annotations ?? {};
		const { phpVersion, wpVersion, image } = this.#options.manifests;
		const outdated = annotations[ANNOTATION_IMAGE] !== image;
		if (condition.state !== 'ready') return { ...condition, outdated };
		if (!(await this.#isReachable(slotId))) return { ...ROUTE_WAITING, outdated };
		return {
			state: 'ready',
			endpoint: { url: this.#url(slotId), ref: slotId },
			php_version: annotations[ANNOTATION_PHP] ?? phpVersion,
			wp_version: annotations[ANNOTATION_WORDPRESS] ?? wpVersion,
			outdated,
			...(job === undefined ? {} : { deadline: jobDeadline(job) }),
		};
	}

	/** The ingress controller learns of a new clone a moment after its pod is ready. Looked at until it was seen once. */
	async #isReachable(label: string): Promise<boolean> {
		if (this.#reached.has(label)) return true;
		const there = await answers(`${this.#url(label)}${READY_PATH}`);
		if (there) remember(this.#reached, label, true);
		return there;
	}

	async route(slotId: string, name: string): Promise<SlotRoute | undefined> {
		const { api, manifests, clock } = this.#options;
		if (!HOST_LABEL.test(name) || name === slotId) {
			throw new PermanentError('bad_clone_name', 'A clone is named by a DNS label: small letters, digits and hyphens, at most 40.');
		}
		let uid = this.#uids.get(checked(slotId));
		if (uid === undefined) {
			const job = await api.getJob(slotId);
			this.#remember(slotId, job);
			if (jobCondition(job, clock.now())?.state === 'gone') return undefined;
			uid = job?.metadata?.uid;
		}
		if (uid === undefined) return undefined;
		if (this.#routed.get(slotId) !== name) {
			// The name may have led to an earlier clone.
			this.#reached.delete(name);
			await api.applyIngress(cloneIngress(manifests, { slotId, uid }, name));
			remember(this.#routed, slotId, name);
		}
		return { endpoint: { url: this.#url(name), ref: slotId }, reached: await this.#isReachable(name) };
	}

	async #condition(slotId: string, job: V1Job | undefined): Promise<SlotCondition> {
		const { api, clock } = this.#options;
		this.#remember(slotId, job);
		const told = jobCondition(job, clock.now());
		if (told !== undefined || job === undefined) return told ?? { state: 'starting' };
		const pods = await api.listPods(slotId);
		const started = this.#started.get(slotId) ?? clock.now();
		const events = pods.length === 0 && clock.now() - started > POD_MS ? await api.listJobEvents(slotId) : [];
		return podCondition(job, pods, events);
	}

	async extend(slotId: string, deadline: Millis): Promise<boolean> {
		const { api, clock } = this.#options;
		let started = this.#started.get(checked(slotId));
		if (started === undefined) {
			const job = await api.getJob(slotId);
			if (jobCondition(job, clock.now())?.state === 'gone') return false;
			this.#remember(slotId, job);
			started = this.#started.get(slotId);
		}
		const job = await api.setDeadline(slotId, this.#seconds(deadline, started));
		// The answer shows the Job as it is after the change: one that had already ended has taken no notice of it.
		const told = jobCondition(job, clock.now());
		if (told?.state === 'gone') return false;
		if ((job?.status?.failed ?? 0) > 0) return false;
		const actual = job?.status?.startTime;
		if (started === undefined || actual === undefined || new Date(actual).getTime() === started) return true;
		// Another Job of the same name than the one remembered.
		this.#remember(slotId, job);
		await api.setDeadline(slotId, this.#seconds(deadline, this.#started.get(slotId)));
		return true;
	}

	/** @throws TransientError `clone_still_ending` */
	async remove(slotId: string): Promise<void> {
		const { api } = this.#options;
		await api.deleteJob(checked(slotId));
		await api.deleteOwned(slotId);
		for (const known of [this.#started, this.#uids, this.#reached, this.#routed]) known.delete(slotId);
		const end = Date.now() + REMOVE_MS;
		for (let wait = 100; ; wait = Math.min(1000, wait * 2)) {
			if ((await api.listPods(slotId)).length === 0) return;
			if (Date.now() > end) {
				throw new TransientError('clone_still_ending', "The clone's pod has not ended yet.", { retryAfterSeconds: 5 });
			}
			await pause(wait);
		}
	}

	async list(): Promise<readonly HostedSlot[]> {
		const jobs = await this.#options.api.listJobs();
		const now = this.#options.clock.now();
		return jobs.flatMap((job) => (job.metadata?.name === undefined ? [] : [{ slot_id: job.metadata.name, ready: isReady(job, now) }]));
	}

	/** Seconds from the Job's start to a moment; before Kubernetes has set the start, from now. */
	#seconds(deadline: Millis, started: Millis | undefined): number {
		return Math.max(1, Math.ceil((deadline - (started ?? this.#options.clock.now())) / 1000));
	}

	#url(label: string): string {
		const { address, manifests } = this.#options;
		return `${address.scheme}://${label}.${manifests.domain}${address.port === undefined ? '' : `:${address.port}`}`;
	}

	#remember(slotId: string, job: V1Job | undefined): void {
		const uid = job?.metadata?.uid;
		if (uid !== undefined) remember(this.#uids, slotId, uid);
		const start = job?.status?.startTime;
		if (start !== undefined) remember(this.#started, slotId, new Date(start).getTime());
	}
}

/** Keeps the newest thousand. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
	map.delete(key);
	map.set(key, value);
	const oldest = map.size > REMEMBERED ? map.keys().next().value : undefined;
	if (oldest !== undefined) map.delete(oldest);
}

async function answers(url: string): Promise<boolean> {
	try {
		const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(PROBE_MS) });
		await response.body?.cancel();
		return response.status === 200;
	} catch {
		// Not there yet, or not to be found by that name: the caller is told what it waits for.
		return false;
	}
}

function checked(slotId: string): string {
	if (!SLOT_ID.test(slotId)) {
		throw new PermanentError('bad_slot_id', 'A slot id is a DNS label: small letters, digits and hyphens, a letter first, at most 52.');
	}
	return slotId;
}
