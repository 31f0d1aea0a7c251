/** Settings that between them make every resource the stacks know. Names and ids are made up. */
import type { StageSettings } from '../../lib/stage-config.ts';

export interface Variant {
	readonly name: string;
	readonly what: string;
	readonly context: Readonly<Record<string, unknown>>;
}

const REQUIRED = {
	domain: 'clones.example.com',
	hostedZoneId: 'Z0123456789ABCDEFGHIJ',
	alarmEmail: 'operations@example.com',
} as const satisfies Partial<StageSettings>;

/** Without it a template is for any account and region. */
const PLACE = { region: 'eu-central-1', account: '123456789012' } as const satisfies Partial<StageSettings>;

const OPTIONS = {
	worker: 'eks',
	mysql: 'true',
	auth: 'cognito',
	rollout: 'linear',
	natGateways: '2',
	adminRoleArn: 'arn:aws:iam::123456789012:role/admin',
} as const;

export const VARIANTS: readonly Variant[] = [
	{ name: 'default', what: 'as deployed with the three required settings, for any account and region', context: REQUIRED },
	{ name: 'options', what: 'worker on EKS, MySQL, Cognito, linear rollout', context: { ...REQUIRED, ...PLACE, ...OPTIONS } },
	{ name: 'mysql', what: 'MySQL with the worker as a Lambda function in the network', context: { ...REQUIRED, ...PLACE, mysql: 'true' } },
	{
		name: 'pipeline',
		what: 'a pipeline with staging and production',
		context: {
			...REQUIRED,
			...PLACE,
			stages: { staging: { domain: 'staging-clones.example.com', hostedZoneId: 'Z0123456789ABCDEFGHIK', warmPool: 0 } },
			pipelineConnectionArn: 'arn:aws:codeconnections:eu-central-1:123456789012:connection/01234567-89ab-cdef-0123-456789abcdef',
			pipelineRepository: 'example/wp-clone-service',
		},
	},
];
