import { resolve } from 'node:path';
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { type IVpc, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { NodejsFunction, OutputFormat } from 'aws-cdk-lib/aws-lambda-nodejs';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { BUNDLE_OPTIONS, type LambdaBundle } from '../../../lambdas/bundles.ts';

const ROOT = resolve(import.meta.dirname, '../../..');

export interface ServiceFunctionProps {
	readonly description: string;
	/** What is bundled (lambdas/bundles.ts). */
	readonly bundle: LambdaBundle;
	readonly timeout: Duration;
	readonly memorySize: number;
	readonly environment: Readonly<Record<string, string>>;
	readonly logRetention: RetentionDays;
	/** Only where it has to reach something private. */
	readonly vpc?: IVpc;
}

/** A function of the service: its bundle, its log, and a role of its own that may write its log and its traces. */
export class ServiceFunction extends Construct {
	readonly function: NodejsFunction;
	readonly role: Role;
	readonly logGroup: LogGroup;

	constructor(scope: Construct, id: string, props: ServiceFunctionProps) {
		super(scope, id);
		this.logGroup = new LogGroup(this, 'Log', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY });
		this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
		this.role.addToPolicy(
			new PolicyStatement({ actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [this.logGroup.logGroupArn] }),
		);
		if (props.vpc !== undefined) this.role.addToPolicy(networkInterfaces());
		this.function = new NodejsFunction(this, 'Function', {
			description: props.description,
			entry: resolve(ROOT, props.bundle.entry),
			depsLockFilePath: resolve(ROOT, 'package-lock.json'),
			handler: 'handler',
			runtime: Runtime.NODEJS_24_X,
			architecture: Architecture.ARM_64,
			timeout: props.timeout,
			memorySize: props.memorySize,
			role: this.role,
			tracing: Tracing.ACTIVE,
			logGroup: this.logGroup,
			environment: {
				...props.environment,
				NODE_OPTIONS: '--enable-source-maps',
			},
			...(props.vpc === undefined ? {} : { vpc: props.vpc, vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS } }),
			bundling: {
				format: OutputFormat.ESM,
				target: BUNDLE_OPTIONS.target,
				minify: BUNDLE_OPTIONS.minify,
				sourceMap: BUNDLE_OPTIONS.sourcemap,
				sourcesContent: BUNDLE_OPTIONS.sourcesContent,
				mainFields: [...BUNDLE_OPTIONS.mainFields],
				banner: BUNDLE_OPTIONS.banner.js,
				// Everything is in the bundle: what was tested is what runs.
				externalModules: [],
				commandHooks: {
					beforeBundling: () => [],
					beforeInstall: () => [],
					afterBundling: (_input, output) => copies(output, props.bundle.files),
				},
			},
		});
	}
}

function copies(output: string, files: Readonly<Record<string, string>>): string[] {
	return Object.entries(files).flatMap(([from, to]) => [
		`mkdir -p "$(dirname "${output}/${to}")"`,
		`cp -RL "${resolve(ROOT, from)}" "${output}/${to}"`,
	]);
}

/** Lambda makes them itself, before it knows their ids; so says its manual, with `*`. */
function networkInterfaces(): PolicyStatement {
	return new PolicyStatement({
		actions: ['ec2:CreateNetworkInterface', 'ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets', 'ec2:DeleteNetworkInterface'],
		resources: ['*'],
	});
}

export const API_TIMEOUT = Duration.seconds(29);
/** One turn with a job: several steps of a few seconds. */
export const WORKER_TIMEOUT = Duration.seconds(120);
export const SWEEP_TIMEOUT = Duration.seconds(55);
