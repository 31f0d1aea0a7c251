/** The stacks of a configuration, and the checks that every synth makes. */
import { type App, type Environment, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import type { Construct } from 'constructs';
import { acknowledgeKnownFindings } from './checks/acknowledged.ts';
import { openRouteFaults } from './checks/open-routes.ts';
import { widePermissionFaults } from './checks/star-resources.ts';
import { ClusterStack } from './cluster-stack.ts';
import { DataStack } from './data-stack.ts';
import { namesOf } from './names.ts';
import { PipelineStack } from './pipeline-stack.ts';
import { ServiceStack } from './service-stack.ts';
import type { AppConfig, StageConfig } from './stage-config.ts';

export interface StageStacks {
	readonly data: DataStack;
	readonly cluster: ClusterStack;
	readonly service: ServiceStack;
}

/** @param ambient where the CLI's credentials lead, for a stage that names no account or region of its own */
export function addStacks(app: App, config: AppConfig, ambient: Environment): void {
	const { pipeline, stages } = config;
	if (pipeline === null) for (const stage of stages) addStage(app, stage, ambient);
	else {
		// It lives where its last stage does.
		const env = environmentOf(stages.at(-1), ambient);
		new PipelineStack(app, 'wp-clone-pipeline', { env, pipeline, stages, addStage });
	}
	app.node.addValidation({ validate: () => [...openRouteFaults(app), ...widePermissionFaults(app)] });
	acknowledgeKnownFindings(app);
	Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
}

function environmentOf(config: StageConfig | undefined, ambient: Environment): Environment {
	return { account: config?.account ?? ambient.account, region: config?.region ?? ambient.region };
}

/** Data, then Cluster, then Service. */
export function addStage(scope: Construct, config: StageConfig, ambient: Environment): StageStacks {
	const names = namesOf(config);
	const env = environmentOf(config, ambient);
	const data = new DataStack(scope, names.data, { stackName: names.data, env, config });
	const cluster = new ClusterStack(scope, names.cluster, { stackName: names.cluster, env, config, data });
	const service = new ServiceStack(scope, names.service, { stackName: names.service, env, config, data, cluster });
	service.addStackDependency(cluster, 'the cluster and the image must be there');
	return { data, cluster, service };
}
