/** The calls to the Kubernetes API that a clone takes, and no others: the Role in k8s/platform/rbac.ts is their list. */
import {
	BatchV1Api,
	CoreV1Api,
	type CoreV1Event,
	NetworkingV1Api,
	PatchStrategy,
	setHeaderOptions,
	type V1Job,
	type V1Pod,
} from '@kubernetes/client-node';
import { nameIngress } from '../../k8s/clone/owned.ts';
import { CLONE_LABELS, FIELD_MANAGER, LABEL_SLOT } from '../../k8s/labels.ts';
import type { Ingress, Job, Secret, Service } from '../../k8s/types.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { isNotFound, kubernetesError } from './kubernetes-errors.ts';

const APPLY = setHeaderOptions('Content-Type', PatchStrategy.ServerSideApply);
const MERGE = setHeaderOptions('Content-Type', PatchStrategy.MergePatch);
const PAGE = 500;

export interface CloneApiOptions {
	readonly config: ClusterConfig;
	readonly namespace: string;
	/** Told of every request, for counting them. */
	readonly onCall?: (what: string) => void;
}

export class CloneApi {
	readonly namespace: string;
	readonly #batch: BatchV1Api;
	readonly #core: CoreV1Api;
	readonly #networking: NetworkingV1Api;
	readonly #onCall: (what: string) => void;

	constructor(options: CloneApiOptions) {
		this.namespace = options.namespace;
		this.#batch = options.config.makeApiClient(BatchV1Api);
		this.#core = options.config.makeApiClient(CoreV1Api);
		this.#networking = options.config.makeApiClient(NetworkingV1Api);
		this.#onCall = options.onCall ?? (() => {});
	}

	async #call<T>(doing: string, request: () => Promise<T>): Promise<T> {
		this.#onCall(doing);
		try {
			return await request();
		} catch (cause) {
			throw kubernetesError(cause, doing, this.namespace);
		}
	}

	/** As `#call`; undefined when the object is not there. */
	async #callIfThere<T>(doing: string, request: () => Promise<T>): Promise<T | undefined> {
		this.#onCall(doing);
		try {
			return await request();
		} catch (cause) {
			if (isNotFound(cause)) return undefined;
			throw kubernetesError(cause, doing, this.namespace);
		}
	}

	async getJob(name: string): Promise<V1Job | undefined> {
		return this.#callIfThere('read the Job', () => this.#batch.readNamespacedJob({ name, namespace: this.namespace }));
	}

	/** @param dryRun only asks whether it would be accepted */
	async applyJob(job: Job, dryRun = false): Promise<V1Job> {
		return this.#call('create the Job', () => this.#batch.patchNamespacedJob(this.#applying(job, dryRun), APPLY));
	}

	async applySecret(secret: Secret, dryRun = false): Promise<void> {
		await this.#call('create the Secret', () => this.#core.patchNamespacedSecret(this.#applying(secret, dryRun), APPLY));
	}

	async applyService(service: Service, dryRun = false): Promise<void> {
		await this.#call('create the Service', () => this.#core.patchNamespacedService(this.#applying(service, dryRun), APPLY));
	}

	async applyIngress(ingress: Ingress, dryRun = false): Promise<void> {
		await this.#call('create the Ingress', () => this.#networking.patchNamespacedIngress(this.#applying(ingress, dryRun), APPLY));
	}

	#applying<T extends { metadata: { name: string } }>(body: T, dryRun: boolean) {
		const target = { name: body.metadata.name, namespace: this.namespace, body, fieldManager: FIELD_MANAGER, force: true };
		return dryRun ? { ...target, dryRun: 'All' } : target;
	}

	/** @returns the Job as it is then; undefined when there is none */
	async setDeadline(name: string, activeDeadlineSeconds: number): Promise<V1Job | undefined> {
		const body = { spec: { activeDeadlineSeconds } };
		return this.#callIfThere('change the Job', () =>
			this.#batch.patchNamespacedJob({ name, namespace: this.namespace, body, fieldManager: FIELD_MANAGER }, MERGE),
		);
	}

	/** In the background: by default the API would delete the Job and leave everything it owns. */
	async deleteJob(name: string): Promise<void> {
		await this.#callIfThere('delete the Job', () =>
			this.#batch.deleteNamespacedJob({ name, namespace: this.namespace, propagationPolicy: 'Background' }),
		);
	}

	/** What the Job owns, by name: so that it is gone when we say so, not some time after. No error for what is not there. */
	async deleteOwned(name: string): Promise<void> {
		const target = { name, namespace: this.namespace };
		await Promise.all([
			this.#callIfThere('delete the Secret', () => this.#core.deleteNamespacedSecret(target)),
			this.#callIfThere('delete the Service', () => this.#core.deleteNamespacedService(target)),
			this.#callIfThere('delete the Ingress', () => this.#networking.deleteNamespacedIngress(target)),
			this.#callIfThere("delete the name's Ingress", () =>
				this.#networking.deleteNamespacedIngress({ ...target, name: nameIngress(name) }),
			),
		]);
	}

	async listJobs(): Promise<V1Job[]> {
		const labelSelector = Object.entries(CLONE_LABELS)
			.map(([name, value]) => `${name}=${value}`)
			.join(',');
		const jobs: V1Job[] = [];
		let _continue: string | undefined;
		do {
			const page = await this.#call('list the Jobs', () =>
				this.#batch.listNamespacedJob({ namespace: this.namespace, labelSelector, limit: PAGE, _continue }),
			);
			jobs.push(...page.items);
			_continue = page.metadata?._continue || undefined;
		} while (_continue !== undefined);
		return jobs;
	}

	/** A slot's pods, oldest first. */
	async listPods(slotId: string): Promise<V1Pod[]> {
		const labelSelector = `${LABEL_SLOT}=${slotId}`;
		const list = await this.#call('list the pods', () => this.#core.listNamespacedPod({ namespace: this.namespace, labelSelector }));
		const made = (pod: V1Pod): number => new Date(pod.metadata?.creationTimestamp ?? 0).getTime();
		return list.items.sort((a, b) => made(a) - made(b));
	}

	/** What Kubernetes had to say about a Job. */
	async listJobEvents(name: string): Promise<CoreV1Event[]> {
		const fieldSelector = `involvedObject.kind=Job,involvedObject.name=${name}`;
		return (await this.#call('list the events', () => this.#core.listNamespacedEvent({ namespace: this.namespace, fieldSelector }))).items;
	}
}
