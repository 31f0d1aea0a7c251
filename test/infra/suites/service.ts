import { describe, expect, it } from 'vitest';
import { OPERATION_IDS, OPERATIONS } from '../../../core/api/operations.ts';
import { parseApiEnvironment, parseWorkerEnvironment } from '../../../lambdas/shared/environment.ts';
import { flat, ofType, only, type Resource, type StackTemplate, type Stage } from '../support.ts';
import { outline } from './outline.ts';
import { plausible } from './plausible.ts';

export function serviceSuite(stage: () => Stage): void {
	const service = (): StackTemplate => stage().service;
	const functions = (): readonly (Resource & { id: string })[] => ofType(service(), 'AWS::Lambda::Function');

	describe('the service stack', () => {
		it('reads like this', async () => {
			await expect(outline(service())).toMatchFileSnapshot('snapshots/service.txt');
		});

		it('says where everything is', () => {
			const outputs = service().template.toJSON().Outputs;
			const said = [
				'Endpoint',
				'Region',
				'QueueUrl',
				'DeadLetterQueueUrl',
				'Kubectl',
				'Clones',
				'Dashboardwork',
				'Dashboardclones',
				'Dashboardapi',
			];
			expect(Object.keys(outputs)).toEqual(expect.arrayContaining(said));
			expect(flat(outputs.Kubectl.Value)).toBe('aws eks update-kubeconfig --name wp-clone-production --region <AWS::Region>');
		});
	});

	describe('the functions', () => {
		it('are three, on Node 24 and ARM, outside the network, traced', () => {
			expect(functions().map(({ Properties }) => Properties.Description)).toHaveLength(3);
			for (const { id, Properties } of functions()) {
				expect(Properties, id).toMatchObject({ Runtime: 'nodejs24.x', Architectures: ['arm64'], TracingConfig: { Mode: 'Active' } });
				expect(Properties.VpcConfig, id).toBeUndefined();
			}
		});

		it('have a log each that ends, and a role each that may write it', () => {
			const roles = functions().map(({ Properties }) => flat(Properties.Role));
			expect(new Set(roles).size).toBe(3);
			for (const { id, Properties } of functions()) {
				const group: Resource | undefined = service().resources[Properties.LoggingConfig.LogGroup.Ref];
				expect(group?.Properties.RetentionInDays, id).toBe(30);
			}
			expect(JSON.stringify(ofType(service(), 'AWS::IAM::Role').filter(({ id }) => /^(Api|Worker|Sweep)Role/.test(id)))).not.toContain(
				'ManagedPolicyArns',
			);
		});

		it('have alarms for errors and for throttles each', () => {
			const alarms = ofType(service(), 'AWS::CloudWatch::Alarm');
			for (const { id } of functions()) {
				for (const metric of ['Errors', 'Throttles']) {
					const own = alarms.filter(
						({ Properties }) =>
							Properties.MetricName === metric &&
							Properties.Dimensions?.some(
								({ Name, Value }: { Name: string; Value: { Ref?: string } }) => Name === 'FunctionName' && Value.Ref === id,
							),
					);
					expect(own.length, `${id} ${metric}`).toBeGreaterThan(0);
				}
			}
		});

		it.each([
			['Api', parseApiEnvironment],
			['Worker', parseWorkerEnvironment],
			['Sweep', parseWorkerEnvironment],
		] as const)('%s is told what it reads', (name, parse) => {
			const found = functions().find(({ id }) => id.startsWith(name));
			expect(parse(plausible(found?.Properties.Environment.Variables))).toMatchObject({
				STAGE: 'production',
				CLONE_DOMAIN: 'clones.example.com',
			});
		});

		it('are told it within the 4 KB that there are', () => {
			for (const { id, Properties } of functions()) {
				// The CA's certificate is about 1.5 KB; references stand for at most 130 characters each.
				const bytes = Object.entries(Properties.Environment.Variables).reduce(
					(sum, [name, value]) => sum + name.length + (typeof value === 'string' ? value.length : 130),
					1500,
				);
				expect(bytes, id).toBeLessThan(4096);
			}
		});

		it('run clones on nodes of their own', () => {
			for (const { Properties } of functions()) expect(Properties.Environment.Variables.CLONE_NODES).toBe('dedicated');
		});
	});

	describe('the queue', () => {
		it('waits six turns of a worker and gives up after five', () => {
			expect(only(service(), 'AWS::SQS::Queue', 'JobsQueue').Properties).toMatchObject({
				VisibilityTimeout: 720,
				RedrivePolicy: { maxReceiveCount: 5 },
			});
			const worker = functions().find(({ id }) => id.startsWith('Worker'));
			expect(worker?.Properties.Timeout).toBe(120);
		});

		it('is read by twenty workers at most, a failed message of a batch alone coming back', () => {
			expect(only(service(), 'AWS::Lambda::EventSourceMapping').Properties).toMatchObject({
				ScalingConfig: { MaximumConcurrency: 20 },
				FunctionResponseTypes: ['ReportBatchItemFailures'],
			});
			expect(JSON.stringify(only(service(), 'AWS::Lambda::EventSourceMapping').Properties.FunctionName)).toMatch(
				/"Ref":"WorkerLiveAlias\w+".*":live"/,
			);
		});

		it('and its dead letters are encrypted and spoken to by TLS only', () => {
			for (const { id, Properties } of ofType(service(), 'AWS::SQS::Queue')) {
				expect(Properties.SqsManagedSseEnabled, id).toBe(true);
				const policies = ofType(service(), 'AWS::SQS::QueuePolicy').filter((policy) =>
					JSON.stringify(policy.Properties.Queues).includes(id),
				);
				expect(JSON.stringify(policies), id).toContain('"aws:SecureTransport":"false"');
			}
		});
	});

	describe('the API', () => {
		const methods = (): readonly { route: string; authorization: string }[] => {
			const resources = service().resources;
			const path = (ref: { Ref?: string }): string => {
				const parent = ref.Ref === undefined ? undefined : resources[ref.Ref];
				return parent?.Type === 'AWS::ApiGateway::Resource' ? `${path(parent.Properties.ParentId)}/${parent.Properties.PathPart}` : '';
			};
			return ofType(service(), 'AWS::ApiGateway::Method').map(({ Properties }) => ({
				route: `${Properties.HttpMethod} ${path(Properties.ResourceId)}`,
				authorization: Properties.AuthorizationType,
			}));
		};

		it('has every route of the service', () => {
			const routes = OPERATION_IDS.flatMap((id) => OPERATIONS[id].paths.map((path) => `${OPERATIONS[id].method} ${path}`));
			expect(
				methods()
					.map(({ route }) => route)
					.sort(),
			).toEqual(routes.sort());
		});

		it('has no route without authorisation but the three', () => {
			const open = methods().filter(({ authorization }) => authorization !== 'AWS_IAM');
			expect(open.map(({ route, authorization }) => `${authorization} ${route}`).sort()).toEqual([
				'NONE GET /docs',
				'NONE GET /docs/{file}',
				'NONE GET /health',
				'NONE GET /openapi.json',
			]);
		});

		it('is traced, logged without bodies, and bounded', () => {
			const { Properties } = only(service(), 'AWS::ApiGateway::Stage');
			expect(Properties).toMatchObject({ TracingEnabled: true, StageName: 'production' });
			expect(Properties.MethodSettings).toEqual([
				expect.objectContaining({
					HttpMethod: '*',
					DataTraceEnabled: false,
					LoggingLevel: 'ERROR',
					MetricsEnabled: true,
					ThrottlingRateLimit: 50,
					ThrottlingBurstLimit: 100,
				}),
			]);
			expect(Properties.AccessLogSetting.Format).not.toMatch(/authorizer|body/i);
		});

		it('refuses in the form of every other error', () => {
			const refusals = ofType(service(), 'AWS::ApiGateway::GatewayResponse').map(({ Properties }) => Properties);
			expect(refusals.length).toBeGreaterThan(5);
			for (const { ResponseTemplates, ResponseParameters, StatusCode } of refusals) {
				expect(JSON.parse(ResponseTemplates['application/json'])).toMatchObject({
					status: Number(StatusCode),
					code: expect.any(String),
					detail: expect.any(String),
				});
				expect(ResponseParameters['gatewayresponse.header.Content-Type']).toBe("'application/problem+json'");
			}
		});
	});

	describe('schedules', () => {
		it('are of one group, carried out by a role that only Scheduler takes for it', () => {
			expect(only(service(), 'AWS::Scheduler::ScheduleGroup').Properties.Name).toBe('wp-clone-production');
			const [trust] = only(service(), 'AWS::IAM::Role', 'SchedulesRole').Properties.AssumeRolePolicyDocument.Statement;
			expect(trust.Condition.StringEquals).toMatchObject({ 'aws:SourceAccount': expect.anything(), 'aws:SourceArn': expect.anything() });
			const { Statement } = only(service(), 'AWS::IAM::Policy', 'SchedulesRole').Properties.PolicyDocument;
			expect(Statement).toHaveLength(1);
			expect(Statement[0].Action).toBe('sqs:SendMessage');
		});

		it('may be handed that role and no other', () => {
			for (const name of ['Api', 'Worker', 'Sweep']) {
				const { Statement } = only(service(), 'AWS::IAM::Policy', `${name}Role`).Properties.PolicyDocument;
				const passing = Statement.filter(({ Action }: { Action: string }) => Action === 'iam:PassRole');
				expect(passing).toHaveLength(1);
				expect(flat(passing[0].Resource)).toMatch(/SchedulesRole/);
				expect(passing[0].Condition.StringEquals['iam:PassedToService']).toBe('scheduler.amazonaws.com');
			}
		});

		it('and the sweep go on every minute', () => {
			expect(only(service(), 'AWS::Events::Rule').Properties.ScheduleExpression).toBe('rate(1 minute)');
		});
	});

	describe('the way to the cluster', () => {
		it('is an entry each, in the group of what it does', () => {
			const groups = ofType(service(), 'AWS::EKS::AccessEntry').map(({ Properties }) => [
				flat(Properties.PrincipalArn).replace(/[0-9A-F]{8}\.Arn|[<>]/g, ''),
				Properties.KubernetesGroups,
			]);
			expect(Object.fromEntries(groups)).toEqual({ ApiRole: ['clone-api'], WorkerRole: ['clone-workers'], SweepRole: ['clone-workers'] });
		});
	});
}
