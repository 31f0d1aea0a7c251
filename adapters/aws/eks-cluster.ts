/** Finds an EKS cluster by its name, where nobody has said where its API is. */
import { DescribeClusterCommand, EKSClient } from '@aws-sdk/client-eks';
import { PermanentError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { ClusterAccess } from '../kubernetes/cluster-config.ts';
import { eksTokens } from '../kubernetes/eks-credentials.ts';
import { awsError, nameOf } from './aws-errors.ts';

/**
 * One `eks:DescribeCluster`. Region and credentials are those of the AWS SDK's usual places.
 * @throws PermanentError `cluster_not_found`, `cluster_not_ready`, `aws_credentials_missing`, `aws_forbidden`;
 * TransientError `aws_throttled`, `aws_unavailable`
 */
export async function eksCluster(
	clusterName: string,
	clock: Clock,
	client: EKSClient = new EKSClient({ maxAttempts: 3 }),
): Promise<ClusterAccess> {
	const region = await found('region', () => client.config.region());
	await found('credentials', () => client.config.credentials());
	const { cluster } = await client.send(new DescribeClusterCommand({ name: clusterName })).catch((cause: unknown) => {
		if (nameOf(cause) === 'ResourceNotFoundException') {
			throw new PermanentError('cluster_not_found', `There is no EKS cluster ${clusterName} in ${region}. Check the name and the region.`, {
				cause,
			});
		}
		throw awsError(cause, 'eks:DescribeCluster');
	});
	const server = cluster?.endpoint;
	const caData = cluster?.certificateAuthority?.data;
	if (server === undefined || caData === undefined) {
		const message = `The EKS cluster ${clusterName} has no endpoint: it is ${cluster?.status?.toLowerCase() ?? 'unknown'}. Try again when it is active.`;
		throw new PermanentError('cluster_not_ready', message);
	}
	return {
		kind: 'token',
		server,
		caData,
		token: eksTokens({ clusterName, region, credentials: () => client.config.credentials(), clock }),
	};
}

async function found<T>(what: string, look: () => Promise<T>): Promise<T> {
	try {
		return await look();
	} catch (cause) {
		throw new PermanentError(
			'aws_credentials_missing',
			`There is no AWS ${what}. Set AWS_REGION and a profile, or give the service a role.`,
			{ cause },
		);
	}
}
