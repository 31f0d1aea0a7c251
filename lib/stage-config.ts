/**
 * The settings of a deployment, read from the CDK context: `-c name=value`, cdk.json, cdk.context.json or ~/.cdk.json.
 *
 * What stands at the top level holds for every stage; `stages.{stage}` overrides it for one. All faults are reported
 * together, each with the setting's name and an example.
 */
import * as z from 'zod';

/** What `-c` gives is text. */
const number = z.union([
	z.number(),
	z
		.string()
		.regex(/^\d{1,9}$/)
		.transform(Number),
]);
const whole = (least: number, most: number, example: number) =>
	described(number.pipe(z.number().int().min(least).max(most)), `a whole number from ${least} to ${most}`, String(example));
const flag = () =>
	described(z.union([z.boolean(), z.enum(['true', 'false']).transform((text) => text === 'true')]), 'true or false', 'true');
const oneOf = <const Names extends readonly [string, ...string[]]>(names: Names) =>
	described(z.enum(names), names.map((name) => `"${name}"`).join(' or '), names[0]);
const text = (form: RegExp, what: string, example: string) => described(z.string().regex(form), what, example);

interface Description {
	readonly what: string;
	readonly example: string;
}

const descriptions = new WeakMap<object, Description>();

function described<Schema extends z.ZodType>(schema: Schema, what: string, example: string): Schema {
	descriptions.set(schema, { what, example });
	return schema;
}

/** CloudWatch keeps logs for one of these numbers of days. */
const RETENTION_DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365] as const;
const DOMAIN = /^(?=.{4,200}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;

/** What every deployment must say. */
const REQUIRED = {
	/** Clones are at `{clone}.{domain}`; the name of the Route 53 zone. */
	domain: text(DOMAIN, "the name of the Route 53 zone that clones' names are made in, in lower case", 'clones.example.com'),
	hostedZoneId: text(/^Z[A-Z0-9]{5,31}$/, "that zone's id", 'Z0123456789ABCDEFGHIJ'),
	/** Where alarms go. */
	alarmEmail: text(/^[^\s@]+@[^\s@]+\.[^\s@]+$/, 'the address that alarms are sent to', 'operations@example.com'),
};

/** What has a default. */
const OPTIONAL = {
	/** Where it is deployed; without them, where the CLI's credentials lead. */
	region: text(/^[a-z]{2}(-[a-z]+)+-\d$/, 'an AWS region', 'eu-central-1').optional(),
	account: text(/^\d{12}$/, 'an AWS account of 12 digits', '123456789012').optional(),
	/** What carries jobs on: a Lambda function, or pods of the cluster that KEDA scales. */
	worker: oneOf(['lambda', 'eks']).default('lambda'),
	/** Most workers at once; 20 as in the system this replaces. */
	workers: whole(2, 1000, 20).default(20),
	/** How callers prove who they are: IAM (SigV4), or tokens of a Cognito user pool. */
	auth: oneOf(['iam', 'cognito']).default('iam'),
	/** How a new version of the code takes over. */
	rollout: oneOf(['canary', 'linear', 'all-at-once']).default('canary'),
	/** A MySQL server, for requests with `database: "mysql"`. */
	mysql: flag().default(false),
	mysqlInstance: text(/^[a-z][a-z0-9]+\.[a-z0-9]+$/, 'an RDS instance class without "db."', 't4g.small').default('t4g.small'),
	/** Booted clones kept ready. */
	warmPool: whole(0, 50, 2).default(2),
	/** Small nodes kept free. */
	bufferNodes: whole(0, 10, 2).default(2),
	/** Clones at a time: the quota of pods. */
	maxClones: whole(1, 1000, 150).default(150),
	/** The two nodes that the cluster's own programs run on. */
	systemInstance: text(/^[a-z][a-z0-9]+\.[a-z0-9]+$/, 'an x86-64 EC2 instance type', 't3.medium').default('t3.medium'),
	/** Karpenter's name for the image of clone nodes; `al2023@v{date}` pins one. */
	nodeImage: text(/^al2023@(latest|v\d{8})$/, 'an image of EKS on Amazon Linux 2023', 'al2023@latest').default('al2023@latest'),
	/** One is cheaper; two survive the loss of an availability zone. */
	natGateways: whole(1, 2, 1).default(1),
	vpcCidr: text(/^10\.\d{1,3}\.0\.0\/16$/, 'a private network of 65,536 addresses', '10.0.0.0/16').default('10.0.0.0/16'),
	/** The two zones, where the region's first two cannot have an EKS control plane (use1-az3, usw1-az2, cac1-az3). */
	availabilityZones: text(
		/^[a-z]{2}(-[a-z]+)+-\d[a-z],[a-z]{2}(-[a-z]+)+-\d[a-z]$/,
		'two zones of the region with a comma between',
		'us-east-1b,us-east-1c',
	).optional(),
	/** Who may use kubectl besides the deployment itself. */
	adminRoleArn: text(
		/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]+$/,
		"an IAM role's ARN",
		'arn:aws:iam::123456789012:role/admin',
	).optional(),
	logRetentionDays: described(
		number.refine((days): days is (typeof RETENTION_DAYS)[number] => RETENTION_DAYS.some((known) => known === days)),
		`one of ${RETENTION_DAYS.join(', ')}`,
		'30',
	).default(30),
};

const SETTINGS = { ...REQUIRED, ...OPTIONAL };
type Values<Schemas> = { readonly [Name in keyof Schemas]: z.infer<Schemas[Name]> };
export type StageSettings = Values<typeof SETTINGS>;

/** A pipeline needs both of the first two. */
const PIPELINE = {
	/** A connection of CodeConnections to where the repository is. */
	pipelineConnectionArn: text(
		/^arn:aws[a-z-]*:code(star-)?connections:[a-z0-9-]+:\d{12}:connection\/[0-9a-f-]{36}$/,
		"a connection's ARN",
		'arn:aws:codeconnections:eu-central-1:123456789012:connection/01234567-89ab-cdef-0123-456789abcdef',
	),
	pipelineRepository: text(/^[\w.-]+\/[\w.-]+$/, 'owner and name of the repository', 'example/wp-clone-service'),
	pipelineBranch: text(/^[\w./-]+$/, 'a branch', 'main').default('main'),
};
export type PipelineSettings = Values<typeof PIPELINE>;

export interface StageConfig extends StageSettings {
	/** e.g. `production`: part of every name. */
	readonly stage: string;
}

export interface AppConfig {
	/** One, or with a pipeline those it deploys, in that order. */
	readonly stages: readonly StageConfig[];
	readonly pipeline: PipelineSettings | null;
}

/** Stages that need no entry in `stages`. */
const STAGES = ['staging', 'production'] as const;
const STAGE_NAME = /^[a-z][a-z0-9-]{0,14}[a-z0-9]$/;

/** Thrown once, with every fault. */
export class SettingsError extends Error {
	override readonly name = 'SettingsError';
	readonly faults: readonly string[];

	constructor(faults: readonly string[]) {
		super(
			`The deployment's settings have ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}\nGive a setting with -c name=value, or in "context" of cdk.json. docs/deploying.md names them all.`,
		);
		this.faults = faults;
	}
}

/**
 * @param context the CDK context as it came; names with `:`, `@` or `-` are CDK's own
 * @throws SettingsError
 */
export function appConfig(context: Readonly<Record<string, unknown>>): AppConfig {
	const faults: string[] = [];
	const own = Object.fromEntries(Object.entries(context).filter(([name]) => /^\w+$/.test(name)));
	const known = new Set([...Object.keys(SETTINGS), ...Object.keys(PIPELINE), 'stage', 'stages']);
	for (const name of Object.keys(own)) if (!known.has(name)) faults.push(unknown(name, known));

	const overrides = stageOverrides(own.stages, faults);
	const pipeline = readPipeline(own, faults);
	const names = pipeline === null ? [stageName(own.stage, overrides, faults)] : [...STAGES];
	const stages = names.map((stage) => {
		const where = overrides[stage] === undefined ? '' : ` (stage ${stage})`;
		return { stage, ...read(SETTINGS, { ...own, ...overrides[stage] }, faults, where) };
	});
	if (pipeline !== null && new Set(stages.map(({ domain }) => domain)).size < stages.length) {
		faults.push('domain: staging and production need a zone each, e.g. stages: {"staging": {"domain": "staging-clones.example.com", …}}.');
	}
	if (faults.length > 0) throw new SettingsError([...new Set(faults)]);
	return { stages, pipeline };
}

function stageName(given: unknown, overrides: Readonly<Record<string, unknown>>, faults: string[]): string {
	if (given === undefined) return 'production';
	const names = [...new Set([...STAGES, ...Object.keys(overrides)])];
	if (typeof given === 'string' && names.includes(given)) return given;
	faults.push(`stage: ${show(given)} is none of ${names.join(', ')}. Example: -c stage=staging`);
	return 'production';
}

function stageOverrides(given: unknown, faults: string[]): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
	const parsed = z
		.record(z.string(), z.record(z.string(), z.unknown()))
		.safeParse(typeof given === 'string' ? parsedJson(given) : (given ?? {}));
	if (!parsed.success) {
		faults.push(`stages: must be an object of objects, not ${show(given)}. Example: {"staging": {"domain": "staging-clones.example.com"}}`);
		return {};
	}
	const known = new Set(Object.keys(SETTINGS));
	for (const [stage, settings] of Object.entries(parsed.data)) {
		if (!STAGE_NAME.test(stage))
			faults.push(`stages: ${show(stage)} cannot be a stage's name: 2 to 16 of a–z, 0–9 and -. Example: staging`);
		for (const name of Object.keys(settings)) if (!known.has(name)) faults.push(`stages.${stage}: ${unknown(name, known)}`);
	}
	return parsed.data;
}

/** `-c` gives text, also where JSON was meant. */
function parsedJson(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}

function readPipeline(own: Readonly<Record<string, unknown>>, faults: string[]): PipelineSettings | null {
	if (!Object.keys(PIPELINE).some((name) => own[name] !== undefined)) return null;
	return read(PIPELINE, own, faults, '');
}

/** The values of `schemas`, and a fault for each that is missing or wrong: with any, the values are not to be used. */
function read<Schemas extends Readonly<Record<string, z.ZodType>>>(
	schemas: Schemas,
	from: Readonly<Record<string, unknown>>,
	faults: string[],
	where: string,
): Values<Schemas> {
	const values: Record<string, unknown> = {};
	for (const [name, schema] of Object.entries(schemas)) {
		const result = schema.safeParse(from[name]);
		values[name] = result.success ? result.data : undefined;
		if (result.success) continue;
		const { what, example } = descriptionOf(schema);
		const problem = from[name] === undefined ? 'is missing' : `cannot be ${show(from[name])}`;
		faults.push(`${name}${where}: ${problem}; it is ${what}. Example: -c ${name}=${example}`);
	}
	return values as Values<Schemas>;
}

function descriptionOf(schema: z.ZodType): Description {
	const found = descriptions.get(schema);
	if (found !== undefined) return found;
	if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) return descriptionOf(schema.unwrap() as z.ZodType);
	throw new RangeError('A setting has no description.');
}

function unknown(name: string, known: ReadonlySet<string>): string {
	const close = [...known].find((candidate) => candidate.toLowerCase() === name.toLowerCase());
	return `${name}: there is no such setting${close === undefined ? '' : `; is it ${close}?`}`;
}

function show(value: unknown): string {
	return String(JSON.stringify(value)).slice(0, 80);
}
