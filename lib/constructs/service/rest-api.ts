/**
 * The HTTP API: every route of core/api/operations.ts, one Lambda function behind all of them.
 *
 * Routes are named one by one rather than by a proxy: metrics and alarms are then a route's own, and whoever adds a route
 * without authorisation is told at synth (checks/open-routes.ts).
 */

import { RemovalPolicy } from 'aws-cdk-lib';
import {
	AccessLogFormat,
	AuthorizationType,
	CfnAccount,
	CognitoUserPoolsAuthorizer,
	EndpointType,
	RestApi as GatewayApi,
	LambdaIntegration,
	LogGroupLogDestination,
	MethodLoggingLevel,
	type MethodOptions,
	ResponseType as Responses,
	type ResponseType,
} from 'aws-cdk-lib/aws-apigateway';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { OPERATION_IDS, OPERATIONS } from '../../../core/api/operations.ts';
import type { CallerPool } from './caller-pool.ts';
import { API_TIMEOUT } from './service-function.ts';

export interface RestApiProps {
	readonly name: string;
	/** First part of every path on API Gateway's own domain. */
	readonly stage: string;
	readonly handler: IFunction;
	/** Null: IAM. */
	readonly callers: CallerPool | null;
	readonly logRetention: RetentionDays;
}

/** Requests a second, and at once, that all callers together may send. */
const THROTTLE = { throttlingRateLimit: 50, throttlingBurstLimit: 100 } as const;

export class RestApi extends Construct {
	readonly api: GatewayApi;

	constructor(scope: Construct, id: string, props: RestApiProps) {
		super(scope, id);
		const log = new LogGroup(this, 'AccessLog', { retention: props.logRetention, removalPolicy: RemovalPolicy.DESTROY });
		this.api = new GatewayApi(this, 'Api', {
			restApiName: props.name,
			description: 'Clones of WordPress sites',
			endpointTypes: [EndpointType.REGIONAL],
			cloudWatchRole: false,
			deployOptions: {
				stageName: props.stage,
				tracingEnabled: true,
				metricsEnabled: true,
				loggingLevel: MethodLoggingLevel.ERROR,
				// Bodies hold passwords.
				dataTraceEnabled: false,
				accessLogDestination: new LogGroupLogDestination(log),
				accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
				...THROTTLE,
			},
		});
		this.api.deploymentStage.node.addDependency(logWriter(this));
		this.#routes(props);
		this.#refusals();
	}

	#routes({ handler, callers }: RestApiProps): void {
		const integration = new LambdaIntegration(handler, { timeout: API_TIMEOUT, scopePermissionToMethod: false });
		const closed = callers === null ? { authorizationType: AuthorizationType.IAM } : this.#tokens(callers);
		for (const id of OPERATION_IDS) {
			const { method, paths, open } = OPERATIONS[id];
			for (const path of paths) {
				this.api.root
					.resourceForPath(path)
					.addMethod(method, integration, open === true ? { authorizationType: AuthorizationType.NONE } : closed);
			}
		}
	}

	#tokens(callers: CallerPool): MethodOptions {
		const authorizer = new CognitoUserPoolsAuthorizer(this, 'Tokens', { cognitoUserPools: [callers.pool] });
		return { authorizationType: AuthorizationType.COGNITO, authorizer, authorizationScopes: [...callers.scopes] };
	}

	/** What API Gateway refuses by itself, in the same form as every other error. */
	#refusals(): void {
		for (const { type, status, title, code, detail, headers } of REFUSALS) {
			this.api.addGatewayResponse(type.responseType, {
				type,
				statusCode: String(status),
				responseHeaders: { 'Content-Type': "'application/problem+json'", ...headers },
				templates: {
					'application/json': JSON.stringify({ type: `urn:wp-clone:problem:${code}`, title, status, detail, code }),
				},
			});
		}
	}
}

interface Refusal {
	readonly type: ResponseType;
	readonly status: number;
	readonly title: string;
	readonly code: string;
	readonly detail: string;
	readonly headers?: Record<string, string>;
}

const UNAUTHORIZED = { status: 401, title: 'Not authorised', code: 'unauthorized' } as const;
const REFUSALS: readonly Refusal[] = [
	{
		type: Responses.MISSING_AUTHENTICATION_TOKEN,
		...UNAUTHORIZED,
		detail: 'The request is not signed, or there is no such route: /openapi.json lists them all.',
	},
	{ type: Responses.UNAUTHORIZED, ...UNAUTHORIZED, detail: 'Send a valid access token in the Authorization header.' },
	{
		type: Responses.INVALID_SIGNATURE,
		...UNAUTHORIZED,
		detail: 'The signature is not valid. Sign with Signature Version 4 for execute-api.',
	},
	{ type: Responses.EXPIRED_TOKEN, ...UNAUTHORIZED, detail: 'The token has expired. Get a new one.' },
	{
		type: Responses.ACCESS_DENIED,
		...UNAUTHORIZED,
		status: 403,
		detail: 'Your IAM policies do not allow this call. You need execute-api:Invoke on it.',
	},
	{
		type: Responses.THROTTLED,
		status: 429,
		title: 'Too many requests',
		code: 'rate_limited',
		detail: 'Wait a few seconds and send the request again.',
		headers: { 'Retry-After': "'5'" },
	},
	{
		type: Responses.REQUEST_TOO_LARGE,
		status: 413,
		title: 'Body too large',
		code: 'payload_too_large',
		detail: 'Send a smaller body.',
	},
	{
		type: Responses.DEFAULT_5XX,
		status: 503,
		title: 'Not available',
		code: 'unavailable',
		detail: 'The service did not answer. Send the request again, with the same Idempotency-Key.',
		headers: { 'Retry-After': "'5'" },
	},
];

/**
 * API Gateway writes logs with one role an account and region. It stays when the stack goes, because other APIs of the
 * account may write with it by then.
 */
function logWriter(scope: Construct): CfnAccount {
	const role = new Role(scope, 'LogWriter', {
		assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
		managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonAPIGatewayPushToCloudWatchLogs')],
	});
	role.applyRemovalPolicy(RemovalPolicy.RETAIN);
	const account = new CfnAccount(scope, 'Account', { cloudWatchRoleArn: role.roleArn });
	account.applyRemovalPolicy(RemovalPolicy.RETAIN);
	return account;
}
