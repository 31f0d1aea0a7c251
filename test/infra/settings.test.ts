import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { appConfig, SettingsError } from '../../lib/stage-config.ts';

const REQUIRED = { domain: 'clones.example.com', hostedZoneId: 'Z0123456789ABCDEFGHIJ', alarmEmail: 'operations@example.com' };
const PIPELINE = {
	pipelineConnectionArn: 'arn:aws:codeconnections:eu-central-1:123456789012:connection/01234567-89ab-cdef-0123-456789abcdef',
	pipelineRepository: 'example/wp-clone-service',
};

function faultsOf(context: Readonly<Record<string, unknown>>): readonly string[] {
	try {
		appConfig(context);
	} catch (error) {
		if (error instanceof SettingsError) return error.faults;
		throw error;
	}
	return [];
}

describe('the settings of a deployment', () => {
	it('are three, and defaults', () => {
		const { stages, pipeline } = appConfig(REQUIRED);
		expect(pipeline).toBeNull();
		expect(stages).toHaveLength(1);
		expect(stages[0]).toEqual({
			...REQUIRED,
			stage: 'production',
			account: undefined,
			region: undefined,
			adminRoleArn: undefined,
			availabilityZones: undefined,
			auth: 'iam',
			bufferNodes: 2,
			logRetentionDays: 30,
			maxClones: 150,
			mysql: false,
			mysqlInstance: 't4g.small',
			natGateways: 1,
			nodeImage: 'al2023@latest',
			rollout: 'canary',
			systemInstance: 't3.medium',
			vpcCidr: '10.0.0.0/16',
			warmPool: 2,
			worker: 'lambda',
			workers: 20,
		});
	});

	it('are text when the command line gives them', () => {
		const [stage] = appConfig({ ...REQUIRED, warmPool: '0', mysql: 'true', logRetentionDays: '90' }).stages;
		expect(stage).toMatchObject({ warmPool: 0, mysql: true, logRetentionDays: 90 });
	});

	it('leave CDK’s own context alone', () => {
		expect(
			faultsOf({
				...REQUIRED,
				'@aws-cdk/core:something': true,
				'aws:cdk:bundling-stacks': [],
				'availability-zones:account=1:region=x': ['a'],
			}),
		).toEqual([]);
	});

	it('have all their faults told at once, each with its name and an example', () => {
		const faults = faultsOf({
			domain: 'https://Example.com',
			alarmEmail: 'nobody',
			worker: 'ecs',
			warmPool: '-1',
			maxClones: 'many',
			mysql: 'yes',
			Workers: 5,
			stage: 'qa',
		});
		const names = faults.map((fault) => fault.split(/[: (]/)[0]);
		expect(names.sort()).toEqual(['Workers', 'alarmEmail', 'domain', 'hostedZoneId', 'maxClones', 'mysql', 'stage', 'warmPool', 'worker']);
		for (const fault of faults.filter((text) => !text.startsWith('Workers'))) expect(fault).toMatch(/Example: /);
		expect(faults.find((fault) => fault.startsWith('Workers'))).toBe('Workers: there is no such setting; is it workers?');
		expect(faults.find((fault) => fault.startsWith('hostedZoneId'))).toContain('is missing');
	});

	it.each([
		['domain', 'localhost'],
		['domain', 'clones.example.com.'],
		['hostedZoneId', '/hostedzone/Z0123456789'],
		['alarmEmail', 'a b@example.com'],
		['workers', 1],
		['workers', 2.5],
		['workers', true],
		['workers', ''],
		['bufferNodes', 11],
		['logRetentionDays', 31],
		['vpcCidr', '192.168.0.0/16'],
		['vpcCidr', '10.0.0.0/24'],
		['systemInstance', 'large'],
		['nodeImage', 'al2@latest'],
		['region', 'Frankfurt'],
		['account', '123'],
		['adminRoleArn', 'admin'],
		['availabilityZones', 'eu-central-1a'],
		['rollout', 'blue-green'],
		['auth', null],
	])('%s cannot be %j', (name, value) => {
		const faults = faultsOf({ ...REQUIRED, [name]: value });
		expect(faults).toHaveLength(1);
		expect(faults[0]).toMatch(new RegExp(`^${name}: cannot be .*Example: -c ${name}=`));
	});

	it('can differ by stage', () => {
		const stages = { qa: { domain: 'qa.example.com' } };
		expect(appConfig({ ...REQUIRED, stages, stage: 'qa' }).stages[0]).toMatchObject({
			stage: 'qa',
			domain: 'qa.example.com',
			alarmEmail: REQUIRED.alarmEmail,
		});
		expect(appConfig({ ...REQUIRED, stages: JSON.stringify(stages), stage: 'qa' }).stages[0]).toMatchObject({ domain: 'qa.example.com' });
		expect(faultsOf({ ...REQUIRED, stages: { qa: { domian: 'x' } } })).toEqual(['stages.qa: domian: there is no such setting']);
		expect(faultsOf({ ...REQUIRED, stages: { Q_A: {} } })[0]).toContain("cannot be a stage's name");
		expect(faultsOf({ ...REQUIRED, stages: ['qa'] })[0]).toMatch(/^stages: must be an object of objects/);
		expect(faultsOf({ ...REQUIRED, stage: 'qa' })[0]).toMatch(/^stage: "qa" is none of staging, production/);
	});

	it('name the stage whose value is wrong', () => {
		expect(faultsOf({ ...REQUIRED, stage: 'qa', stages: { qa: { domain: 'x' } } })).toEqual([
			expect.stringMatching(/^domain \(stage qa\): cannot be "x"/),
		]);
	});
});

describe('the app', () => {
	it('says what is missing and makes no template', () => {
		const folder = mkdtempSync(join(tmpdir(), 'settings-'));
		const run = spawnSync(process.execPath, [resolve(import.meta.dirname, '../../bin/cdk-app.ts')], {
			encoding: 'utf8',
			env: { ...process.env, CDK_OUTDIR: folder, CDK_CONTEXT_JSON: JSON.stringify({ domain: 'x' }) },
		});
		const made = readdirSync(folder);
		rmSync(folder, { recursive: true });
		expect(run.status).toBe(1);
		expect(run.stderr).toMatch(/3 faults:\n {2}- domain: .*\n {2}- hostedZoneId: is missing.*\n {2}- alarmEmail: is missing/);
		expect(made).toEqual([]);
	});
});

describe('a pipeline', () => {
	it('has two stages with a zone each', () => {
		const { stages, pipeline } = appConfig({ ...REQUIRED, ...PIPELINE, stages: { staging: { domain: 'staging.example.com' } } });
		expect(stages.map(({ stage, domain }) => [stage, domain])).toEqual([
			['staging', 'staging.example.com'],
			['production', 'clones.example.com'],
		]);
		expect(pipeline).toEqual({ ...PIPELINE, pipelineBranch: 'main' });
		expect(faultsOf({ ...REQUIRED, ...PIPELINE })).toEqual([expect.stringMatching(/^domain: staging and production need a zone each/)]);
	});

	it('needs a connection and a repository', () => {
		const stages = { staging: { domain: 'staging.example.com' } };
		expect(faultsOf({ ...REQUIRED, stages, pipelineBranch: 'main' }).map((fault) => fault.split(':')[0])).toEqual([
			'pipelineConnectionArn',
			'pipelineRepository',
		]);
	});
});
