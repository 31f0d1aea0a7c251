/** The API on AWS: the one handler over DynamoDB, SQS, KMS and EventBridge Scheduler. No Kubernetes client is in it. */
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { systemRandom } from '../../adapters/embedded/system.ts';
import { jobDeadlines } from '../../adapters/kubernetes/job-deadlines.ts';
import { createCloneFetch } from '../../adapters/wordpress/clone-fetch.ts';
import { createMigratorClient } from '../../adapters/wordpress/migrator-client.ts';
import { DEFAULT_API_SETTINGS } from '../../core/api/deps.ts';
import { tokenBuckets } from '../../core/api/rate-limit.ts';
import { cloneControl } from '../../core/clones/clone-control.ts';
import { DEFAULT_CLONE_SETTINGS } from '../../core/clones/settings.ts';
import { type AwsParts, awsParts, type PartOptions } from '../shared/aws-parts.ts';
import { clusterToken } from '../shared/cluster-token.ts';
import type { ApiEnvironment } from '../shared/environment.ts';
import { bundledDocs } from './bundled-docs.ts';
import { cognitoCaller, iamCaller } from './caller.ts';
import { type ApiHandler, createApiHandler } from './handler.ts';

export interface AwsApiOptions extends PartOptions {
	/** Where the files of the page at /docs lie. */
	readonly docsFolder: string;
}

export function createAwsApi(environment: ApiEnvironment, options: AwsApiOptions): ApiHandler {
	return apiOver(awsParts(environment, options), environment, { docsFolder: options.docsFolder });
}

export interface ApiOverOptions {
	readonly docsFolder: string;
	/** Sources at private addresses too: never on AWS, where that is the inside of somebody's network. */
	readonly allowPrivateSites?: boolean;
}

/** The same over parts that are open already. */
export function apiOver(parts: AwsParts, environment: ApiEnvironment, options: ApiOverOptions): ApiHandler {
	const { jobs, clones, queue, ttl, secrets, clock, telemetry } = parts;
	const host = jobDeadlines({
		server: environment.KUBE_API_URL,
		caData: environment.KUBE_CA,
		token: clusterToken(parts, environment),
		namespace: environment.CLONE_NAMESPACE,
		clock,
	});
	const cloneAgents = createMigratorClient({ http: createCloneFetch(environment.CLONE_DOMAIN), clock, random: systemRandom });
	const perMinute = environment.REQUESTS_PER_MINUTE === 0 ? Number.POSITIVE_INFINITY : environment.REQUESTS_PER_MINUTE;
	const handler = createApiHandler({
		deps: {
			jobs,
			clones,
			queue,
			secrets,
			control: cloneControl({ jobs, clones, ttl, secrets, host, cloneAgents, clock, settings: DEFAULT_CLONE_SETTINGS }),
			limiter: tokenBuckets(clock, perMinute),
			clock,
			random: systemRandom,
			telemetry,
			delay: (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds)),
			settings: {
				...DEFAULT_API_SETTINGS,
				features: { ...DEFAULT_API_SETTINGS.features, mysql: environment.MYSQL_HOST !== undefined },
				allowPrivateSites: options.allowPrivateSites ?? false,
				publicUrl: environment.PUBLIC_URL?.replace(/\/$/, '') ?? null,
				cloneDeadlineSeconds: DEFAULT_CLONE_SETTINGS.jobDeadlineSeconds,
				liveClonesPerOwner: environment.CLONES_PER_OWNER === 0 ? null : environment.CLONES_PER_OWNER,
			},
		},
		authenticate: environment.AUTH === 'cognito' ? cognitoCaller : iamCaller,
		docs: bundledDocs(options.docsFolder),
	});
	handler.use(injectLambdaContext(telemetry.logger, { resetKeys: true }));
	return handler;
}
