import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPublicAddress } from '../../adapters/wordpress/address-guard.ts';
import { isPublicLiteral, normalizeSourceUrl, sourceUrlProblem } from '../../core/api/source-url.ts';
import { PRIVATE_URLS } from './support/private-urls.ts';

describe('sourceUrlProblem', () => {
	it.each(PRIVATE_URLS)('refuses %s', (url) => {
		expect(sourceUrlProblem(url)).toMatch(/public internet/);
	});

	it.each([
		['ftp://shop.example/', /https/],
		['file:///etc/passwd', /https/],
		['javascript:alert(1)', /https/],
		['gopher://shop.example/', /https/],
		['data:text/html,x', /https/],
		['https://admin:secret@shop.example/', /user name/],
		['https://admin@shop.example/', /user name/],
		['http://127.0.0.1@shop.example/', /user name/],
		['https://shop.example:8443/', /port/],
		['http://shop.example:22/', /port/],
		['shop.example', /not a URL/],
		['https://', /not a URL/],
		['http://1.2.3.4.5/', /not a URL/],
		['http://256.1.1.1/', /not a URL/],
		['http://[::1', /not a URL/],
		['', /not a URL/],
	])('refuses %s', (url, reason) => {
		expect(sourceUrlProblem(url)).toMatch(reason);
	});

	it('never repeats the address, which may hold a password', () => {
		expect(sourceUrlProblem('https://admin:hunter2@shop.example/')).not.toContain('hunter2');
	});

	it.each([
		'https://shop.example/',
		'http://shop.example',
		'https://shop.example:443/blog',
		'http://shop.example:80/',
		'https://8.8.8.8/',
		'https://134744072/',
		'https://[2606:4700::1111]/',
		'https://[::ffff:8.8.8.8]/',
		'https://[64:ff9b::808:808]/',
		'https://bücher.example/',
		'https://localhost.example/',
		'https://local.example/',
		'https://127.0.0.1.example/',
	])('takes %s', (url) => {
		expect(sourceUrlProblem(url)).toBeNull();
	});

	it('takes private addresses and any port where they are allowed, but no other scheme and no user info', () => {
		const rules = { allowPrivate: true };
		expect(sourceUrlProblem('http://127.0.0.1:8081/', rules)).toBeNull();
		expect(sourceUrlProblem('http://localhost:3000/', rules)).toBeNull();
		expect(sourceUrlProblem('http://intranet/', rules)).toBeNull();
		expect(sourceUrlProblem('ftp://127.0.0.1/', rules)).toMatch(/https/);
		expect(sourceUrlProblem('http://a:b@127.0.0.1/', rules)).toMatch(/user name/);
	});

	it('agrees with ipaddr.js on every IPv4 address', () => {
		fc.assert(
			fc.property(fc.ipV4(), (address) => isPublicLiteral(address) === isPublicAddress(address)),
			{ numRuns: 5000 },
		);
	});

	it('agrees with ipaddr.js at the edges of every IPv4 range', () => {
		const edges = ['0.255.255.255', '1.0.0.0', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.0']
			.concat(['169.253.255.255', '169.255.0.0', '172.15.255.255', '172.32.0.0', '191.255.255.255', '192.0.1.0', '192.0.3.0'])
			.concat([
				'192.88.98.255',
				'192.88.100.0',
				'192.167.255.255',
				'192.169.0.0',
				'198.17.255.255',
				'198.20.0.0',
				'223.255.255.255',
				'224.0.0.0',
			])
			.concat(['192.31.196.1', '192.31.197.0', '192.52.193.1', '192.175.48.1', '198.51.99.255', '203.0.114.0']);
		expect(edges.filter((edge) => isPublicLiteral(edge) !== isPublicAddress(edge))).toEqual([]);
	});

	it('agrees with ipaddr.js on IPv6 addresses, also near the special ranges', () => {
		const starts = ['2001', '2002', '2620', '3fff', 'fe80', 'fc00', 'ff02', '64', '0', '100', '5f00', '2606', '4000', '1fff'];
		const group = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
		const second = fc.oneof(
			group,
			fc.constantFrom('0', 'db8', '4f', 'ff9b', '1', '2', '3', '4', '10', '20', '30', '1ff', '200', 'fff', '1000'),
		);
		const third = fc.oneof(group, fc.constantFrom('0', '1', '112', '8000'));
		fc.assert(
			fc.property(fc.constantFrom(...starts), second, third, fc.array(group, { minLength: 5, maxLength: 5 }), (a, b, c, rest) => {
				const address = [a, b, c, ...rest].join(':');
				return isPublicLiteral(address) === isPublicAddress(address);
			}),
			{ numRuns: 5000 },
		);
		expect(isPublicLiteral('2606:4700::1')).toBe(true);
	});
});

describe('normalizeSourceUrl', () => {
	it.each([
		['https://Shop.Example/', 'https://shop.example'],
		['https://shop.example./', 'https://shop.example'],
		['https://shop.example:443/blog/', 'https://shop.example/blog'],
		['http://shop.example:8080', 'http://shop.example:8080'],
		['https://shop.example/wp-admin/', 'https://shop.example'],
		['https://shop.example/wp/wp-admin/plugins.php?x=1#y', 'https://shop.example/wp'],
		['https://shop.example/wp-login.php?redirect_to=x', 'https://shop.example'],
		['https://shop.example/index.php', 'https://shop.example'],
		['http://0x7f.1/', 'http://127.0.0.1'],
	])('%s becomes %s', (url, normal) => {
		expect(normalizeSourceUrl(url)).toBe(normal);
		expect(normalizeSourceUrl(normal)).toBe(normal);
	});
});
