import type { APIGatewayProxyEvent, Context } from 'aws-lambda';

const COMMON = {
	STAGE: 'test',
	TABLE_NAME: 'jobs',
	QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/123456789012/jobs',
	QUEUE_ARN: 'arn:aws:sqs:eu-central-1:123456789012:jobs',
	KMS_KEY_ID: 'arn:aws:kms:eu-central-1:123456789012:key/1',
	SCHEDULE_GROUP: 'clones',
	SCHEDULE_ROLE_ARN: 'arn:aws:iam::123456789012:role/schedules',
	CLUSTER_NAME: 'clones',
	CLONE_DOMAIN: 'clones.example.com',
	CLONE_NAMESPACE: 'clones',
	KUBE_API_URL: 'https://0123456789ABCDEF.gr7.eu-central-1.eks.amazonaws.com',
	KUBE_CA: 'YQ==',
};
export const API_ENVIRONMENT = { ...COMMON, AUTH: 'iam' };
export const WORKER_ENVIRONMENT = { ...COMMON, CLONE_IMAGE: 'registry.example/clone:1' };

/** As API Gateway sends it for a request that a session of the role `agency` has signed. */
export function callerEvent(httpMethod: string, path: string, body?: object, requestContext: object = {}): APIGatewayProxyEvent {
	const headers = {
		Host: 'abc.execute-api.eu-central-1.amazonaws.com',
		...(body === undefined ? {} : { 'content-type': 'application/json' }),
	};
	return {
		resource: path,
		path,
		httpMethod,
		headers,
		multiValueHeaders: null,
		queryStringParameters: null,
		multiValueQueryStringParameters: null,
		pathParameters: null,
		stageVariables: null,
		body: body === undefined ? null : JSON.stringify(body),
		isBase64Encoded: false,
		requestContext: {
			path: `/prod${path}`,
			stage: 'prod',
			requestId: 'c6af9ac6-7b61-11e6-9a41-93e8deadbeef',
			identity: { sourceIp: '192.0.2.1', userArn: 'arn:aws:sts::123456789012:assumed-role/agency/alice' },
			...requestContext,
		},
	} as unknown as APIGatewayProxyEvent;
}

export function lambdaContext(remainingMs = 60_000): Context {
	return {
		awsRequestId: 'request-1',
		functionName: 'function',
		functionVersion: '1',
		invokedFunctionArn: 'arn:aws:lambda:eu-central-1:123456789012:function:function',
		memoryLimitInMB: '512',
		getRemainingTimeInMillis: () => remainingMs,
	} as Context;
}
