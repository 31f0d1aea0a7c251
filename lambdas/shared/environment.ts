/**
 * What the functions and the consumer are told by their environment: the contract with the stacks (lib/). Parsed once, all
 * faults together; nothing else reads the environment.
 */
import * as z from 'zod';

export type Environment = Readonly<Record<string, string | undefined>>;

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const count = (most: number) => z.coerce.number().int().min(0).max(most);

/** Those that every part needs. */
const common = {
	/** Names the metrics; also in the log. */
	STAGE: z.string().regex(/^[\w-]{1,32}$/),
	TABLE_NAME: z.string().regex(/^[\w.-]{3,255}$/),
	QUEUE_URL: z.url(),
	QUEUE_ARN: z.string().regex(/^arn:[\w-]+:sqs:/),
	/** Id or ARN of the key that secrets are sealed with. */
	KMS_KEY_ID: z.string().min(1),
	SCHEDULE_GROUP: z.string().regex(/^[\w.-]{1,64}$/),
	SCHEDULE_ROLE_ARN: z.string().regex(/^arn:[\w-]+:iam::\d+:role\//),
	/** Queue for what EventBridge Scheduler could not deliver. */
	SCHEDULE_DLQ_ARN: z
		.string()
		.regex(/^arn:[\w-]+:sqs:/)
		.optional(),
	/** As EKS calls it: part of the login. */
	CLUSTER_NAME: z.string().min(1),
	/** Clones are at `{slot}.CLONE_DOMAIN`. */
	CLONE_DOMAIN: z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/),
	CLONE_SCHEME: z.enum(['http', 'https']).default('https'),
	/** Only where it is not the scheme's own. */
	CLONE_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
	CLONE_NAMESPACE: z.string().regex(LABEL),
	/** The cluster's endpoint and authority (PEM in base64), as EKS gives them. */
	KUBE_API_URL: z.url().optional(),
	KUBE_CA: z.base64().optional(),
	/** A file with a service account's token, where the login is not by IAM: pods of the cluster, clusters that are not EKS. */
	KUBE_TOKEN_FILE: z.string().optional(),
	LOG_LEVEL: z.enum(['DEBUG', 'INFO', 'WARN', 'ERROR']).default('INFO'),
};

/** The cluster has to be named where the function does not run in it. */
const outside = { KUBE_API_URL: z.url(), KUBE_CA: z.base64().min(1) };

const clones = {
	CLONE_IMAGE: z.string().regex(/^\S+[:@]\S+$/),
	/** What is in the image. */
	CLONE_PHP: z
		.string()
		.regex(/^\d+\.\d+$/)
		.default('8.4'),
	CLONE_WORDPRESS: z
		.string()
		.regex(/^\d+\.\d+(\.\d+)?$/)
		.default('7.1.1'),
	/** `dedicated`: nodes of the clones' own (label and taint), which run each pod in a user namespace. */
	CLONE_NODES: z.enum(['any', 'dedicated']).default('any'),
	/** A MySQL server for clones that ask for one, its administrator's login a secret of RDS; all three or none. */
	MYSQL_HOST: z.string().min(1).optional(),
	MYSQL_PORT: z.coerce.number().int().min(1).max(65_535).default(3306),
	MYSQL_SECRET_ARN: z
		.string()
		.regex(/^arn:[\w-]+:secretsmanager:/)
		.optional(),
	/** Booted clones kept ready. */
	WARM_POOL: count(200).default(0),
};

const apiSchema = z.object({
	...common,
	...outside,
	/** How callers prove who they are. */
	AUTH: z.enum(['iam', 'cognito']),
	/** Set where clones on MySQL can be had. */
	MYSQL_HOST: z.string().min(1).optional(),
	/** The service's own address, where it is not the one that callers used. */
	PUBLIC_URL: z.url().optional(),
	/** Live clones an owner may have; 0: no limit, and no read to count them. */
	CLONES_PER_OWNER: count(10_000).default(50),
	/** Clone requests an owner may make a minute of one instance of the function; API Gateway's own limits stand before it. 0: no limit. */
	REQUESTS_PER_MINUTE: count(1_000_000).default(60),
});
const workerSchema = z.object({ ...common, ...outside, ...clones });
const consumerSchema = z.object({
	...common,
	...clones,
	/** Jobs carried on at once. */
	CONCURRENCY: z.coerce.number().int().min(1).max(64).default(4),
	/** Between SIGTERM and the kill, seconds: the pod's terminationGracePeriodSeconds. */
	DRAIN_SECONDS: z.coerce.number().int().min(5).max(3600).default(30),
	/** Where custom-migrator lies; beside the program unless given. */
	PLUGIN_FOLDER: z.string().optional(),
});

export type ApiEnvironment = z.infer<typeof apiSchema>;
export type WorkerEnvironment = z.infer<typeof workerSchema>;
export type ConsumerEnvironment = z.infer<typeof consumerSchema>;
export type CommonEnvironment = Omit<ConsumerEnvironment, keyof typeof clones | 'CONCURRENCY' | 'DRAIN_SECONDS' | 'PLUGIN_FOLDER'>;

/** @throws Error that names every variable that is missing or wrong */
export const parseApiEnvironment = (environment: Environment): ApiEnvironment => parse(apiSchema, environment);
/** For the worker and the sweep. @throws Error that names every variable that is missing or wrong */
export const parseWorkerEnvironment = (environment: Environment): WorkerEnvironment => parse(workerSchema, environment);
/** @throws Error that names every variable that is missing or wrong */
export const parseConsumerEnvironment = (environment: Environment): ConsumerEnvironment => parse(consumerSchema, environment);

function parse<T>(schema: z.ZodType<T>, environment: Environment): T {
	// An empty variable is one that was not set.
	const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''));
	const parsed = schema.safeParse(given);
	if (parsed.success) return parsed.data;
	// Values are not repeated: one may be a secret put into the wrong variable.
	const faults = parsed.error.issues.map((issue) => {
		const name = issue.path.join('.');
		return given[name] === undefined ? `${name} is not set` : `${name}: ${issue.message}`;
	});
	throw new Error(`The environment is not complete: ${faults.join('; ')}.`);
}
