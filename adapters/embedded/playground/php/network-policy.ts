import { connect, type Socket } from 'node:net';
import { anywhere, guardedLookup, isPublicAddress, publicOnly, systemResolver } from '../../../wordpress/address-guard.ts';

/** What PHP in a site may connect to. */
export interface NetworkPolicy {
	/** Whether names may be looked up at all for this host. */
	allowsHost(host: string): boolean;
	/** Opens the connection. @throws ConnectionRefusedError before any socket is opened. */
	connect(host: string, port: number): Socket;
}

export class ConnectionRefusedError extends Error {
	override readonly name = 'ConnectionRefusedError';

	constructor(host: string, port: number) {
		super(`A clone may not connect to ${host}:${port}.`);
	}
}

/** For plain sites: whatever the machine itself may reach. */
export const openNetwork: NetworkPolicy = {
	allowsHost: () => true,
	connect: (host, port) => connect({ host, port, noDelay: true }),
};

export interface ClonePolicyOptions {
	/** The clone's own address, for calls to itself. Asked at each connection, since the port is chosen late. */
	readonly self: () => { readonly host: string; readonly port: number } | null;
	/** Hosts a clone may reach beside WordPress.org, exact names. Asked at each connection: the agent changes them. */
	readonly allowHosts: () => readonly string[];
	/** Whether allowed hosts may be private addresses. */
	readonly allowPrivate: boolean;
	/** Told of each refusal, so that the slot's log names it. */
	readonly onRefused?: (host: string, port: number) => void;
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

/**
 * For clones: WordPress.org and its sub-domains, `allow_hosts`, and the clone itself; ports 80 and 443; public
 * addresses. A clone is a copy of a live site with its keys to other services, so everything else is refused.
 */
export function clonePolicy(options: ClonePolicyOptions): NetworkPolicy {
	const isSelf = (host: string, port: number): boolean => {
		const self = options.self();
		return self !== null && self.port === port && (host === self.host || LOOPBACK.has(host));
	};
	const isListed = (host: string): boolean =>
		host === 'wordpress.org' || host.endsWith('.wordpress.org') || options.allowHosts().some((allowed) => allowed.toLowerCase() === host);

	return {
		allowsHost: (host) => isListed(host.toLowerCase()) || LOOPBACK.has(host) || host === options.self()?.host,
		connect(name, port) {
			const host = name.toLowerCase();
			const refuse = (): never => {
				options.onRefused?.(host, port);
				throw new ConnectionRefusedError(host, port);
			};
			if (isSelf(host, port)) {
				const self = options.self();
				return connect({ host: self?.host ?? '127.0.0.1', port, noDelay: true });
			}
			if (!isListed(host) || (port !== 80 && port !== 443)) return refuse();
			// A literal address needs no lookup, so the lookup's guard would not see it.
			if (/^[\d.]+$|:/.test(host) && !options.allowPrivate && !isPublicAddress(host)) return refuse();
			return connect({ host, port, noDelay: true, lookup: guardedLookup(systemResolver, options.allowPrivate ? anywhere : publicOnly) });
		},
	};
}
