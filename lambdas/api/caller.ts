/** Who calls, by what API Gateway has verified: the event carries it, nothing is looked up. */
import type { APIGatewayProxyEvent } from 'aws-lambda';

type Authenticate = (event: APIGatewayProxyEvent) => Promise<string | null>;

/**
 * The IAM principal that signed the request, as an ARN. The sessions of an assumed role fold into the role: who assumes it
 * is the same caller tomorrow.
 */
export const iamCaller: Authenticate = async (event) => {
	const arn = (
		(event.requestContext as Partial<APIGatewayProxyEvent['requestContext']>).identity as { userArn?: string | null } | undefined
	)?.userArn;
	const session = /^arn:([\w-]+):sts::(\d{12}):assumed-role\/([\w+=,.@-]+)\/[\w+=,.@-]+$/.exec(arn ?? '');
	if (session !== null) return `arn:${session[1]}:iam::${session[2]}:role/${session[3]}`;
	return arn != null && /^arn:[\w-]+:(?:iam|sts)::\d{12}:(?:root|(?:user|federated-user)\/[\w+=,.@/-]+)$/.test(arn) ? arn : null;
};

/** The subject of the token that the user pool's authorizer has verified: a person, or a program with its own credentials. */
export const cognitoCaller: Authenticate = async (event) => {
	const claims: unknown = (event.requestContext as Partial<APIGatewayProxyEvent['requestContext']>).authorizer?.claims;
	const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : undefined;
	return typeof subject === 'string' && /^[\w-]{1,128}$/.test(subject) ? `cognito:${subject}` : null;
};
