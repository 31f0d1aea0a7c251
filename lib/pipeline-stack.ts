/**
 * Deploys from a repository: synth and tests → staging → a look at its health → somebody's approval → production. It
 * changes itself first when the repository says so. Settings come from `context` in the repository's cdk.json.
 */
import { Duration, type Environment, RemovalPolicy, Stack, type StackProps, Stage, Tags } from 'aws-cdk-lib';
import { ComputeType, LinuxBuildImage } from 'aws-cdk-lib/aws-codebuild';
import { Pipeline, PipelineType } from 'aws-cdk-lib/aws-codepipeline';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { CodeBuildStep, CodePipeline, CodePipelineSource, ManualApprovalStep, ShellStep } from 'aws-cdk-lib/pipelines';
import type { Construct } from 'constructs';
import { PRODUCT } from './names.ts';
import type { ServiceStack } from './service-stack.ts';
import type { PipelineSettings, StageConfig } from './stage-config.ts';

export interface PipelineStackProps extends StackProps {
	readonly pipeline: PipelineSettings;
	/** In the order of their deployment; the last after an approval. */
	readonly stages: readonly StageConfig[];
	/** Adds a stage's stacks below a construct. */
	readonly addStage: (scope: Construct, config: StageConfig, ambient: Environment) => { readonly service: ServiceStack };
}

const ARTIFACT_DAYS = 30;

export class PipelineStack extends Stack {
	constructor(scope: Construct, id: string, props: PipelineStackProps) {
		super(scope, id, { description: 'WordPress clones: deployment from the repository', ...props });
		Tags.of(this).add('application', PRODUCT);
		const { connectionArn, repository, branch } = {
			connectionArn: props.pipeline.pipelineConnectionArn,
			repository: props.pipeline.pipelineRepository,
			branch: props.pipeline.pipelineBranch,
		};
		const pipeline = new CodePipeline(this, 'Deploy', {
			codePipeline: new Pipeline(this, 'Pipeline', {
				pipelineName: `${PRODUCT}-deploy`,
				pipelineType: PipelineType.V2,
				artifactBucket: artifacts(this),
				restartExecutionOnUpdate: true,
			}),
			synth: new CodeBuildStep('Synth', {
				input: CodePipelineSource.connection(repository, branch, { connectionArn }),
				commands: ['npm ci', 'npm test', 'npx cdk synth --strict --quiet'],
				primaryOutputDirectory: 'cdk.out',
			}),
			codeBuildDefaults: {
				buildEnvironment: { buildImage: LinuxBuildImage.STANDARD_7_0, computeType: ComputeType.MEDIUM },
				timeout: Duration.hours(2),
			},
		});
		const last = props.stages.at(-1);
		for (const config of props.stages) {
			const stage = new Stage(this, config.stage, { env: props.env });
			const { service } = props.addStage(stage, config, props.env ?? {});
			pipeline.addStage(stage, {
				pre:
					config === last && props.stages.length > 1
						? [new ManualApprovalStep(`To${config.stage}`, { comment: `Deploy to ${config.stage}?` })]
						: [],
				post: [
					new ShellStep(`${config.stage}Answers`, {
						envFromCfnOutputs: { ENDPOINT: service.endpoint },
						commands: ['curl --fail --silent --show-error --retry 5 --retry-all-errors "$ENDPOINT"health'],
					}),
				],
			});
		}
		// Now rather than at synth: the checks look at what is there.
		pipeline.buildPipeline();
	}
}

/** Encrypted with a key of its own, as stages in other accounts need; read over TLS only. */
function artifacts(scope: Construct): Bucket {
	const common = {
		enforceSSL: true,
		minimumTLSVersion: 1.2,
		blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
		lifecycleRules: [{ expiration: Duration.days(ARTIFACT_DAYS) }],
		removalPolicy: RemovalPolicy.RETAIN,
	};
	return new Bucket(scope, 'Artifacts', {
		...common,
		encryption: BucketEncryption.KMS,
		encryptionKey: new Key(scope, 'ArtifactKey', { enableKeyRotation: true, removalPolicy: RemovalPolicy.RETAIN }),
		serverAccessLogsBucket: new Bucket(scope, 'ArtifactLogs', { ...common, encryption: BucketEncryption.S3_MANAGED }),
	});
}
