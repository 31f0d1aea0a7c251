/** Names that two stacks have to agree on without one waiting for the other. Everything else is named by CloudFormation. */
import type { StageConfig } from './stage-config.ts';

export const PRODUCT = 'wp-clone';

export interface StageNames {
	readonly data: string;
	readonly cluster: string;
	readonly service: string;
	readonly eksCluster: string;
	readonly jobQueue: string;
	readonly scheduleGroup: string;
	readonly api: string;
}

export function namesOf({ stage }: Pick<StageConfig, 'stage'>): StageNames {
	const prefix = `${PRODUCT}-${stage}`;
	return {
		data: `${prefix}-data`,
		cluster: `${prefix}-cluster`,
		service: `${prefix}-service`,
		eksCluster: prefix,
		jobQueue: `${prefix}-jobs`,
		scheduleGroup: prefix,
		api: prefix,
	};
}

/** Namespaces of the cluster that the stacks name; those of the clones are in k8s/. */
export const INGRESS_NAMESPACE = 'traefik';

/** The group that the access entries of the worker and the sweep put them in; bound to a Role by k8s/platform. */
export const WORKER_GROUP = 'clone-workers';
/** The group of the API, which changes a clone's deadline and nothing else. */
export const API_GROUP = 'clone-api';

/** Folders of the bucket for access logs. */
export const LOAD_BALANCER_LOG_PREFIX = 'load-balancer';
export const NETWORK_LOG_PREFIX = 'network';
