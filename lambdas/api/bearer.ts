import type { APIGatewayProxyEvent } from 'aws-lambda';
import { headerValues } from './request.ts';

/** Authorisation by bearer token (RFC 6750), for the service on one machine. @param ownerOf gives a token's owner, null for none */
export function bearerAuth(ownerOf: (token: string) => string | null): (event: APIGatewayProxyEvent) => Promise<string | null> {
	return async (event) => {
		const values = headerValues(event, 'authorization');
		const token = values.length === 1 ? /^Bearer +([\w.~+/-]+=*) *$/i.exec(values[0] ?? '')?.[1] : undefined;
		return token === undefined ? null : ownerOf(token);
	};
}
