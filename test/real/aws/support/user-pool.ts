import type { Emulator } from './emulator.ts';
import { jsonCall } from './json-call.ts';

type Outputs = Readonly<Record<string, string>>;

const cognito = (emulator: Emulator, action: string, body: object) =>
	jsonCall<{ UserPoolClient: { ClientId: string; ClientSecret: string } }>(
		emulator,
		'cognito-idp',
		`AWSCognitoIdentityProviderService.${action}`,
		body,
	);

function output(outputs: Outputs, name: string): string {
	const [, value] = Object.entries(outputs).find(([key]) => key.startsWith(name)) ?? [];
	if (value === undefined) throw new RangeError(`No output ${name}.`);
	return value;
}

/**
 * An access token of a program: of the stack's own client, or of another that is made for it.
 * @param data the data stack's outputs
 */
export async function programToken(emulator: Emulator, data: Outputs, another?: string): Promise<string> {
	const UserPoolId = output(data, 'CallersPoolId');
	const scope = 'wp-clone-production/use';
	const { UserPoolClient: client } =
		another === undefined
			? await cognito(emulator, 'DescribeUserPoolClient', { UserPoolId, ClientId: output(data, 'CallersProgramsClientId') })
			: await cognito(emulator, 'CreateUserPoolClient', {
					UserPoolId,
					ClientName: another,
					GenerateSecret: true,
					AllowedOAuthFlowsUserPoolClient: true,
					AllowedOAuthFlows: ['client_credentials'],
					AllowedOAuthScopes: [scope],
				});
	const response = await fetch(`${emulator.url}/oauth2/token`, {
		method: 'POST',
		headers: {
			'Content-Type': 'application/x-www-form-urlencoded',
			Authorization: `Basic ${Buffer.from(`${client.ClientId}:${client.ClientSecret}`).toString('base64')}`,
		},
		body: new URLSearchParams({ grant_type: 'client_credentials', scope, client_id: client.ClientId }),
	});
	const answer = (await response.json()) as { access_token?: string };
	if (answer.access_token === undefined) throw new Error(`No token: ${response.status} ${JSON.stringify(answer)}`);
	return answer.access_token;
}
