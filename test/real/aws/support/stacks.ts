/** The synthesized Data and Service stacks in the emulator; what the cluster stack would export is given. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import {
	CloudFormationClient,
	CreateStackCommand,
	DescribeStackEventsCommand,
	DescribeStacksCommand,
	type Stack,
	UpdateStackCommand,
} from '@aws-sdk/client-cloudformation';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { App } from 'aws-cdk-lib';
import type { CloudAssembly } from 'aws-cdk-lib/cx-api';
import { zipSync } from 'fflate';
import { addStacks } from '../../../../lib/app.ts';
import { FEATURE_FLAGS } from '../../../../lib/feature-flags.ts';
import { appConfig } from '../../../../lib/stage-config.ts';
import type { Emulator } from './emulator.ts';
import { clientOptions } from './resources.ts';
import { type StackTemplate, stripped } from './strip.ts';

/** The emulator's only account. */
const ACCOUNT = '000000000000';

export interface DeployedStacks {
	readonly data: Readonly<Record<string, string>>;
	readonly service: Readonly<Record<string, string>>;
	/** By stack: what the emulator does not take. */
	readonly removed: readonly string[];
	/** Of the API, without a slash at its end. */
	readonly endpoint: string;
	/** Deploys the service again, as a change of its functions' environment would be: with new versions behind the aliases. */
	redeploy(environment: FunctionEnvironment): Promise<void>;
	/** The folder of the templates. */
	remove(): void;
}

/** By the construct's name (`Api`, `Worker`, `Sweep`): variables to set beside those that were synthesized, or in their place. */
export type FunctionEnvironment = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface ClusterFacts {
	readonly endpoint: string;
	/** The authority, PEM in base64. */
	readonly ca: string;
}

/**
 * @param settings over `auth: "cognito"`, because the emulator passes no IAM caller on
 * @param environment what the functions have to know of a cluster that is not EKS
 */
export async function deployStacks(
	emulator: Emulator,
	cluster: ClusterFacts,
	settings: Readonly<Record<string, unknown>> = {},
	environment: FunctionEnvironment = {},
): Promise<DeployedStacks> {
	const folder = mkdtempSync(join(tmpdir(), 'stacks-'));
	const assembly = synthesize(folder, settings);
	const bucket = `cdk-hnb659fds-assets-${ACCOUNT}-${emulator.region}`;
	const s3 = new S3Client({ ...clientOptions(emulator), forcePathStyle: true });
	await s3.send(new CreateBucketCommand({ Bucket: bucket }));
	const put = (Key: string, Body: string | Uint8Array) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
	const cfn = new CloudFormationClient(clientOptions(emulator));
	const removed: string[] = [];

	/** How often each function was changed. */
	const generations = new Map<string, number>();

	async function uploaded(kind: StackKind, imported: Readonly<Record<string, string>>, variables: FunctionEnvironment) {
		const StackName = `wp-clone-production-${kind}`;
		const { template: synthesized } = assembly.getStackByName(StackName) as { template: StackTemplate };
		const { template, removed: left } = stripped(synthesized, imported);
		setEnvironment(template, variables);
		await put(`${StackName}.json`, ofGenerations(JSON.stringify(template), generations));
		const TemplateURL = `${emulator.url}/${bucket}/${StackName}.json`;
		return { left, request: { StackName, TemplateURL, Capabilities: ['CAPABILITY_NAMED_IAM' as const] } };
	}
	async function deploy(kind: StackKind, imported: Readonly<Record<string, string>>): Promise<Stack> {
		const { left, request } = await uploaded(kind, imported, kind === 'service' ? environment : {});
		removed.push(...left);
		await uploadAssets(folder, request.StackName, put);
		await cfn.send(new CreateStackCommand({ ...request, OnFailure: 'DO_NOTHING' }));
		return complete(cfn, request.StackName);
	}
	const data = await deploy('data', {});
	const exported = Object.fromEntries(
		(data.Outputs ?? []).flatMap(({ ExportName, OutputValue }) => (ExportName === undefined ? [] : [[ExportName, String(OutputValue)]])),
	);
	const given = {
		...exported,
		CertificateAuthorityData: cluster.ca,
		// The cluster's, not the load balancer's; that one is asked for by its listener.
		Endpoint: cluster.endpoint,
		LoadBalancerFullName: 'app/clones/0123456789abcdef',
		TargetGroupFullName: 'targetgroup/clones/0123456789abcdef',
		LoadBalancerHttps: `arn:aws:elasticloadbalancing:${emulator.region}:${ACCOUNT}:listener/app/clones/0123456789abcdef/0123456789abcdef`,
	};
	const service = await deploy('service', given);
	let deployed = environment;
	const api = /^https:\/\/([^.]+)\./.exec(String(outputs(service).Endpoint))?.[1];
	return {
		endpoint: `${emulator.url}/_aws/execute-api/${String(api)}/production`,
		data: outputs(data),
		service: outputs(service),
		removed,
		async redeploy(changed) {
			const next = merged(environment, changed);
			for (const [name, values] of Object.entries(next)) {
				if (!isDeepStrictEqual(values, deployed[name])) generations.set(name, 1 + (generations.get(name) ?? 0));
			}
			deployed = next;
			const { request } = await uploaded('service', given, next);
			await cfn.send(new UpdateStackCommand(request));
			await complete(cfn, request.StackName);
		},
		remove: () => rmSync(folder, { recursive: true, force: true }),
	};
}

type StackKind = 'data' | 'service';

function setEnvironment({ Resources }: StackTemplate, variables: FunctionEnvironment): void {
	for (const [name, values] of Object.entries(variables)) {
		const found = Object.entries(Resources).filter(
			([id, { Type }]) => Type === 'AWS::Lambda::Function' && id.startsWith(`${name}Function`),
		);
		const environment = found[0]?.[1].Properties?.Environment as { Variables: Record<string, unknown> } | undefined;
		if (environment === undefined || found.length > 1)
			throw new RangeError(`The template has no one function ${name} with an environment.`);
		Object.assign(environment.Variables, values);
	}
}

function merged(environment: FunctionEnvironment, changed: FunctionEnvironment): FunctionEnvironment {
	const names = new Set([...Object.keys(environment), ...Object.keys(changed)]);
	return Object.fromEntries([...names].map((name) => [name, { ...environment[name], ...changed[name] }]));
}

/** CDK names a function's version after what is in it, so that a change makes a new one; here the change is in the name alone. */
function ofGenerations(template: string, generations: ReadonlyMap<string, number>): string {
	let named = template;
	for (const [name, generation] of generations) {
		named = named.replaceAll(new RegExp(`(${name}FunctionCurrentVersion[0-9A-F]{8})[0-9a-f]{32}`, 'g'), `$1generation${generation}`);
	}
	return named;
}

function synthesize(outdir: string, settings: Readonly<Record<string, unknown>>): CloudAssembly {
	const context = {
		domain: 'clones.example.com',
		hostedZoneId: 'Z0123456789ABCDEFGHIJ',
		alarmEmail: 'operations@example.com',
		auth: 'cognito',
		...settings,
	};
	const app = new App({ context: { ...FEATURE_FLAGS, ...context }, outdir });
	addStacks(app, appConfig(context), {});
	return app.synth();
}

/** The zips that the template's functions are made of. */
async function uploadAssets(folder: string, stackName: string, put: (key: string, body: Uint8Array) => Promise<unknown>): Promise<void> {
	const { files } = JSON.parse(readFileSync(join(folder, `${stackName}.assets.json`), 'utf8')) as {
		files: Readonly<Record<string, { source: { path: string; packaging: string } }>>;
	};
	for (const [hash, { source }] of Object.entries(files)) {
		if (source.packaging !== 'zip') continue;
		await put(`${hash}.zip`, zipped(join(folder, source.path)));
	}
}

function zipped(folder: string): Uint8Array {
	const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
	const files = names.map((entry) => join(entry.parentPath, entry.name));
	return zipSync(Object.fromEntries(files.map((path) => [path.slice(folder.length + 1), readFileSync(path)])), { level: 1 });
}

async function complete(cfn: CloudFormationClient, StackName: string): Promise<Stack> {
	for (;;) {
		const { Stacks: [stack] = [] } = await cfn.send(new DescribeStacksCommand({ StackName }));
		if (stack?.StackStatus === 'CREATE_COMPLETE' || stack?.StackStatus === 'UPDATE_COMPLETE') return stack;
		if (!stack?.StackStatus?.endsWith('IN_PROGRESS') || stack.StackStatus.includes('ROLLBACK')) {
			const { StackEvents = [] } = await cfn.send(new DescribeStackEventsCommand({ StackName }));
			const failed = StackEvents.filter(({ ResourceStatus }) => ResourceStatus?.endsWith('FAILED'));
			throw new Error(
				`${StackName}: ${stack?.StackStatus} ${stack?.StackStatusReason ?? ''}\n${failed.map((event) => `${event.LogicalResourceId}: ${event.ResourceStatusReason}`).join('\n')}`,
			);
		}
		await pause(50);
	}
}

function outputs({ Outputs = [] }: Stack): Readonly<Record<string, string>> {
	return Object.fromEntries(Outputs.map(({ OutputKey = '', OutputValue = '' }) => [OutputKey, OutputValue]));
}
