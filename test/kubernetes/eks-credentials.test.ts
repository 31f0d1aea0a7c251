import { describe, expect, it } from 'vitest';
import { eksToken, eksTokens } from '../../adapters/kubernetes/eks-credentials.ts';
import { PermanentError } from '../../core/errors.ts';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const request = { clusterName: 'clones-prod', region: 'eu-central-1', now: NOW, credentials };

function decoded(token: string): URL {
	expect(token).toMatch(/^k8s-aws-v1\.[A-Za-z0-9_-]+$/);
	return new URL(Buffer.from(token.slice('k8s-aws-v1.'.length), 'base64url').toString());
}

describe('a token for an EKS cluster', () => {
	// Both signatures were made by botocore 1.44.5 (SigV4QueryAuth) from the same input.
	it('is signed as botocore signs', () => {
		const url = decoded(eksToken(request));
		expect(url.searchParams.get('X-Amz-Signature')).toBe('ebf80db15746901bdd552fc78b02b6d8273c8d7714d71a4e1d15994328abaa1c');
	});

	it('carries a session token, signed along', () => {
		const url = decoded(
			eksToken({ ...request, credentials: { ...credentials, sessionToken: 'FwoGZXIvYXdzEXAMPLE//token+with/odd==chars' } }),
		);
		expect(url.searchParams.get('X-Amz-Signature')).toBe('26236bd81a61e23994201ae93cc5d74ca9e3a22cc8f58198b9c654e10761064c');
		expect(url.searchParams.get('X-Amz-Security-Token')).toBe('FwoGZXIvYXdzEXAMPLE//token+with/odd==chars');
	});

	it('has only what the authenticator lets through, at the regional STS', () => {
		const url = decoded(eksToken(request));
		expect(url.origin + url.pathname).toBe('https://sts.eu-central-1.amazonaws.com/');
		expect([...url.searchParams.keys()].sort((a, b) => (a < b ? -1 : 1))).toEqual([
			'Action',
			'Version',
			'X-Amz-Algorithm',
			'X-Amz-Credential',
			'X-Amz-Date',
			'X-Amz-Expires',
			'X-Amz-Signature',
			'X-Amz-SignedHeaders',
		]);
		expect(url.searchParams.get('X-Amz-SignedHeaders')).toBe('host;x-k8s-aws-id');
	});

	it('is for one cluster', () => {
		expect(eksToken({ ...request, clusterName: 'other' })).not.toBe(eksToken(request));
	});

	it('is kept for ten minutes, then signed by the credentials of that moment', async () => {
		let now = NOW;
		let asked = 0;
		const token = eksTokens({
			...request,
			clock: { now: () => now },
			credentials: () => {
				asked += 1;
				return credentials;
			},
		});
		const first = await token();
		now += 10 * 60_000 - 1;
		expect(await token()).toBe(first);
		expect(asked).toBe(1);
		now += 1;
		expect(decoded(await token()).searchParams.get('X-Amz-Date')).toBe('20260102T031405Z');
		expect(asked).toBe(2);
	});

	it('says so when there are no credentials', async () => {
		const token = eksTokens({ ...request, clock: { now: () => NOW }, credentials: () => ({ accessKeyId: '', secretAccessKey: '' }) });
		await expect(token()).rejects.toThrow(PermanentError);
		await expect(token()).rejects.toMatchObject({ code: 'aws_credentials_missing' });
	});
});
