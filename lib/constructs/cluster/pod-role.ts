import { CfnPodIdentityAssociation } from 'aws-cdk-lib/aws-eks';
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';

export interface PodRoleProps {
	readonly clusterName: string;
	readonly namespace: string;
	readonly serviceAccount: string;
}

/**
 * A role for the pods of a service account, by Pod Identity. Credentials are put into a pod when it is made: whatever
 * makes the pods must depend on `association`.
 */
export class PodRole extends Construct {
	readonly role: Role;
	readonly association: CfnPodIdentityAssociation;

	constructor(scope: Construct, id: string, props: PodRoleProps) {
		super(scope, id);
		const pods = new ServicePrincipal('pods.eks.amazonaws.com');
		this.role = new Role(this, 'Role', { assumedBy: pods });
		this.role.assumeRolePolicy?.addStatements(
			new PolicyStatement({ effect: Effect.ALLOW, principals: [pods], actions: ['sts:TagSession'] }),
		);
		this.association = new CfnPodIdentityAssociation(this, 'Association', { ...props, roleArn: this.role.roleArn });
	}
}
