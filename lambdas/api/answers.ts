import type { APIGatewayProxyResult } from 'aws-lambda';
import type { Problem } from '../../core/api/problems.ts';

export type Headers = Readonly<Record<string, string>>;

/** For answers that are no page: nothing may be loaded by them, and nobody may frame them. */
const API_HEADERS: Headers = {
	'Cache-Control': 'no-store',
	'X-Content-Type-Options': 'nosniff',
	'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
	'Referrer-Policy': 'no-referrer',
};

export function json(statusCode: number, body: unknown, headers: Headers = {}): APIGatewayProxyResult {
	return { statusCode, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) };
}

export function problem(fault: Problem, requestId: string): APIGatewayProxyResult {
	return {
		statusCode: fault.status,
		headers: { 'Content-Type': 'application/problem+json', ...fault.headers },
		body: JSON.stringify(fault.body(requestId)),
	};
}

/** The headers that every answer has; its own come first. */
export function withCommonHeaders(answer: APIGatewayProxyResult, requestId: string): APIGatewayProxyResult {
	return { ...answer, headers: { ...API_HEADERS, ...answer.headers, 'X-Request-Id': requestId } };
}
