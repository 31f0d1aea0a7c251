import type { IncomingMessage } from 'node:http';
import type { APIGatewayProxyEvent } from 'aws-lambda';

/**
 * A request as API Gateway's REST proxy integration would pass it on: header names as sent, the query decoded, the last
 * of several values in the single-value maps. Every map is built by defining properties, so that a header or parameter
 * called `__proto__` is one like any other.
 * @param content `body` as UTF-8 text, or base64 where the bytes are not UTF-8
 */
export function toEvent(request: IncomingMessage, content: { requestId: string; body: string; base64: boolean }): APIGatewayProxyEvent {
	const target = request.url ?? '/';
	const mark = target.indexOf('?');
	const path = mark === -1 ? target : target.slice(0, mark);
	const query = mark === -1 ? [] : [...new URLSearchParams(target.slice(mark + 1))];
	const headers = pairs(request.rawHeaders);
	if (request.headers['x-forwarded-proto'] === undefined) headers.push(['X-Forwarded-Proto', 'http']);
	const method = request.method ?? 'GET';
	return {
		httpMethod: method,
		path,
		resource: '/{proxy+}',
		headers: Object.fromEntries(headers),
		multiValueHeaders: grouped(headers),
		queryStringParameters: query.length === 0 ? null : Object.fromEntries(query),
		multiValueQueryStringParameters: query.length === 0 ? null : grouped(query),
		pathParameters: null,
		stageVariables: null,
		body: content.body === '' ? null : content.body,
		isBase64Encoded: content.base64,
		requestContext: {
			accountId: '',
			apiId: 'local',
			authorizer: null,
			protocol: `HTTP/${request.httpVersion}`,
			httpMethod: method,
			identity: {
				accessKey: null,
				accountId: null,
				apiKey: null,
				apiKeyId: null,
				caller: null,
				clientCert: null,
				cognitoAuthenticationProvider: null,
				cognitoAuthenticationType: null,
				cognitoIdentityId: null,
				cognitoIdentityPoolId: null,
				principalOrgId: null,
				sourceIp: request.socket.remoteAddress ?? '',
				user: null,
				userAgent: request.headers['user-agent'] ?? null,
				userArn: null,
			},
			path,
			stage: 'local',
			requestId: content.requestId,
			requestTimeEpoch: Date.now(),
			resourceId: '',
			resourcePath: '/{proxy+}',
		},
	};
}

type Pair = [name: string, value: string];

function pairs(raw: readonly string[]): Pair[] {
	const found: Pair[] = [];
	for (let index = 0; index + 1 < raw.length; index += 2) found.push([raw[index] ?? '', raw[index + 1] ?? '']);
	return found;
}

function grouped(entries: readonly Pair[]): Record<string, string[]> {
	const groups = Map.groupBy(entries, ([name]) => name);
	return Object.fromEntries([...groups].map(([name, group]) => [name, group.map(([, value]) => value)]));
}
