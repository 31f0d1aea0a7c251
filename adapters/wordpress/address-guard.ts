import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { buildConnector } from 'undici';
import { bareHost, sourceUrlProblem } from '../../core/api/source-url.ts';
import { PermanentError } from '../../core/errors.ts';

/** The address is, resolves to, or redirects to something that is not on the public internet. */
export class SourceNotAllowedError extends PermanentError {
	constructor(reason: string, options?: { cause?: unknown }) {
		super('source_not_allowed', `The address of the site ${reason}. Give the public address of the site.`, options);
	}
}

export interface ResolvedAddress {
	readonly address: string;
	readonly family: number;
}

/** All addresses of a name, in the order to try them. */
export type Resolver = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export const systemResolver: Resolver = (hostname) => systemLookup(hostname, { all: true, verbatim: true });

const GLOBAL_UNICAST_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3');
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

/**
 * Whether an IP address is global unicast. IPv4-mapped and NAT64 addresses count as the IPv4 address within; 6to4 and
 * Teredo are refused, since a relay may unwrap them anywhere.
 */
export function isPublicAddress(address: string): boolean {
	if (!ipaddr.isValid(address)) return false;
	const parsed = ipaddr.parse(address);
	if (parsed instanceof ipaddr.IPv4) return parsed.range() === 'unicast';
	if (parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().range() === 'unicast';
	if (parsed.match(NAT64)) return new ipaddr.IPv4(parsed.toByteArray().slice(12)).range() === 'unicast';
	return parsed.match(GLOBAL_UNICAST_IPV6) && parsed.range() === 'unicast';
}

/** What may be asked for, and where it may lie. */
export interface AddressPolicy {
	/** What is wrong with a URL by its text, or null. */
	urlProblem(url: string): string | null;
	/** Whether an IP address may be dialled. */
	allows(address: string): boolean;
}

export const publicOnly: AddressPolicy = { urlProblem: (url) => sourceUrlProblem(url), allows: isPublicAddress };

/** For one-machine use: whatever this machine can reach. */
export const anywhere: AddressPolicy = { urlProblem: (url) => sourceUrlProblem(url, { allowPrivate: true }), allows: () => true };

/** Refuses what the text of a URL alone gives away: scheme, user info, port, literal address. @throws SourceNotAllowedError */
export function checkSourceUrl(url: string | URL, policy: AddressPolicy): URL {
	const problem = policy.urlProblem(String(url));
	if (problem !== null) throw new SourceNotAllowedError(problem);
	return new URL(url);
}

/**
 * A name lookup for net.connect: answers only with addresses that were checked, and the socket connects to exactly
 * those, so there is no second lookup that could answer otherwise. One private address among the answers refuses all.
 */
export function guardedLookup(resolve: Resolver, policy: AddressPolicy): LookupFunction {
	return (hostname, options, callback) => {
		resolve(bareHost(hostname)).then(
			(addresses) => {
				const [first] = addresses;
				if (first === undefined) {
					callback(Object.assign(new Error('the name has no address'), { code: 'ENOTFOUND' }), '', 0);
				} else if (!addresses.every(({ address }) => policy.allows(address))) {
					callback(new SourceNotAllowedError('resolves to an address that is not on the public internet'), '', 0);
				} else if (options.all) {
					callback(null, [...addresses]);
				} else {
					callback(null, first.address, first.family);
				}
			},
			(cause: NodeJS.ErrnoException) => callback(cause, '', 0),
		);
	};
}

/** An undici connector that dials allowed addresses only, names and literals alike. HTTP/1.1; no proxy. */
export function guardedConnector(options: {
	readonly resolve: Resolver;
	readonly policy: AddressPolicy;
	readonly timeoutMs: number;
	/** PEM certificates to trust instead of the usual ones. */
	readonly ca?: string;
}): buildConnector.connector {
	const connect = buildConnector({
		timeout: options.timeoutMs,
		allowH2: false,
		lookup: guardedLookup(options.resolve, options.policy),
		autoSelectFamily: true,
		...(options.ca === undefined ? {} : { ca: options.ca }),
	});
	return (target, callback) => {
		// net.connect looks up names only, so a literal needs its own check.
		if (isIP(target.hostname) !== 0 && !options.policy.allows(target.hostname)) {
			callback(new SourceNotAllowedError('points to an address that is not on the public internet'), null);
			return;
		}
		connect(target, callback);
	};
}
