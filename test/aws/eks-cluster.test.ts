import { DescribeClusterCommand, EKSClient, ResourceNotFoundException } from '@aws-sdk/client-eks';
import { mockClient } from 'aws-sdk-client-mock';
import { describe, expect, it } from 'vitest';
import { eksCluster } from '../../adapters/aws/eks-cluster.ts';
import { parseServeSettings } from '../../bin/serve/settings.ts';

const clock = { now: () => Date.UTC(2026, 0, 2) };
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };

function cluster() {
	const client = new EKSClient({ region: 'eu-west-1', credentials });
	return { client, eks: mockClient(client) };
}

describe('an EKS cluster by its name', () => {
	it('is reached at its endpoint, with a token of its own', async () => {
		const { client, eks } = cluster();
		eks.on(DescribeClusterCommand, { name: 'shop' }).resolves({
			cluster: { endpoint: 'https://ABC.gr7.eu-west-1.eks.amazonaws.com', certificateAuthority: { data: 'Y2E=' }, status: 'ACTIVE' },
		});
		const access = await eksCluster('shop', clock, client);
		if (access.kind !== 'token') throw new Error('no token');
		expect(access).toMatchObject({ server: 'https://ABC.gr7.eu-west-1.eks.amazonaws.com', caData: 'Y2E=' });
		const token = await access.token();
		const url = new URL(Buffer.from(token.replace(/^k8s-aws-v1\./, ''), 'base64url').toString());
		expect(url.host).toBe('sts.eu-west-1.amazonaws.com');
		expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('host;x-k8s-aws-id');
	});

	it.each([
		[
			'is not there',
			new ResourceNotFoundException({ message: 'No cluster found', $metadata: {} }),
			'cluster_not_found',
			/shop in eu-west-1/,
		],
		['may not be looked at', Object.assign(new Error('no'), { name: 'AccessDeniedException' }), 'aws_forbidden', /eks:DescribeCluster/],
		['is asked for too often', Object.assign(new Error('slow'), { name: 'ThrottlingException' }), 'aws_throttled', /no more requests/],
	])('that %s: says so', async (_what, error, code, words) => {
		const { client, eks } = cluster();
		eks.on(DescribeClusterCommand).rejects(error);
		await expect(eksCluster('shop', clock, client)).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
	});

	it('that is only being made has no endpoint yet', async () => {
		const { client, eks } = cluster();
		eks.on(DescribeClusterCommand).resolves({ cluster: { status: 'CREATING' } });
		await expect(eksCluster('shop', clock, client)).rejects.toMatchObject({
			code: 'cluster_not_ready',
			message: expect.stringContaining('creating'),
		});
	});

	it('cannot be asked for without a region or credentials', async () => {
		const nobody = async (): Promise<never> => {
			throw new Error('none');
		};
		await expect(eksCluster('shop', clock, new EKSClient({ region: nobody, credentials }))).rejects.toMatchObject({
			code: 'aws_credentials_missing',
		});
		const asked = eksCluster('shop', clock, new EKSClient({ region: 'eu-west-1', credentials: nobody }));
		await expect(asked).rejects.toMatchObject({ code: 'aws_credentials_missing' });
	});

	it('is a flag of the service, in place of a kubeconfig', () => {
		const flags = [
			'--host',
			'kubernetes',
			'--clone-image',
			'a:b',
			'--clone-wordpress',
			'7.1.1',
			'--clone-domain',
			'clones.test',
			'--eks-cluster',
		];
		expect(parseServeSettings([...flags, 'shop'], {}).kubernetes?.eksCluster).toBe('shop');
		expect(() => parseServeSettings([...flags, 'shop', '--kubeconfig', 'x'], {})).toThrow('give one');
		expect(() => parseServeSettings([...flags, '../shop'], {})).toThrow('--eks-cluster');
	});
});
