/**
 * One secret of AWS Secrets Manager, read by a signed request (AWS Signature Version 4, header form): one call of one action
 * needs no client of 300 KB. Server's side: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
 */
import { createHash, createHmac } from 'node:crypto';
import { TransientError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';
import type { AwsCredentials } from '../kubernetes/eks-credentials.ts';
import { asked } from './aws-errors.ts';

export interface SecretsManagerOptions {
	readonly region: () => Promise<string>;
	readonly credentials: () => Promise<AwsCredentials>;
	readonly clock: Clock;
	/** `https://secretsmanager.{region}.amazonaws.com` unless given, without a slash at its end. */
	readonly endpoint?: string;
}

const SERVICE = 'secretsmanager';
const ANSWER_MS = 5000;

/** @returns the secret's text. @throws PermanentError `aws_forbidden`, `aws_resource_missing`; TransientError `aws_throttled`, `aws_unavailable` */
export async function secretText(options: SecretsManagerOptions, secretId: string): Promise<string> {
	const answer = await call(options, 'GetSecretValue', { SecretId: secretId });
	const text = typeof answer === 'object' && answer !== null && 'SecretString' in answer ? answer.SecretString : undefined;
	if (typeof text !== 'string') throw new TransientError('aws_unavailable', 'AWS did not answer (secretsmanager:GetSecretValue).');
	return text;
}

/** One action of Secrets Manager. @throws as `secretText` */
export async function call(options: SecretsManagerOptions, action: string, payload: object): Promise<unknown> {
	const [region, credentials] = await Promise.all([options.region(), options.credentials()]);
	const url = new URL(
		options.endpoint ?? `https://${SERVICE}.${region}.${region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`,
	);
	const body = JSON.stringify(payload);
	const headers = signedHeaders({ host: url.host, target: `${SERVICE}.${action}`, body, region, credentials, now: options.clock.now() });
	return asked(`${SERVICE}:${action}`, async () => {
		const response = await fetch(url, { method: 'POST', headers, body, redirect: 'error', signal: AbortSignal.timeout(ANSWER_MS) });
		const answer: unknown = await response.json();
		if (response.ok) return answer;
		throw Object.assign(new Error('Secrets Manager refused.'), { name: errorName(answer), $metadata: { httpStatusCode: response.status } });
	});
}

export interface SignedRequest {
	readonly host: string;
	readonly target: string;
	readonly body: string;
	readonly region: string;
	readonly credentials: AwsCredentials;
	/** ms since the epoch */
	readonly now: number;
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** The headers of a `POST /` with a JSON body, the signature among them; `host` is signed and left to the HTTP client to send. */
export function signedHeaders({ host, target, body, region, credentials, now }: SignedRequest): Record<string, string> {
	const time = new Date(now).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
	const day = time.slice(0, 8);
	const scope = `${day}/${region}/${SERVICE}/aws4_request`;
	const sent: Record<string, string> = {
		'content-type': 'application/x-amz-json-1.1',
		'x-amz-date': time,
		...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
		'x-amz-target': target,
	};
	const signed = Object.entries({ ...sent, host }).sort(([a], [b]) => (a < b ? -1 : 1));
	const names = signed.map(([name]) => name).join(';');
	const canonical = ['POST', '/', '', ...signed.map(([name, value]) => `${name}:${value}`), '', names, sha256(body)].join('\n');
	const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
	const key = [day, region, SERVICE, 'aws4_request'].reduce<string | Buffer>(
		(previous, part) => hmac(previous, part),
		`AWS4${credentials.secretAccessKey}`,
	);
	const signature = hmac(key, toSign).toString('hex');
	return {
		...sent,
		authorization: `AWS4-HMAC-SHA256 Credential=${credentials.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`,
	};
}

/** `__type` is `AccessDeniedException`, or that behind a `#`. */
function errorName(answer: unknown): string {
	const type = typeof answer === 'object' && answer !== null && '__type' in answer ? answer.__type : undefined;
	return typeof type === 'string' ? type.replace(/^.*#/, '') : 'UnknownError';
}
