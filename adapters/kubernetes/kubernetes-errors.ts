/** What a fault of the Kubernetes API means for a clone: once, here. */
import { ApiException } from '@kubernetes/client-node';
import { PermanentError, ProductError, TransientError } from '../../core/errors.ts';

/** The parts of a `Status` object that are looked at. */
interface ApiStatus {
	readonly reason?: string;
	readonly message?: string;
	readonly details?: { readonly name?: string; readonly kind?: string; readonly retryAfterSeconds?: number };
}

function statusOf(fault: ApiException<unknown>): ApiStatus {
	if (typeof fault.body !== 'string') return typeof fault.body === 'object' && fault.body !== null ? fault.body : {};
	try {
		const parsed: unknown = JSON.parse(fault.body);
		return typeof parsed === 'object' && parsed !== null ? parsed : {};
	} catch {
		// A proxy's page, not an answer of the API.
		return { message: fault.body.slice(0, 200) };
	}
}

/** Whether the object (not its namespace) is not there. */
export function isNotFound(cause: unknown): boolean {
	return cause instanceof ApiException && cause.code === 404 && statusOf(cause).details?.kind !== 'namespaces';
}

/**
 * @param doing what was tried, for the sentence: `create the Job`
 * @returns the error to throw; one of ours is handed back as it is
 */
export function kubernetesError(cause: unknown, doing: string, namespace: string): ProductError {
	if (cause instanceof ProductError) return cause;
	if (!(cause instanceof ApiException)) return connectionError(cause);
	const status = statusOf(cause);
	const said = status.message ?? '';
	switch (cause.code) {
		case 401:
			return new TransientError('cluster_login_refused', "The cluster refused the service's login. Check its access entry or kubeconfig.", {
				cause,
			});
		case 403:
			return forbidden(cause, said, doing, namespace);
		case 404:
			if (status.details?.kind === 'namespaces') {
				const message = `The cluster has no namespace ${namespace}. Apply the platform's manifests first.`;
				return new PermanentError('namespace_missing', message, { cause });
			}
			return new TransientError('cluster_object_gone', `Could not ${doing}: it was removed meanwhile.`, { cause });
		case 409:
			return new TransientError('cluster_conflict', `Could not ${doing}: it was changed at the same moment.`, {
				cause,
				retryAfterSeconds: 1,
			});
		case 400:
		case 413:
		case 422:
			return new PermanentError(
				'cluster_refused_object',
				`The cluster does not accept what was asked of it (${doing}). Is its version supported?`,
				{
					cause,
				},
			);
		case 429:
			return new TransientError('cluster_throttled', 'The cluster asks to be asked less often.', {
				cause,
				retryAfterSeconds: status.details?.retryAfterSeconds ?? 2,
			});
		default:
			return new TransientError('cluster_error', `The cluster failed to ${doing} (HTTP ${cause.code}).`, { cause });
	}
}

function forbidden(cause: ApiException<unknown>, said: string, doing: string, namespace: string): ProductError {
	if (said.includes('exceeded quota')) return capacityFull(cause);
	if (said.includes('violates PodSecurity')) {
		return new PermanentError('pod_refused', "The cluster's pod security rules refuse a clone's pod. Check the namespace's labels.", {
			cause,
		});
	}
	if (said.includes('is being terminated')) {
		return new TransientError('namespace_ending', `The namespace ${namespace} is being removed.`, { cause });
	}
	const message = `The service may not ${doing} in namespace ${namespace}. Bind it to the Role clone-workers of the platform's manifests.`;
	// A server that has just started refuses everything until it has read the Roles.
	return new TransientError('cluster_forbidden', message, { cause, retryAfterSeconds: 10 });
}

export function capacityFull(cause?: unknown): TransientError {
	return new TransientError('capacity_full', 'The cluster has no room for another clone just now: its quota is used up.', {
		cause,
		retryAfterSeconds: 15,
	});
}

/** A step has four attempts: so they outlast a control plane that is away for a minute. */
const AWAY_SECONDS = 30;

const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/;

function connectionError(cause: unknown): ProductError {
	const codes: string[] = [];
	for (let fault: unknown = cause; fault instanceof Error && codes.length < 5; fault = fault.cause) {
		if ('code' in fault && typeof fault.code === 'string') codes.push(fault.code);
	}
	if (codes.some((code) => CERTIFICATE.test(code))) {
		const message = "The cluster's certificate is not the one that was expected. Check the authority in the kubeconfig.";
		return new PermanentError('cluster_certificate', message, { cause });
	}
	return new TransientError('cluster_unreachable', "The cluster's API does not answer. Check its address and the network.", {
		cause,
		retryAfterSeconds: AWAY_SECONDS,
	});
}
