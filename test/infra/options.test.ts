import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, Stack, Validations } from 'aws-cdk-lib';
import { AuthorizationType, MockIntegration, RestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnPolicy } from 'aws-cdk-lib/aws-iam';
import { CfnQueue } from 'aws-cdk-lib/aws-sqs';
import type { CloudAssembly } from 'aws-cdk-lib/cx-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VARIANTS } from '../../bin/synth/variants.ts';
import { parseConsumerEnvironment, parseWorkerEnvironment } from '../../lambdas/shared/environment.ts';
import { ACKNOWLEDGED, acknowledgementOf, type Finding, findings, placeOf } from '../../lib/checks/acknowledged.ts';
import { openRouteFaults } from '../../lib/checks/open-routes.ts';
import { widePermissionFaults } from '../../lib/checks/star-resources.ts';
import { plausible } from './suites/plausible.ts';
import { appOf, flat, manifestsOf, ofType, only, removeTemporaryFolders, type Stage, stageOf } from './support.ts';

afterAll(removeTemporaryFolders);
const byName = (a: string, b: string): number => a.localeCompare(b);

describe('with every option', () => {
	let stage: Stage;
	let assembly: CloudAssembly;
	beforeAll(() => {
		assembly = appOf('options').synth();
		stage = stageOf(assembly);
	});

	it('the images are made of what their Dockerfiles copy, and of nothing that changes without them', () => {
		const contexts = readdirSync(assembly.directory)
			.filter((name) => name.startsWith('asset.'))
			.map((name) => join(assembly.directory, name));
		const having = (file: string): readonly string[] => {
			const [folder = ''] = contexts.filter((context) => existsSync(join(context, file)) && existsSync(join(context, 'package-lock.json')));
			const dockerfile = readFileSync(join(folder, file), 'utf8');
			const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '));
			for (const path of copied) expect(existsSync(join(folder, path)), `${file} copies ${path}`).toBe(true);
			return [...readdirSync(folder), ...readdirSync(join(folder, 'bin')).map((name) => `bin/${name}`)].filter((name) => name !== 'bin');
		};
		const always = ['.npmrc', 'adapters', 'core', 'package-lock.json', 'package.json', 'tsconfig.json', 'wordpress'];
		expect(having('wordpress/image/Dockerfile').toSorted(byName)).toEqual([...always, 'bin/clone-image.ts'].toSorted(byName));
		expect(having('k8s/consumer/Dockerfile').toSorted(byName)).toEqual(
			[...always, 'k8s', 'lambdas', 'bin/bundle-consumer.ts', 'bin/consumer', 'bin/consumer.ts'].toSorted(byName),
		);
	});

	it('consumers have nodes of their own, that are packed', () => {
		const pool = manifestsOf(stage.cluster).find(({ kind, metadata }) => kind === 'NodePool' && metadata.name === 'consumers');
		expect(pool.spec.template.spec.taints).toBeUndefined();
		expect(pool.spec.disruption.consolidationPolicy).toBe('WhenEmptyOrUnderutilized');
	});

	it('the worker is pods that KEDA scales, and no function reads the same queue', () => {
		expect(ofType(stage.service, 'AWS::Lambda::EventSourceMapping')).toEqual([]);
		expect(
			ofType(stage.service, 'AWS::Lambda::Function')
				.map(({ id }) => id.replace(/Function\w+$/, ''))
				.sort(),
		).toEqual(['Api', 'Sweep']);
		const { spec } = manifestsOf(stage.service).find(({ kind }) => kind === 'ScaledObject') ?? {};
		expect(spec).toMatchObject({ minReplicaCount: 2, maxReplicaCount: 20 });
		expect(spec.triggers[0].metadata).toMatchObject({ queueLength: '5', scaleOnInFlight: 'true', awsRegion: 'eu-central-1' });
	});

	it('the pods get their role before they start, and what they need to know', () => {
		const associations = [
			...ofType(stage.cluster, 'AWS::EKS::PodIdentityAssociation'),
			...ofType(stage.service, 'AWS::EKS::PodIdentityAssociation'),
		];
		const accounts = associations.map(({ Properties }) => `${Properties.Namespace}/${Properties.ServiceAccount}`);
		expect(accounts.toSorted(byName)).toEqual([
			'clone-system/consumer',
			'keda/keda-operator',
			'kube-system/aws-for-fluent-bit',
			'kube-system/aws-load-balancer-controller',
			'kube-system/karpenter',
		]);
		const manifest = only(stage.service, 'Custom::AWSCDK-EKS-KubernetesResource');
		expect(manifest.DependsOn).toContain(only(stage.service, 'AWS::EKS::PodIdentityAssociation').id);
		const deployment = manifestsOf(stage.service).find(({ kind }) => kind === 'Deployment');
		const { env, image } = deployment.spec.template.spec.containers[0];
		const variables = Object.fromEntries(env.map(({ name, value }: { name: string; value: string }) => [name, value]));
		expect(parseConsumerEnvironment(plausible(variables))).toMatchObject({
			STAGE: 'production',
			DRAIN_SECONDS: 150,
			CLONE_NODES: 'dedicated',
			MYSQL_PORT: 13_306,
		});
		expect(env.map(({ name }: { name: string }) => name)).toEqual(
			expect.arrayContaining(['TABLE_NAME', 'QUEUE_URL', 'MYSQL_HOST', 'MYSQL_SECRET_ARN']),
		);
		expect(image).toMatch(/container-assets/);
		expect(deployment.spec.template.spec.terminationGracePeriodSeconds).toBe(150);
	});

	it('KEDA may ask one queue how long it is', () => {
		const { Statement } = only(stage.cluster, 'AWS::IAM::Policy', 'ScalerOperator').Properties.PolicyDocument;
		expect(Statement).toHaveLength(1);
		expect(Statement[0].Action).toBe('sqs:GetQueueAttributes');
		expect(flat(Statement[0].Resource)).toMatch(/:wp-clone-production-jobs$/);
	});

	it('the consumers may do what the worker function may', () => {
		const { Statement } = only(stage.service, 'AWS::IAM::Policy', 'ConsumerPodsRole').Properties.PolicyDocument;
		const actions: string[] = Statement.flatMap(({ Action }: { Action: string | string[] }) => Action);
		expect(actions).toEqual(
			expect.arrayContaining(['dynamodb:UpdateItem', 'kms:Decrypt', 'sqs:ReceiveMessage', 'scheduler:CreateSchedule']),
		);
		expect(actions).not.toContain('dynamodb:Scan');
	});

	it('MySQL refuses connections in the clear', () => {
		expect(only(stage.cluster, 'AWS::RDS::DBParameterGroup').Properties.Parameters).toMatchObject({ require_secure_transport: '1' });
	});

	it('MySQL is in subnets without a way out, open to the nodes and the functions only', () => {
		const { Properties } = only(stage.cluster, 'AWS::RDS::DBInstance');
		expect(Properties).toMatchObject({
			Engine: 'mysql',
			StorageEncrypted: true,
			ManageMasterUserPassword: true,
			PubliclyAccessible: false,
			Port: '13306',
		});
		expect(JSON.stringify(Properties)).not.toContain('"MasterUserPassword"');
		const policy = manifestsOf(stage.cluster).find(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'clones');
		expect(policy.spec.egress.at(-1)).toEqual({ to: [{ ipBlock: { cidr: '10.0.160.0/23' } }], ports: [{ port: 13_306, protocol: 'TCP' }] });
		const subnets = ofType(stage.cluster, 'AWS::EC2::Subnet')
			.filter(({ id }) => id.includes('databases'))
			.map(({ Properties: { CidrBlock } }) => CidrBlock);
		expect(subnets).toEqual(['10.0.160.0/24', '10.0.161.0/24']);
		const sweep = ofType(stage.service, 'AWS::Lambda::Function').find(({ id }) => id.startsWith('Sweep'));
		expect(sweep?.Properties.VpcConfig.SubnetIds).toHaveLength(2);
	});

	it('callers have tokens of a pool that is kept', () => {
		const methods = ofType(stage.service, 'AWS::ApiGateway::Method').map(({ Properties }) => Properties);
		const closed = methods.filter(({ AuthorizationType }) => AuthorizationType !== 'NONE');
		expect(closed.length).toBeGreaterThan(10);
		for (const method of closed) {
			expect(method).toMatchObject({
				AuthorizationType: 'COGNITO_USER_POOLS',
				AuthorizationScopes: ['wp-clone-production/use', 'aws.cognito.signin.user.admin'],
			});
		}
		expect(methods.length - closed.length).toBe(4);
		expect(only(stage.data, 'AWS::Cognito::UserPool')).toMatchObject({
			DeletionPolicy: 'Retain',
			Properties: { DeletionProtection: 'ACTIVE' },
		});
		expect(only(stage.data, 'AWS::Cognito::UserPool').Properties.AdminCreateUserConfig).toEqual({ AllowAdminCreateUserOnly: true });
	});

	it('people need a second factor, programs a secret, and neither does with what is meant for the other', () => {
		const { MfaConfiguration, EnabledMfas } = only(stage.data, 'AWS::Cognito::UserPool').Properties;
		expect({ MfaConfiguration, EnabledMfas }).toEqual({ MfaConfiguration: 'ON', EnabledMfas: ['SOFTWARE_TOKEN_MFA'] });
		const people = only(stage.data, 'AWS::Cognito::UserPoolClient', 'CallersPeople').Properties;
		expect(people).toMatchObject({
			AllowedOAuthFlowsUserPoolClient: false,
			ExplicitAuthFlows: ['ALLOW_USER_SRP_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
		});
		const programs = only(stage.data, 'AWS::Cognito::UserPoolClient', 'CallersPrograms').Properties;
		expect(programs).toMatchObject({ GenerateSecret: true, AllowedOAuthFlows: ['client_credentials'] });
	});

	it('a rollout is linear, and only of what is a function', () => {
		const [group, ...more] = ofType(stage.service, 'AWS::CodeDeploy::DeploymentGroup');
		expect(more).toEqual([]);
		expect(group?.Properties.DeploymentConfigName).toBe('CodeDeployDefault.LambdaLinear10PercentEvery1Minute');
	});
});

describe('with MySQL and the worker as a function', () => {
	it('the worker is in the network, from which alone the server is reached', () => {
		const stage = stageOf(appOf('mysql').synth());
		const worker = ofType(stage.service, 'AWS::Lambda::Function').find(({ id }) => id.startsWith('Worker'));
		expect(worker?.Properties.VpcConfig.SubnetIds).toHaveLength(2);
		expect(ofType(stage.service, 'AWS::Lambda::Function').find(({ id }) => id.startsWith('Api'))?.Properties.VpcConfig).toBeUndefined();
		const ports = ofType(stage.service, 'AWS::EC2::SecurityGroupIngress').map(({ Properties }) => Properties.FromPort);
		expect(ports).toEqual([13_306, 13_306]);
		const { Environment } = worker?.Properties ?? {};
		expect(parseWorkerEnvironment(plausible(Environment.Variables))).toMatchObject({ MYSQL_PORT: 13_306 });
	});
});

describe('with a pipeline', () => {
	it('staging goes first, is looked at, and somebody lets it on', () => {
		const assembly = appOf('pipeline').synth();
		const { Resources } = assembly.getStackByName('wp-clone-pipeline').template;
		const pipeline = Object.values(Resources as Record<string, { Type: string; Properties: never }>).find(
			({ Type }) => Type === 'AWS::CodePipeline::Pipeline',
		);
		const { Stages } = pipeline?.Properties ?? {
			Stages: [] as { Name: string; Actions: { Name: string; ActionTypeId: { Category: string } }[] }[],
		};
		expect(Stages.map(({ Name }: { Name: string }) => Name)).toEqual([
			'Source',
			'Build',
			'UpdatePipeline',
			'Assets',
			'staging',
			'production',
		]);
		const categories = (name: string): string[] =>
			Stages.find(({ Name }: { Name: string }) => Name === name)?.Actions.map(
				({ ActionTypeId }: { ActionTypeId: { Category: string } }) => ActionTypeId.Category,
			) ?? [];
		expect(categories('production')).toContain('Approval');
		expect(categories('staging')).not.toContain('Approval');
		expect(categories('staging')).toContain('Build');
		const nested = assembly.nestedAssemblies.map(({ displayName }) => displayName);
		expect(nested.toSorted(byName)).toEqual(['wp-clone-pipeline/production', 'wp-clone-pipeline/staging']);
	});
});

interface Acknowledged {
	readonly finding: Finding;
	readonly reason: string;
}

/** Findings of cdk-nag that are acknowledged below an app, by whomever; the CDK itself does so only with those of its own checks. */
function acknowledgedIn(app: App): readonly Acknowledged[] {
	return app.node.findAll().flatMap(({ node }) =>
		node.metadata
			.filter(({ type }) => type === Validations.ACKNOWLEDGED_RULES_METADATA_KEY)
			.flatMap(({ data }) => Object.entries<string>(data))
			.map(([id, reason]) => [id.replace('Annotation::', ''), reason] as const)
			.filter(([id]) => id.startsWith('AwsSolutions-'))
			.map(([id, reason]) => ({ finding: { id, path: node.path }, reason })),
	);
}

describe('the checks of every synth', () => {
	it('find nothing that is not acknowledged in any variant, whatever a stage is called', () => {
		for (const { name } of VARIANTS) expect(findings(appOf(name)), name).toEqual([]);
		expect(findings(appOf('options', { stage: 'try-out', stages: { 'try-out': {} } }))).toEqual([]);
	});

	it('acknowledge by ten decisions at most, each with a reason of its own, every rule and place in them found', () => {
		expect(ACKNOWLEDGED.length).toBeLessThanOrEqual(10);
		expect(new Set(ACKNOWLEDGED.map(({ reason }) => reason)).size).toBe(ACKNOWLEDGED.length);
		const found = VARIANTS.flatMap(({ name }) => acknowledgedIn(appOf(name)));
		for (const { finding, reason } of found) expect(acknowledgementOf(finding)?.reason, `${finding.id} ${finding.path}`).toBe(reason);
		for (const entry of ACKNOWLEDGED) {
			const { rules, places, reason } = entry;
			expect(reason.length).toBeGreaterThan(60);
			const own = found.map(({ finding }) => finding).filter((finding) => acknowledgementOf(finding) === entry);
			const unfound = rules.filter((rule) => !own.some(({ id }) => id.startsWith(`AwsSolutions-${rule}`)));
			const empty = places.filter((place) => !own.some(({ path }) => placeOf(path).startsWith(place)));
			expect({ unfound, empty }, reason).toEqual({ unfound: [], empty: [] });
		}
	});

	it('acknowledges nothing that is found elsewhere', () => {
		const wide = 'AwsSolutions-IAM5[Resource::*]';
		expect(acknowledgementOf({ id: wide, path: 'wp-clone-production-service/Sweep/Role/DefaultPolicy/Resource' })).toBeDefined();
		expect(acknowledgementOf({ id: wide, path: 'wp-clone-production-service/New/Role/DefaultPolicy/Resource' })).toBeUndefined();
		expect(acknowledgementOf({ id: wide, path: 'wp-clone-production-service/Sweep/RoleOfAnother/Resource' })).toBeUndefined();
		expect(acknowledgementOf({ id: 'AwsSolutions-RDS2', path: 'wp-clone-production-cluster/MySql/Instance/Resource' })).toBeUndefined();
		const administrator = 'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AdministratorAccess]';
		expect(acknowledgementOf({ id: administrator, path: 'wp-clone-production-cluster/Karpenter/NodeRole/Resource' })).toBeUndefined();
		expect(
			acknowledgementOf({ id: 'AwsSolutions-IAM5[Action::s3:*]', path: 'wp-clone-production-service/Sweep/Role/DefaultPolicy/Resource' }),
		).toBeUndefined();
	});

	it('fail synth on a queue without TLS, which cdk-nag sees', () => {
		const app = appOf('default');
		new CfnQueue(new Stack(app, 'more'), 'Plain');
		expect(() => app.synth()).toThrow('AwsSolutions-SQS4');
	});

	it('another route without authorisation fails synth', () => {
		const app = appOf('default');
		const api = new RestApi(new Stack(app, 'more'), 'Api', { cloudWatchRole: false });
		api.root.resourceForPath('/api/v2/secrets').addMethod('GET', new MockIntegration(), { authorizationType: AuthorizationType.NONE });
		expect(openRouteFaults(app)).toEqual([expect.stringMatching(/^GET \/api\/v2\/secrets needs no authorisation/)]);
		expect(() => app.synth()).toThrow(/GET \/api\/v2\/secrets needs no authorisation/);
	});

	it.each([
		['s3:*', 'arn:aws:s3:::bucket', /allows s3:\*: name the actions/],
		['s3:GetObject', '*', /allows s3:GetObject on every resource/],
	])('a policy that allows %s on %s fails synth', (Action, Resource, sentence) => {
		const app = appOf('default');
		new CfnPolicy(new Stack(app, 'more'), 'Wide', {
			policyName: 'wide',
			roles: ['role'],
			policyDocument: { Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] },
		});
		expect(widePermissionFaults(app)).toEqual([expect.stringMatching(sentence)]);
		expect(() => app.synth()).toThrow(sentence);
	});
});
