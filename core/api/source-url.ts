/**
 * What the text of a source address says about it, without asking anybody: the API refuses the obvious ones with it
 * before a job exists. A name that resolves to a private address is caught where the connection is made.
 *
 * Pure. The ranges are those of the IANA IPv4 and IPv6 special-purpose address registries that are not "globally
 * reachable", and multicast; of IPv6 only 2000::/3 is allocated for global unicast at all.
 */

type Bits = readonly [base: string, length: number];

const CLOSED_IPV4: readonly Bits[] = [
	['0.0.0.0', 8],
	['10.0.0.0', 8],
	['100.64.0.0', 10],
	['127.0.0.0', 8],
	['169.254.0.0', 16],
	['172.16.0.0', 12],
	['192.0.0.0', 24],
	['192.0.2.0', 24],
	['192.31.196.0', 24],
	['192.52.193.0', 24],
	['192.88.99.0', 24],
	['192.168.0.0', 16],
	['192.175.48.0', 24],
	['198.18.0.0', 15],
	['198.51.100.0', 24],
	['203.0.113.0', 24],
	['224.0.0.0', 4],
	['240.0.0.0', 4],
];

/** Inside 2000::/3. Everything outside it is closed, but for the two IPv4-in-IPv6 forms that are unwrapped. */
const CLOSED_IPV6: readonly Bits[] = [
	['2001:0000', 23],
	['2001:0db8', 32],
	['2002:0000', 16],
	['2620:004f:8000', 48],
	['3fff:0000', 20],
];

/** Names that never mean a site on the internet: RFC 6761, RFC 6762, RFC 8375, RFC 7686, ICANN's `.internal`. */
const CLOSED_NAMES = ['localhost', 'local', 'internal', 'home.arpa', 'onion', 'invalid', 'localdomain', 'lan', 'intranet', 'corp', 'home'];

const ipv4Bits = (address: string): bigint => address.split('.').reduce((bits, part) => (bits << 8n) | BigInt(Number(part)), 0n);

/** Expands `::` and returns the eight groups, or null when it is not an IPv6 address in hexadecimal groups. */
function ipv6Groups(address: string): number[] | null {
	const halves = address.split('::');
	if (halves.length > 2) return null;
	const groups = (text: string | undefined): number[] => (text ? text.split(':').map((group) => Number.parseInt(group, 16)) : []);
	const head = groups(halves[0]);
	const tail = groups(halves[1]);
	const missing = 8 - head.length - tail.length;
	if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
	const all = [...head, ...Array<number>(halves.length === 2 ? missing : 0).fill(0), ...tail];
	return all.every((group) => Number.isInteger(group) && group >= 0 && group <= 0xffff) ? all : null;
}

const ipv6Bits = (groups: readonly number[]): bigint => groups.reduce((bits, group) => (bits << 16n) | BigInt(group), 0n);

const within = (bits: bigint, base: bigint, length: number, width: number): boolean =>
	bits >> BigInt(width - length) === base >> BigInt(width - length);

function isPublicIpv4(bits: bigint): boolean {
	return !CLOSED_IPV4.some(([base, length]) => within(bits, ipv4Bits(base), length, 32));
}

function isPublicIpv6(groups: readonly number[]): boolean {
	const bits = ipv6Bits(groups);
	const prefix96 = bits >> 32n;
	// IPv4-mapped (RFC 4291) and the well-known NAT64 prefix (RFC 6052): what counts is the IPv4 address within.
	if (prefix96 === 0xffffn || prefix96 === ipv6Bits([0x64, 0xff9b, 0, 0, 0, 0])) return isPublicIpv4(bits & 0xffffffffn);
	if (bits >> 125n !== 1n) return false;
	return !CLOSED_IPV6.some(([base, length]) => {
		const start = base.split(':').map((group) => Number.parseInt(group, 16));
		return within(bits, ipv6Bits([...start, ...Array<number>(8 - start.length).fill(0)]), length, 128);
	});
}

/**
 * @param host as the URL parser leaves it: dotted decimal IPv4 whatever the spelling was, IPv6 in brackets or not.
 * @returns true for a literal address of global unicast, false for any other literal, null when it is a name.
 */
export function isPublicLiteral(host: string): boolean | null {
	const bare = host.replace(/^\[(.*)\]$/, '$1');
	if (/^\d{1,3}(\.\d{1,3}){3}$/.test(bare)) return bare.split('.').every((part) => Number(part) <= 255) && isPublicIpv4(ipv4Bits(bare));
	if (!bare.includes(':')) return null;
	const groups = ipv6Groups(bare);
	return groups !== null && isPublicIpv6(groups);
}

export interface SourceUrlRules {
	/** For one-machine use: private and loopback addresses, single-label names and any port. @default false */
	readonly allowPrivate?: boolean;
}

/** A host name without the dot that may end it. */
export const bareHost = (hostname: string): string => hostname.toLowerCase().replace(/\.+$/, '');

/**
 * What is wrong with a source address as far as its text tells, in words for the caller; null when nothing is.
 * The sentence never repeats the address: it may hold a password.
 */
export function sourceUrlProblem(url: string, rules: SourceUrlRules = {}): string | null {
	let parsed: URL;
	try {
		parsed = new URL(url);
	} catch {
		return 'is not a URL; give the address of the site, such as https://shop.example.com';
	}
	if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') return 'must begin with https:// or http://';
	if (parsed.username !== '' || parsed.password !== '') return 'must not hold a user name or password; give those in their own fields';
	const host = bareHost(parsed.hostname);
	if (host === '') return 'has no host name';
	if (rules.allowPrivate) return null;
	if (parsed.port !== '' && parsed.port !== '80' && parsed.port !== '443') return 'must use port 80 or 443';
	const literal = isPublicLiteral(host);
	if (literal === false) return 'points to an address that is not on the public internet';
	if (literal === null && (!host.includes('.') || CLOSED_NAMES.some((name) => host.endsWith(`.${name}`)))) {
		return 'is a name of a private network, not of a site on the public internet';
	}
	return null;
}

/**
 * The site's address as it is kept and compared: lower-case host without a final dot, no default port, query, fragment
 * or final slash, and without the admin pages that people copy from the address bar (`/wp-admin/…`, `/wp-login.php`).
 * @throws TypeError when it is no URL; ask sourceUrlProblem first.
 */
export function normalizeSourceUrl(url: string): string {
	const parsed = new URL(url);
	const port = parsed.port === '' ? '' : `:${parsed.port}`;
	const path = parsed.pathname.replace(/\/+(wp-admin(\/.*)?|wp-login\.php|index\.php)$/, '').replace(/\/+$/, '');
	return `${parsed.protocol}//${bareHost(parsed.hostname)}${port}${path}`;
}
