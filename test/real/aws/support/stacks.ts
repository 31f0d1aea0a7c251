/** The synthesized Data and Service stacks in the emulator; what the cluster stack would export is given. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
	CloudFormationClient,
	CreateStackCommand,
	DescribeStackEventsCommand,
	DescribeStacksCommand,
	type Stack,
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
	/** The folder of the templates. */
	remove(): void;
}

export interface ClusterFacts {
	readonly endpoint: string;
	/** The authority, PEM in base64. */
	readonly ca: string;
}

/** @param settings over `auth: "cognito"`, because the emulator passes no IAM caller on */
export async function deployStacks(
	emulator: Emulator,
	cluster: ClusterFacts,
	settings: Readonly<Record<string, unknown>> = {},
): Promise<DeployedStacks> {
	const folder = mkdtempSync(join(tmpdir(), 'stacks-'));
	const assembly = synthesize(folder, settings);
	const bucket = `cdk-hnb659fds-assets-${ACCOUNT}-${emulator.region}`;
	const s3 = new S3Client({ ...clientOptions(emulator), forcePathStyle: true });
	await s3.send(new CreateBucketCommand({ Bucket: bucket }));
	const put = (Key: string, Body: string | Uint8Array) => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
	const cfn = new CloudFormationClient(clientOptions(emulator));
	const removed: string[] = [];

	async function deploy(kind: 'data' | 'service', imported: Readonly<Record<string, string>>): Promise<Stack> {
		const StackName = `wp-clone-production-${kind}`;
		const { template: synthesized } = assembly.getStackByName(StackName) as { template: StackTemplate };
		const { template, removed: left } = stripped(synthesized, imported);
		removed.push(...left);
		await uploadAssets(folder, StackName, put);
		await put(`${StackName}.json`, JSON.stringify(template));
		await cfn.send(
			new CreateStackCommand({
				StackName,
				TemplateURL: `${emulator.url}/${bucket}/${StackName}.json`,
				Capabilities: ['CAPABILITY_NAMED_IAM'],
				OnFailure: 'DO_NOTHING',
			}),
		);
		return complete(cfn, StackName);
	}
	const data = await deploy('data', {});
	const exported = Object.fromEntries(
		(data.Outputs ?? []).flatMap(({ ExportName, OutputValue }) => (ExportName === undefined ? [] : [[ExportName, String(OutputValue)]])),
	);
	const service = await deploy('service', {
		...exported,
		CertificateAuthorityData: cluster.ca,
		// The cluster's, not the load balancer's; that one is asked for by its listener.
		Endpoint: cluster.endpoint,
		LoadBalancerFullName: 'app/clones/0123456789abcdef',
		TargetGroupFullName: 'targetgroup/clones/0123456789abcdef',
		LoadBalancerHttps: `arn:aws:elasticloadbalancing:${emulator.region}:${ACCOUNT}:listener/app/clones/0123456789abcdef/0123456789abcdef`,
	});
	const api = /^https:\/\/([^.]+)\./.exec(String(outputs(service).Endpoint))?.[1];
	return {
		endpoint: `${emulator.url}/_aws/execute-api/${String(api)}/production`,
		data: outputs(data),
		service: outputs(service),
		removed,
		remove: () => rmSync(folder, { recursive: true, force: true }),
	};
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
		if (stack?.StackStatus === 'CREATE_COMPLETE') return stack;
		if (stack?.StackStatus !== 'CREATE_IN_PROGRESS') {
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
