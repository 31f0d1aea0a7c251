import { describe, expect, it } from 'vitest';
import { cognitoCaller, iamCaller } from '../../lambdas/api/caller.ts';
import { callerEvent } from './support.ts';

const signedBy = (userArn: unknown) => iamCaller(callerEvent('GET', '/api/v2/jobs', undefined, { identity: { userArn } }));
const withClaims = (authorizer: unknown) => cognitoCaller(callerEvent('GET', '/api/v2/jobs', undefined, { authorizer }));

describe('a caller by IAM', () => {
	it.each([
		['arn:aws:sts::123456789012:assumed-role/agency/alice', 'arn:aws:iam::123456789012:role/agency'],
		['arn:aws:sts::123456789012:assumed-role/agency/i-0abc', 'arn:aws:iam::123456789012:role/agency'],
		[
			'arn:aws-cn:sts::123456789012:assumed-role/AWSReservedSSO_x_1/bob@example.com',
			'arn:aws-cn:iam::123456789012:role/AWSReservedSSO_x_1',
		],
		['arn:aws:iam::123456789012:user/team/carol', 'arn:aws:iam::123456789012:user/team/carol'],
		['arn:aws:sts::123456789012:federated-user/dave', 'arn:aws:sts::123456789012:federated-user/dave'],
		['arn:aws:iam::123456789012:root', 'arn:aws:iam::123456789012:root'],
	])('%s is %s', async (arn, owner) => {
		expect(await signedBy(arn)).toBe(owner);
	});

	it.each([
		undefined,
		null,
		'',
		7,
		'alice',
		'arn:aws:sts::123456789012:assumed-role/agency',
		'arn:aws:sts::123456789012:assumed-role/agency/alice/x',
		'arn:aws:sts::123456789012:assumed-role/agency/alice\n',
		'arn:aws:iam::12:user/x',
		'arn:aws:iam::123456789012:user/a#b',
	])('%j is nobody', async (arn) => {
		expect(await signedBy(arn)).toBeNull();
	});

	it('is nobody without an identity at all, whatever a token says', async () => {
		expect(await iamCaller(callerEvent('GET', '/', undefined, { identity: undefined, authorizer: { claims: { sub: 'x' } } }))).toBeNull();
	});
});

describe('a caller by user pool', () => {
	it("is the token's subject", async () => {
		const sub = 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee';
		expect(await withClaims({ claims: { sub, token_use: 'access' } })).toBe(`cognito:${sub}`);
	});

	it.each([
		undefined,
		null,
		{},
		{ claims: null },
		{ claims: 'sub' },
		{ claims: {} },
		{ claims: { sub: '' } },
		{ claims: { sub: 'a b' } },
		{ claims: { sub: 7 } },
	])('%j is nobody', async (authorizer) => {
		expect(await withClaims(authorizer)).toBeNull();
	});
});
