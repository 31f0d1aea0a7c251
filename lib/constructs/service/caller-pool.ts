import { Aws, CfnOutput, Duration, RemovalPolicy } from 'aws-cdk-lib';
import {
	AccountRecovery,
	FeaturePlan,
	Mfa,
	OAuthScope,
	ResourceServerScope,
	StandardThreatProtectionMode,
	UserPool,
	UserPoolClient,
} from 'aws-cdk-lib/aws-cognito';
import { Construct } from 'constructs';
import type { StageNames } from '../../names.ts';

const SCOPE = 'use';

/**
 * The callers of the API with `auth: "cognito"`: people, who log in, and programs, which have a client of their own.
 * Both send an access token; `sub` is the owner.
 */
export class CallerPool extends Construct {
	readonly pool: UserPool;
	/** An access token must have one of these: a program's, or a person's who logged in. */
	readonly scopes: readonly string[];

	constructor(scope: Construct, id: string, props: { readonly names: StageNames }) {
		super(scope, id);
		this.pool = new UserPool(this, 'Pool', {
			selfSignUpEnabled: false,
			signInAliases: { email: true },
			accountRecovery: AccountRecovery.EMAIL_ONLY,
			// Of people; a program, which has a client's secret, is never asked.
			mfa: Mfa.REQUIRED,
			mfaSecondFactor: { otp: true, sms: false },
			passwordPolicy: { minLength: 12, requireDigits: true, requireLowercase: true, requireUppercase: true, requireSymbols: true },
			featurePlan: FeaturePlan.PLUS,
			// Refuses passwords that are known to have leaked, and log-ins that look stolen.
			standardThreatProtectionMode: StandardThreatProtectionMode.FULL_FUNCTION,
			deletionProtection: true,
			removalPolicy: RemovalPolicy.RETAIN,
		});
		const use = new ResourceServerScope({ scopeName: SCOPE, scopeDescription: 'Make and delete clones.' });
		const server = this.pool.addResourceServer('Api', { identifier: props.names.api, scopes: [use] });
		const domain = this.pool.addDomain('Domain', { cognitoDomain: { domainPrefix: `${props.names.api}-${Aws.ACCOUNT_ID}` } });
		const people = new UserPoolClient(this, 'People', {
			userPool: this.pool,
			authFlows: { userSrp: true },
			disableOAuth: true,
			preventUserExistenceErrors: true,
			accessTokenValidity: Duration.hours(1),
		});
		const programs = new UserPoolClient(this, 'Programs', {
			userPool: this.pool,
			generateSecret: true,
			oAuth: { flows: { clientCredentials: true }, scopes: [OAuthScope.resourceServer(server, use)] },
			accessTokenValidity: Duration.hours(1),
		});
		this.scopes = [`${props.names.api}/${SCOPE}`, 'aws.cognito.signin.user.admin'];
		new CfnOutput(this, 'PoolId', { value: this.pool.userPoolId });
		new CfnOutput(this, 'PeopleClientId', { value: people.userPoolClientId });
		new CfnOutput(this, 'ProgramsClientId', { value: programs.userPoolClientId });
		new CfnOutput(this, 'TokenEndpoint', { value: `${domain.baseUrl()}/oauth2/token` });
	}
}
