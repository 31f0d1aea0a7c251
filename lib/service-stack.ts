/** The service itself: API, queue, workers, schedules, and what watches over them. Fast to deploy, changed often. */
import { CfnOutput, Duration, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import { CfnAccessEntry } from 'aws-cdk-lib/aws-eks';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IGrantable, IRole } from 'aws-cdk-lib/aws-iam';
import type { Function as Handler } from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import type { Construct } from 'constructs';
import { LAMBDA_BUNDLES } from '../lambdas/bundles.ts';
import type { ClusterStack } from './cluster-stack.ts';
import { CLONE_NAMESPACE } from './constructs/cluster/clone-platform.ts';
import { MYSQL_PORT } from './constructs/cluster/mysql-server.ts';
import { Alarms } from './constructs/service/alarms.ts';
import { Consumer } from './constructs/service/consumer.ts';
import { Dashboards } from './constructs/service/dashboards.ts';
import { allow, grantKey, grantReceive, grantSend, grantTable } from './constructs/service/grants.ts';
import { JobQueue } from './constructs/service/job-queue.ts';
import { RestApi } from './constructs/service/rest-api.ts';
import { LiveAlias, Rollout } from './constructs/service/rollout.ts';
import { SavedQueries } from './constructs/service/saved-queries.ts';
import {
	API_TIMEOUT,
	ServiceFunction,
	type ServiceFunctionProps,
	SWEEP_TIMEOUT,
	WORKER_TIMEOUT,
} from './constructs/service/service-function.ts';
import { TtlSchedules } from './constructs/service/ttl-schedules.ts';
import type { DataStack } from './data-stack.ts';
import { API_GROUP, namesOf, PRODUCT, type StageNames, WORKER_GROUP } from './names.ts';
import type { StageConfig } from './stage-config.ts';

export interface ServiceStackProps extends StackProps {
	readonly config: StageConfig;
	readonly data: DataStack;
	readonly cluster: ClusterStack;
}

/** Messages that one invocation carries on side by side; a job mostly waits for a site. */
const BATCH = 5;
export class ServiceStack extends Stack {
	/** The API's address, with a slash at its end. */
	readonly endpoint: CfnOutput;
	readonly #props: ServiceStackProps;
	readonly #names: StageNames;
	readonly #jobs: JobQueue;
	readonly #schedules: TtlSchedules;

	constructor(scope: Construct, id: string, props: ServiceStackProps) {
		super(scope, id, { description: 'WordPress clones: the service', ...props });
		Tags.of(this).add('application', PRODUCT);
		const { config, data, cluster } = props;
		this.#props = props;
		this.#names = namesOf(config);
		const names = this.#names;
		this.#jobs = new JobQueue(this, 'Jobs', { name: names.jobQueue });
		this.#schedules = new TtlSchedules(this, 'Schedules', { name: names.scheduleGroup, jobs: this.#jobs });

		const apiFunction = this.#function('Api', {
			description: 'Answers the HTTP API',
			bundle: LAMBDA_BUNDLES.api,
			timeout: API_TIMEOUT,
			memorySize: 1024,
		});
		this.#work(apiFunction.role, API_GROUP);
		const sweep = this.#sweep();
		const worker = config.worker === 'lambda' ? this.#worker() : null;
		if (worker === null) this.#consumer();

		const live = new LiveAlias(this, 'ApiLive', { function: apiFunction.function, errorsAMinute: 1, what: 'API' });
		const workerLive = worker === null ? null : this.#workerLive(worker);
		const { api } = new RestApi(this, 'Rest', {
			name: names.api,
			stage: config.stage,
			handler: live.alias,
			callers: data.callers,
			logRetention: config.logRetentionDays,
		});
		const functions: Record<string, Handler> = {
			Api: apiFunction.function,
			...(worker === null ? {} : { Worker: worker.function }),
			Sweep: sweep.function,
		};
		const aliases = { Api: live, ...(workerLive === null ? {} : { Worker: workerLive }) };
		const alarms = new Alarms(this, 'Alarms', {
			stage: config.stage,
			email: config.alarmEmail,
			jobs: this.#jobs,
			api,
			functions,
			warmPool: config.warmPool,
			others: Object.values(aliases).map(({ errors }) => errors),
		});
		new Rollout(this, 'Rollout', { rollout: config.rollout, aliases, alarms: [alarms.apiFaults] });
		new SavedQueries(this, 'Queries', {
			folder: names.api,
			logGroups: [apiFunction, sweep, ...(worker === null ? [] : [worker])]
				.map(({ logGroup }) => logGroup)
				.concat(cluster.scaler?.log ?? []),
		});
		const dashboards = new Dashboards(this, 'Dashboards', {
			name: names.api,
			stage: config.stage,
			jobs: this.#jobs,
			functions,
			api,
			table: data.table,
			clusterName: names.eksCluster,
			loadBalancer: cluster.frontDoor.loadBalancer,
			targets: cluster.frontDoor.targets,
		});
		this.endpoint = new CfnOutput(this, 'Endpoint', { value: api.url });
		this.#say(dashboards.addresses);
	}

	#worker(): ServiceFunction {
		const worker = this.#function('Worker', {
			description: 'Carries jobs on',
			bundle: LAMBDA_BUNDLES.worker,
			timeout: WORKER_TIMEOUT,
			memorySize: 1024,
		});
		this.#work(worker.role, WORKER_GROUP);
		this.#reachMySql(worker);
		return worker;
	}

	#workerLive(worker: ServiceFunction): LiveAlias {
		const live = new LiveAlias(this, 'WorkerLive', { function: worker.function, errorsAMinute: 3, what: 'Worker' });
		grantReceive(worker.role, this.#jobs.queue);
		live.alias.addEventSource(
			new SqsEventSource(this.#jobs.queue, { batchSize: BATCH, maxConcurrency: this.#props.config.workers, reportBatchItemFailures: true }),
		);
		return live;
	}

	#sweep(): ServiceFunction {
		const sweep = this.#function('Sweep', {
			description: 'Finds lost jobs and clones past their time, and refills the warm pool',
			bundle: LAMBDA_BUNDLES.sweep,
			timeout: SWEEP_TIMEOUT,
			memorySize: 512,
		});
		this.#work(sweep.role, WORKER_GROUP);
		this.#reachMySql(sweep);
		new Rule(this, 'EveryMinute', {
			schedule: Schedule.rate(Duration.minutes(1)),
			// A sweep that did not start is not worth starting later: the next one does its work.
			targets: [new LambdaFunction(sweep.function, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
		});
		return sweep;
	}

	#consumer(): void {
		const { config, cluster } = this.#props;
		const consumer = new Consumer(this, 'Consumer', {
			cluster: cluster.cluster,
			clusterName: this.#names.eksCluster,
			jobs: this.#jobs,
			mostWorkers: config.workers,
			environment: this.#environment(),
		});
		this.#work(consumer.pods.role, null);
		grantReceive(consumer.pods.role, this.#jobs.queue);
		if (cluster.mysql !== null) this.#readMySqlSecret(consumer.pods.role, cluster.mysql.secretArn);
	}

	#function(id: string, props: Pick<ServiceFunctionProps, 'description' | 'bundle' | 'timeout' | 'memorySize'>): ServiceFunction {
		const { config, cluster } = this.#props;
		return new ServiceFunction(this, id, {
			...props,
			environment: { ...this.#environment(), ...this.#clusterAddress() },
			logRetention: config.logRetentionDays,
			// The worker reaches the internet and the cluster's endpoint from outside the network; a database only from inside.
			...(cluster.mysql === null || id === 'Api' ? {} : { vpc: cluster.vpc }),
		});
	}

	/** What lambdas/shared/environment.ts reads. */
	#environment(): Readonly<Record<string, string>> {
		const { config, data, cluster } = this.#props;
		return {
			STAGE: config.stage,
			AUTH: config.auth,
			TABLE_NAME: data.table.tableName,
			KMS_KEY_ID: data.key.keyId,
			QUEUE_URL: this.#jobs.queue.queueUrl,
			QUEUE_ARN: this.#jobs.queue.queueArn,
			SCHEDULE_GROUP: this.#schedules.groupName,
			SCHEDULE_ROLE_ARN: this.#schedules.role.roleArn,
			SCHEDULE_DLQ_ARN: this.#jobs.dead.queueArn,
			CLUSTER_NAME: this.#names.eksCluster,
			CLONE_DOMAIN: config.domain,
			CLONE_NAMESPACE,
			CLONE_IMAGE: cluster.cloneImage,
			WARM_POOL: String(config.warmPool),
			// Nodes of our own, which run each pod in a user namespace.
			CLONE_NODES: 'dedicated',
			...(cluster.mysql === null
				? {}
				: {
						MYSQL_HOST: cluster.mysql.instance.dbInstanceEndpointAddress,
						MYSQL_PORT: String(MYSQL_PORT),
						MYSQL_SECRET_ARN: cluster.mysql.secretArn,
					}),
		};
	}

	/** For functions; a pod of the cluster finds it by itself. */
	#clusterAddress(): Readonly<Record<string, string>> {
		const { cluster } = this.#props.cluster;
		return { KUBE_API_URL: cluster.clusterEndpoint, KUBE_CA: cluster.clusterCertificateAuthorityData };
	}

	/** Table, key, queue, schedules; and the cluster, as a member of `group`. Pods of the cluster have its own accounts. */
	#work(role: IRole & IGrantable, group: string | null): void {
		const { data } = this.#props;
		grantTable(role, data.table);
		grantKey(role, data.key);
		grantSend(role, this.#jobs.queue);
		this.#schedules.grant(role);
		if (group === null) return;
		new CfnAccessEntry(this, `ClusterAccess-${role.node.scope?.node.id ?? ''}`, {
			clusterName: this.#names.eksCluster,
			principalArn: role.roleArn,
			kubernetesGroups: [group],
			type: 'STANDARD',
		});
	}

	#reachMySql(fn: ServiceFunction): void {
		const { mysql } = this.#props.cluster;
		if (mysql === null) return;
		this.#readMySqlSecret(fn.role, mysql.secretArn);
		mysql.allowFrom(this, `MySqlFrom${fn.node.id}`, fn.function);
	}

	#readMySqlSecret(role: IGrantable, secretArn: string): void {
		allow(role, ['secretsmanager:GetSecretValue'], [secretArn]);
	}

	#say(dashboards: Readonly<Record<string, string>>): void {
		const { config } = this.#props;
		const outputs: Record<string, string> = {
			Region: this.region,
			QueueUrl: this.#jobs.queue.queueUrl,
			DeadLetterQueueUrl: this.#jobs.dead.queueUrl,
			Kubectl: `aws eks update-kubeconfig --name ${this.#names.eksCluster} --region ${this.region}`,
			Clones: `https://{clone_id}.${config.domain}`,
		};
		for (const [name, address] of Object.entries(dashboards)) outputs[`Dashboard${name}`] = address;
		for (const [name, value] of Object.entries(outputs)) {
			new CfnOutput(this, `Say${name}`, { value }).overrideLogicalId(name);
		}
	}
}
