/** What carries jobs on, on AWS: the engine over the stores, with the cluster as the clones' host. */
import { ManagedMysqlDatabases } from '../../adapters/aws/managed-mysql-databases.ts';
import { RDS_AUTHORITIES } from '../../adapters/aws/rds-authorities.ts';
import { secretText } from '../../adapters/aws/secrets-manager.ts';
import { systemRandom, systemTimers } from '../../adapters/embedded/system.ts';
import { CloneApi } from '../../adapters/kubernetes/clone-api.ts';
import { type ClusterAccess, clusterConfig } from '../../adapters/kubernetes/cluster-config.ts';
import { KubernetesCloneHost } from '../../adapters/kubernetes/kubernetes-clone-host.ts';
import { createGuardedFetch } from '../../adapters/wordpress/guarded-fetch.ts';
import { createMigratorClient } from '../../adapters/wordpress/migrator-client.ts';
import { createWordPressSite } from '../../adapters/wordpress/wordpress-site.ts';
import { cloneJob } from '../../core/clones/clone-job.ts';
import { deleteJob } from '../../core/clones/delete-job.ts';
import { DEFAULT_CLONE_SETTINGS } from '../../core/clones/settings.ts';
import { createEngine } from '../../core/jobs/engine.ts';
import { DEFAULT_CLONE_MANIFEST_SETTINGS } from '../../k8s/clone/settings.ts';
import type { AwsParts } from './aws-parts.ts';
import { clusterToken } from './cluster-token.ts';
import type { ConsumerEnvironment } from './environment.ts';

export type WorkerPartsEnvironment = Omit<ConsumerEnvironment, 'CONCURRENCY' | 'DRAIN_SECONDS' | 'PLUGIN_FOLDER'>;

/** @param pluginFolder where custom-migrator lies, for sites that do not have it */
export function workerParts(parts: AwsParts, environment: WorkerPartsEnvironment, pluginFolder: string) {
	const { jobs, clones, queue, ttl, secrets, clock, telemetry } = parts;
	const { CLONE_NAMESPACE: namespace, CLONE_DOMAIN: domain, CLONE_PHP: phpVersion, CLONE_PORT: port } = environment;
	const config = clusterConfig(clusterAccess(parts, environment));
	const api = new CloneApi({ config, namespace, onCall: (call) => telemetry.metric('kubernetes_calls', 1, 'count', { call }) });
	const host = new KubernetesCloneHost({
		api,
		clock,
		manifests: {
			...DEFAULT_CLONE_MANIFEST_SETTINGS,
			namespace,
			image: environment.CLONE_IMAGE,
			phpVersion,
			wpVersion: environment.CLONE_WORDPRESS,
			domain,
			dedicatedNodes: environment.CLONE_NODES === 'dedicated',
			userNamespaces: environment.CLONE_NODES === 'dedicated',
		},
		address: { scheme: environment.CLONE_SCHEME, ...(port === undefined ? {} : { port }) },
	});
	const sourceHttp = createGuardedFetch({ allowPrivate: false });
	// Clones are reached by the cluster's ingress, whose address may be private; only addresses that the host gave are called.
	const cloneHttp = createGuardedFetch({ allowPrivate: true, maxRedirects: 0 });
	const sourceAgents = createMigratorClient({ http: sourceHttp, clock, random: systemRandom });
	const databases = mysqlDatabases(parts, environment);
	const deps = {
		jobs,
		databases,
		clones,
		queue,
		ttl,
		host,
		site: createWordPressSite({ http: sourceHttp, client: sourceAgents, clock, pluginFolder }),
		sourceAgents,
		cloneAgents: createMigratorClient({ http: cloneHttp, clock, random: systemRandom }),
		secrets,
		clock,
		random: systemRandom,
		telemetry,
		settings: { ...DEFAULT_CLONE_SETTINGS, phpVersions: [phpVersion], warmPhp: phpVersion },
	};
	const engine = createEngine({
		jobs,
		queue,
		secrets,
		clock,
		random: systemRandom,
		timers: systemTimers,
		telemetry,
		definitions: [cloneJob(deps), deleteJob(deps)],
	});
	return {
		deps,
		engine,
		async close(): Promise<void> {
			await Promise.all([sourceHttp.close(), cloneHttp.close(), config.close(), databases?.close()]);
		},
	};
}

/** Names of databases and users begin with it. */
const DATABASE_PREFIX = 'clone';

function mysqlDatabases(parts: AwsParts, environment: WorkerPartsEnvironment): ManagedMysqlDatabases | undefined {
	const { MYSQL_HOST: host, MYSQL_PORT: port, MYSQL_SECRET_ARN: secretArn } = environment;
	if (host === undefined || secretArn === undefined) return undefined;
	return new ManagedMysqlDatabases({
		server: { host, port, prefix: DATABASE_PREFIX, tls: { ca: RDS_AUTHORITIES } },
		secret: () => secretText(parts, secretArn),
	});
}

/** A pod of the cluster finds it by itself; a function is told where it is. */
function clusterAccess(parts: AwsParts, environment: WorkerPartsEnvironment): ClusterAccess {
	const { KUBE_API_URL: server, KUBE_CA: caData } = environment;
	if (server === undefined || caData === undefined) return { kind: 'kubeconfig' };
	return { kind: 'token', server, caData, token: clusterToken(parts, environment) };
}
