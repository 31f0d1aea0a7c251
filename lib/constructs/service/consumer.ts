import { Stack } from 'aws-cdk-lib';
import type { Cluster } from 'aws-cdk-lib/aws-eks-v2';
import { KubernetesManifest } from 'aws-cdk-lib/aws-eks-v2';
import { Construct } from 'constructs';
import { consumerManifests } from '../../../k8s/platform/consumer.ts';
import { consumerImage } from '../cluster/clone-image.ts';
import { CONSUMER_ACCOUNT, SYSTEM_NAMESPACE } from '../cluster/clone-platform.ts';
import { PodRole } from '../cluster/pod-role.ts';
import type { JobQueue } from './job-queue.ts';
import { WORKER_TIMEOUT } from './service-function.ts';

/** Messages, waiting or in flight, that call for one more worker. */
const MESSAGES_A_WORKER = 5;
const LEAST_WORKERS = 2;
/** A turn with a job, and time to put it aside. */
const DRAIN_SECONDS = WORKER_TIMEOUT.toSeconds() + 30;

export interface ConsumerProps {
	readonly cluster: Cluster;
	readonly clusterName: string;
	readonly jobs: JobQueue;
	readonly mostWorkers: number;
	readonly environment: Readonly<Record<string, string>>;
}

/** The worker as pods of the cluster (`worker: "eks"`), as many as the queue calls for. */
export class Consumer extends Construct {
	readonly pods: PodRole;

	constructor(scope: Construct, id: string, props: ConsumerProps) {
		super(scope, id);
		this.pods = new PodRole(this, 'Pods', {
			clusterName: props.clusterName,
			namespace: SYSTEM_NAMESPACE,
			serviceAccount: CONSUMER_ACCOUNT,
		});
		const manifests = consumerManifests({
			namespace: SYSTEM_NAMESPACE,
			image: consumerImage(this).imageUri,
			env: { ...props.environment, DRAIN_SECONDS: String(DRAIN_SECONDS) },
			queueUrl: props.jobs.queue.queueUrl,
			region: Stack.of(this).region,
			replicas: { least: LEAST_WORKERS, most: props.mostWorkers },
			messagesAWorker: MESSAGES_A_WORKER,
			drainSeconds: DRAIN_SECONDS,
		});
		const manifest = new KubernetesManifest(this, 'Manifest', {
			cluster: props.cluster,
			manifest: manifests.map((one) => ({ ...one })),
		});
		manifest.node.addDependency(this.pods);
	}
}
