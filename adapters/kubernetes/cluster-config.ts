/** How to reach a cluster and who we are there, with connections that are kept. */
import { KubeConfig, type RequestContext } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { PermanentError } from '../../core/errors.ts';

/** An answer of the API server, or the next part of one, must come within this time. */
const ANSWER_MS = 15_000;

/**
 * The client makes a new dispatcher, and so a new TLS connection, for every request. This one keeps the first, and does not
 * wait five minutes for a server that is not there any more.
 */
export class ClusterConfig extends KubeConfig {
	#dispatcher: Dispatcher | undefined;

	override async applySecurityAuthentication(context: RequestContext): Promise<void> {
		await super.applySecurityAuthentication(context);
		this.#dispatcher ??= context
			.getDispatcher()
			?.compose((dispatch) => (options, handler) => dispatch({ ...options, headersTimeout: ANSWER_MS, bodyTimeout: ANSWER_MS }, handler));
		if (this.#dispatcher !== undefined) context.setDispatcher(this.#dispatcher);
	}

	/** Closes the kept connections. */
	async close(): Promise<void> {
		await this.#dispatcher?.close();
		this.#dispatcher = undefined;
	}
}

export type ClusterAccess =
	/** A kubeconfig file; without a path the usual places are searched: `KUBECONFIG`, `~/.kube/config`, a pod's own account. */
	| { readonly kind: 'kubeconfig'; readonly path?: string; readonly context?: string }
	| {
			readonly kind: 'token';
			readonly server: string;
			/** The authority's certificate: PEM in base64, as EKS gives it. */
			readonly caData: string;
			/** Asked before every request. */
			readonly token: () => Promise<string>;
	  };

/** @throws PermanentError `kubeconfig_invalid` */
export function clusterConfig(access: ClusterAccess): ClusterConfig {
	const config = new ClusterConfig();
	if (access.kind === 'token') {
		config.addAuthenticator({
			isAuthProvider: (user) => user.authProvider?.name === 'token',
			applyAuthentication: async (_user, options) => {
				options.headers = { ...options.headers, Authorization: `Bearer ${await access.token()}` };
			},
		});
		config.loadFromOptions({
			clusters: [{ name: 'cluster', server: access.server, caData: access.caData, skipTLSVerify: false }],
			users: [{ name: 'service', authProvider: { name: 'token' } }],
			contexts: [{ name: 'service', cluster: 'cluster', user: 'service' }],
			currentContext: 'service',
		});
		return config;
	}
	try {
		if (access.path === undefined) config.loadFromDefault();
		else config.loadFromFile(access.path);
		if (access.context !== undefined) config.setCurrentContext(access.context);
	} catch (cause) {
		throw unreadable(access.path, cause);
	}
	if (config.getCurrentCluster() === null || config.getCurrentUser() === null) throw unreadable(access.path);
	return config;
}

function unreadable(path: string | undefined, cause?: unknown): PermanentError {
	const message = `${path ?? 'The default kubeconfig'} does not name a cluster and a user. Set KUBECONFIG to a file that does.`;
	return new PermanentError('kubeconfig_invalid', message, { cause });
}
