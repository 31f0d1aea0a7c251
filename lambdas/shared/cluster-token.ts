import { readFile } from 'node:fs/promises';
import { eksTokens } from '../../adapters/kubernetes/eks-credentials.ts';
import { PermanentError } from '../../core/errors.ts';
import type { AwsParts } from './aws-parts.ts';
import type { CommonEnvironment } from './environment.ts';

/** The login to the cluster: by IAM, or by a service account's token (a file that is renewed under our hands). */
export function clusterToken(
	aws: Pick<AwsParts, 'credentials' | 'region' | 'clock'>,
	environment: Pick<CommonEnvironment, 'CLUSTER_NAME' | 'KUBE_TOKEN_FILE'>,
): () => Promise<string> {
	const file = environment.KUBE_TOKEN_FILE;
	if (file !== undefined) return async () => (await readFile(file, 'utf8')).trim();
	let tokens: Promise<() => Promise<string>> | undefined;
	return async () => {
		tokens ??= aws.region().then((region) => {
			if (region === '') throw new PermanentError('aws_credentials_missing', 'The AWS region is not set.');
			return eksTokens({ clusterName: environment.CLUSTER_NAME, region, credentials: aws.credentials, clock: aws.clock });
		});
		return (await tokens)();
	};
}
