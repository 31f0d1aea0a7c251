/**
 * Tokens for the API of an EKS cluster: `k8s-aws-v1.` and, in base64url, the address of an STS GetCallerIdentity request that
 * is signed (AWS Signature Version 4, query form) together with the cluster's name. Whoever holds it can only ask who we
 * are, and only this cluster takes it for a login. Made from the credentials alone: nothing is asked over the network.
 *
 * Rules of the other side (aws-iam-authenticator, pkg/token): path `/`; only the parameters below; the token is good for 15
 * minutes from X-Amz-Date whatever X-Amz-Expires says; at most 4096 bytes; the cluster's name, not its ARN.
 */
import { createHash, createHmac } from 'node:crypto';
import { PermanentError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports.ts';

export interface AwsCredentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
}

export interface EksTokenRequest {
	readonly clusterName: string;
	readonly region: string;
	readonly credentials: AwsCredentials;
	/** When it is signed, ms since the epoch. */
	readonly now: number;
}

const EXPIRES_SECONDS = 60;
const CLUSTER_HEADER = 'x-k8s-aws-id';
/** A token is good for 15 minutes; a new one is made well before. */
const KEEP_MS = 10 * 60_000;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** RFC 3986, as SigV4 wants it: `encodeURIComponent` leaves four more characters alone. */
const encode = (text: string): string =>
	encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

export function eksToken(request: EksTokenRequest): string {
	const { region, credentials } = request;
	const time = new Date(request.now).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
	const day = time.slice(0, 8);
	const scope = `${day}/${region}/sts/aws4_request`;
	const host = `sts.${region}.${region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'}`;
	const parameters: Record<string, string> = {
		Action: 'GetCallerIdentity',
		Version: '2011-06-15',
		'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
		'X-Amz-Credential': `${credentials.accessKeyId}/${scope}`,
		'X-Amz-Date': time,
		'X-Amz-Expires': String(EXPIRES_SECONDS),
		...(credentials.sessionToken === undefined ? {} : { 'X-Amz-Security-Token': credentials.sessionToken }),
		'X-Amz-SignedHeaders': `host;${CLUSTER_HEADER}`,
	};
	const query = Object.entries(parameters)
		.map(([name, value]): [string, string] => [encode(name), encode(value)])
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([name, value]) => `${name}=${value}`)
		.join('&');
	const headers = `host:${host}\n${CLUSTER_HEADER}:${request.clusterName}\n`;
	const canonical = ['GET', '/', query, headers, `host;${CLUSTER_HEADER}`, sha256('')].join('\n');
	const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
	const key = [day, region, 'sts', 'aws4_request'].reduce<string | Buffer>(
		(previous, part) => hmac(previous, part),
		`AWS4${credentials.secretAccessKey}`,
	);
	const signature = hmac(key, toSign).toString('hex');
	const url = `https://${host}/?${query}&X-Amz-Signature=${signature}`;
	return `k8s-aws-v1.${Buffer.from(url).toString('base64url')}`;
}

/**
 * A token at hand whenever one is wanted; signed anew every ten minutes, by the credentials as they are then (those of a
 * Lambda change with its environment).
 */
export function eksTokens(options: {
	readonly clusterName: string;
	readonly region: string;
	readonly credentials: () => AwsCredentials | Promise<AwsCredentials>;
	readonly clock: Clock;
}): () => Promise<string> {
	let kept: { token: string; until: number } | undefined;
	return async () => {
		const now = options.clock.now();
		if (kept === undefined || now >= kept.until) {
			const credentials = await options.credentials();
			if (credentials.accessKeyId === '' || credentials.secretAccessKey === '') {
				throw new PermanentError(
					'aws_credentials_missing',
					'There are no AWS credentials to log in to the cluster with. Give the service a role.',
				);
			}
			const token = eksToken({ clusterName: options.clusterName, region: options.region, credentials, now });
			kept = { token, until: now + KEEP_MS };
		}
		return kept.token;
	};
}
