import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemCode } from '../../core/api/problems.ts';
import { type CallOptions, type Service, startService, VALID_CLONE } from '../support/memory-api/service.ts';

let service: Service;
beforeAll(async () => {
	service = await startService();
});
afterAll(() => service.stop());

/** Sends it, and sees to it that nothing was written or sent. */
async function refused(method: string, path: string, options: CallOptions) {
	const before = service.calls.length;
	const answer = await service.call(method, path, options);
	expect(service.calls.slice(before)).toEqual([]);
	expect(service.sent).toEqual([]);
	expect(await service.jobCount()).toBe(0);
	return answer;
}

const clone = (change: Readonly<Record<string, unknown>>): CallOptions => ({ json: { ...VALID_CLONE, ...change } });

describe('who calls', () => {
	const routes: [string, string][] = [
		['POST', '/api/v2/clone'],
		['POST', '/api/v1/clone'],
		['POST', '/clone'],
		['DELETE', '/api/v2/delete/some-clone'],
		['GET', '/api/v2/job-status/clone-0123456789ab'],
		['GET', '/api/v2/jobs/clone-0123456789ab'],
		['POST', '/api/v2/jobs/clone-0123456789ab/cancel'],
		['GET', '/api/v2/jobs'],
		['GET', '/api/v2/clones'],
		['GET', '/api/v2/clones/some-clone'],
		['PATCH', '/api/v2/clones/some-clone'],
	];
	it.each(routes)('%s %s without a token: 401', async (method, path) => {
		const answer = await refused(method, path, { token: null, ...(method === 'POST' ? { json: VALID_CLONE } : {}) });
		expect(answer.status).toBe(401);
		expect(answer.problem.code).toBe('unauthorized');
		expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="wp-clone"');
	});

	it.each([
		['another token', 'Bearer wpc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
		['an empty token', 'Bearer '],
		['another scheme', 'Basic YWRtaW46YWRtaW4='],
		['a token with something after it', 'Bearer x y'],
	])('%s: 401', async (_name, authorization) => {
		const answer = await refused('POST', '/api/v2/clone', { token: null, json: VALID_CLONE, headers: { authorization } });
		expect(answer.status).toBe(401);
		expect(answer.headers.get('www-authenticate')).toContain('invalid_token');
	});

	it('a right token that is sent twice, or in other words, is judged as a whole', async () => {
		const twice = await refused('POST', '/api/v2/clone', {
			token: null,
			json: VALID_CLONE,
			headers: { authorization: `Bearer ${service.firstToken}, Bearer ${service.firstToken}` },
		});
		expect(twice.status).toBe(401);
		const lower = await service.call('GET', '/api/v2/jobs', { token: null, headers: { authorization: `bearer ${service.firstToken}` } });
		expect(lower.status).toBe(200);
	});
});

describe('the body as such', () => {
	it.each([
		['cut off', '{"source_url": "https://shop.example.com"'],
		['empty', ''],
		['not JSON', 'source_url=https://shop.example.com'],
		['JSON with a comment', '{} // all'],
		['two values', '{}{}'],
	])('malformed JSON (%s): 400', async (_name, body) => {
		const answer = await refused('POST', '/api/v2/clone', { body, headers: { 'content-type': 'application/json' } });
		expect([answer.status, answer.problem.code]).toEqual([400, 'malformed_json']);
	});

	it('bytes that are no UTF-8: 400', async () => {
		const body = new Uint8Array([...new TextEncoder().encode('{"source_url":"'), 0xff, 0xfe, 0x22, 0x7d]);
		const answer = await refused('POST', '/api/v2/clone', { body, headers: { 'content-type': 'application/json' } });
		expect([answer.status, answer.problem.code]).toEqual([400, 'malformed_json']);
	});

	it.each([
		['form', { 'content-type': 'application/x-www-form-urlencoded' }],
		['text', { 'content-type': 'text/plain' }],
		['none', { 'content-type': '' }],
		['JSON in another charset', { 'content-type': 'application/json; charset=iso-8859-1' }],
		['a type that begins like JSON', { 'content-type': 'application/jsonp' }],
		['compressed', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
	])('content type %s: 415', async (_name, headers) => {
		const answer = await refused('POST', '/api/v2/clone', { body: JSON.stringify(VALID_CLONE), headers });
		expect([answer.status, answer.problem.code]).toEqual([415, 'unsupported_media_type']);
	});

	it('exactly 256 KiB is read, one byte more is 413', async () => {
		const padded = (bytes: number): string => `{"x":"${'a'.repeat(bytes - 8)}"}`;
		const headers = { 'content-type': 'application/json' };
		expect(padded(262_144).length).toBe(262_144);
		expect((await refused('POST', '/api/v2/clone', { body: padded(262_144), headers })).status).toBe(422);
		const over = await refused('POST', '/api/v2/clone', { body: padded(262_145), headers });
		expect([over.status, over.problem.code]).toEqual([413, 'payload_too_large']);
	});

	it.each(['[]', '"text"', 'null', '7', 'true'])('%s where an object belongs: 422', async (body) => {
		const answer = await refused('POST', '/api/v2/clone', { body, headers: { 'content-type': 'application/json' } });
		expect([answer.status, answer.problem.code]).toEqual([422, 'invalid_request']);
		expect(answer.problem.errors).toEqual([{ field: 'body', pointer: '#', code: 'wrong_type', message: 'Must be a JSON object.' }]);
	});
});

describe('fields', () => {
	const cases: [string, Record<string, unknown>, ProblemCode, [string, string][]][] = [
		['unknown field', { color: 'red' }, 'invalid_request', [['color', 'unknown_field']]],
		[
			'camel case',
			{ sourceUrl: 'x', ttlMinutes: 5 },
			'invalid_request',
			[
				['sourceUrl', 'unknown_field'],
				['ttlMinutes', 'unknown_field'],
			],
		],
		[
			'every field of the wrong type',
			{
				source_url: 1,
				source_username: [],
				source_password: {},
				customer_id: 5,
				ttl_minutes: '30',
				database: 1,
				access: null,
				allow_hosts: 'x',
			},
			'invalid_request',
			[
				['source_url', 'wrong_type'],
				['source_username', 'wrong_type'],
				['source_password', 'wrong_type'],
				['customer_id', 'wrong_type'],
				['ttl_minutes', 'wrong_type'],
				['database', 'invalid_value'],
				['access', 'invalid_value'],
				['allow_hosts', 'wrong_type'],
			],
		],
		['no source_url', { source_url: undefined }, 'invalid_request', [['source_url', 'required']]],
		['no password', { source_password: undefined }, 'invalid_request', [['source_password', 'required']]],
		['no username', { source_username: undefined }, 'invalid_request', [['source_username', 'required']]],
		[
			'no credentials',
			{ source_username: undefined, source_password: undefined },
			'credentials_required',
			[
				['source_username', 'credentials_required'],
				['source_password', 'credentials_required'],
			],
		],
		[
			'empty credentials',
			{ source_username: '', source_password: '' },
			'invalid_request',
			[
				['source_username', 'too_short'],
				['source_password', 'too_short'],
			],
		],
		['line break in the username', { source_username: 'a\nb' }, 'invalid_request', [['source_username', 'invalid_format']]],
		['customer_id in capitals', { customer_id: 'Acme' }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id with a dot', { customer_id: 'a.b' }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id with a hyphen first', { customer_id: '-a' }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id with a hyphen last', { customer_id: 'a-' }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id with a line break last', { customer_id: 'a\n' }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id empty', { customer_id: '' }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id of 41', { customer_id: 'a'.repeat(41) }, 'invalid_request', [['customer_id', 'invalid_format']]],
		['customer_id like a job', { customer_id: 'clone-0123456789ab' }, 'invalid_request', [['customer_id', 'reserved']]],
		['customer_id like a slot', { customer_id: 'slot-0123456789ab' }, 'invalid_request', [['customer_id', 'reserved']]],
		['ttl_minutes 4', { ttl_minutes: 4 }, 'invalid_request', [['ttl_minutes', 'out_of_range']]],
		['ttl_minutes 1441', { ttl_minutes: 1441 }, 'invalid_request', [['ttl_minutes', 'out_of_range']]],
		['ttl_minutes 5.5', { ttl_minutes: 5.5 }, 'invalid_request', [['ttl_minutes', 'wrong_type']]],
		['ttl_minutes null', { ttl_minutes: null }, 'invalid_request', [['ttl_minutes', 'wrong_type']]],
		['ttl_minutes -0', { ttl_minutes: -0 }, 'invalid_request', [['ttl_minutes', 'out_of_range']]],
		['another database', { database: 'postgres' }, 'invalid_request', [['database', 'invalid_value']]],
		['mysql where there is none', { database: 'mysql' }, 'database_not_available', [['database', 'database_not_available']]],
		['another access', { access: 'open' }, 'invalid_request', [['access', 'invalid_value']]],
		[
			'21 hosts',
			{ allow_hosts: Array.from({ length: 21 }, (_, index) => `h${index}.example.com`) },
			'invalid_request',
			[['allow_hosts', 'too_long']],
		],
		[
			'hosts that are none',
			{ allow_hosts: ['api.example.com', 'https://a.example.com', '10.0.0.1', 'a'] },
			'invalid_request',
			[['allow_hosts', 'invalid_format']],
		],
		['callback where there is none', { callback_url: 'https://hooks.example.com/x' }, 'not_supported', [['callback_url', 'not_supported']]],
		[
			'a field called constructor',
			{ constructor: 1, toString: 2 },
			'invalid_request',
			[
				['constructor', 'unknown_field'],
				['toString', 'unknown_field'],
			],
		],
		[
			'several at once',
			{ source_url: 'ftp://x', ttl_minutes: 1, nope: 1 },
			'source_not_allowed',
			[
				['source_url', 'source_not_allowed'],
				['ttl_minutes', 'out_of_range'],
				['nope', 'unknown_field'],
			],
		],
	];
	it.each(cases)('%s: 422', async (_name, change, code, faults) => {
		for (const path of ['/api/v2/clone', '/api/v1/clone']) {
			const answer = await refused('POST', path, clone(change));
			expect([answer.status, answer.problem.code]).toEqual([422, code]);
			expect(answer.problem.errors?.map((fault) => [fault.field, fault.code])).toEqual(faults);
			for (const fault of answer.problem.errors ?? []) expect(fault.pointer).toMatch(new RegExp(`^#/${fault.field}(/\\d+)?$`));
		}
	});

	it('__proto__ and names that come twice', async () => {
		const headers = { 'content-type': 'application/json' };
		const polluted = await refused('POST', '/api/v2/clone', {
			body: `{"__proto__":{"source_username":"x"},"source_url":"https://shop.example.com"}`,
			headers,
		});
		expect([polluted.status, polluted.problem.errors?.map((fault) => [fault.field, fault.code])]).toEqual([
			422,
			[['__proto__', 'unknown_field']],
		]);
		const twice = await refused('POST', '/api/v2/clone', {
			body: `{"source_url":"https://shop.example.com","source_username":"a","source_password":"b","source_url":"http://127.0.0.1/"}`,
			headers,
		});
		expect([twice.status, twice.problem.code]).toEqual([422, 'source_not_allowed']);
	});

	it('async_mode belongs to version 1 alone, and is a boolean', async () => {
		const second = await refused('POST', '/api/v2/clone', clone({ async_mode: true }));
		expect(second.problem.errors).toMatchObject([{ field: 'async_mode', code: 'unknown_field' }]);
		const first = await refused('POST', '/api/v1/clone', clone({ async_mode: 'yes' }));
		expect(first.problem.errors).toMatchObject([{ field: 'async_mode', code: 'wrong_type' }]);
		const query = await refused('POST', '/api/v1/clone?async_mode=yes', clone({}));
		expect(query.problem.errors).toMatchObject([{ field: 'async_mode', code: 'wrong_type' }]);
	});

	it('a password is never in the answer', async () => {
		const answer = await refused(
			'POST',
			'/api/v2/clone',
			clone({ source_password: 'hunter2-hunter2'.repeat(400), ttl_minutes: 'hunter2' }),
		);
		expect(answer.status).toBe(422);
		expect(answer.text).not.toContain('hunter2');
	});

	it('ten thousand unknown fields make a short answer', async () => {
		const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`field_${index}`, 1]));
		const answer = await refused('POST', '/api/v2/clone', clone(many));
		expect(answer.status).toBe(422);
		expect(answer.problem.errors).toHaveLength(100);
	});

	it.each([
		['empty', ''],
		['256 characters', 'k'.repeat(256)],
		['not ASCII', 'schl\u00fcssel'],
	])('Idempotency-Key %s: 422', async (_name, key) => {
		const answer = await refused('POST', '/api/v2/clone', { json: VALID_CLONE, headers: { 'idempotency-key': key } });
		expect(answer.status).toBe(422);
		expect(answer.problem.errors).toMatchObject([{ field: 'Idempotency-Key', code: 'invalid_format' }]);
	});

	it.each([
		['limit=0', 'limit', 'out_of_range'],
		['limit=101', 'limit', 'out_of_range'],
		['limit=ten', 'limit', 'wrong_type'],
		['limit=1.5', 'limit', 'wrong_type'],
		['limit=', 'limit', 'wrong_type'],
		['limit=1&limit=2', 'limit', 'repeated'],
		['cursor=', 'cursor', 'too_short'],
		['owner=owner-2', 'owner', 'unknown_field'],
		['__proto__=x', '__proto__', 'unknown_field'],
	])('list query %s: 422', async (query, field, code) => {
		for (const list of ['jobs', 'clones']) {
			const answer = await refused('GET', `/api/v2/${list}?${query}`, {});
			expect([answer.status, answer.problem.code]).toEqual([422, 'invalid_request']);
			expect(answer.problem.errors?.map((fault) => [fault.field, fault.code])).toEqual([[field, code]]);
		}
	});

	it('a cursor that this service never gave out: 422', async () => {
		for (const list of ['jobs', 'clones']) {
			const answer = await service.call('GET', `/api/v2/${list}?cursor=nonsense`);
			expect([answer.status, answer.problem.code]).toEqual([422, 'bad_cursor']);
			expect(answer.problem.errors).toMatchObject([{ field: 'cursor' }]);
		}
	});
});

describe('source_url', () => {
	it.each([
		'ftp://shop.example.com/',
		'file:///etc/passwd',
		'javascript:alert(1)',
		'shop.example.com',
		'',
		'http://',
		'https://admin:secret@shop.example.com/',
		'https://admin@shop.example.com/',
		'http://localhost/',
		'http://LOCALHOST./',
		'http://sub.localhost/',
		'http://127.0.0.1/',
		'http://127.1/',
		'http://2130706433/',
		'http://0x7f000001/',
		'http://0x7f.0.0.1/',
		'http://0177.0.0.1/',
		'http://127.0.0.1./',
		'http://%31%32%37.0.0.1/',
		'http://\uff11\uff12\uff17.0.0.1/',
		'http://\u2460\u2461\u2466.0.0.1/',
		'http://0.0.0.0/',
		'http://10.1.2.3/',
		'http://172.16.0.1/',
		'http://172.31.255.255/',
		'http://192.168.1.1/',
		'http://169.254.169.254/latest/meta-data/',
		'http://100.64.0.1/',
		'http://224.0.0.1/',
		'http://240.0.0.1/',
		'http://255.255.255.255/',
		'http://192.0.2.1/',
		'http://198.18.0.1/',
		'http://[::1]/',
		'http://[::]/',
		'http://[::ffff:127.0.0.1]/',
		'http://[::ffff:7f00:1]/',
		'http://[0:0:0:0:0:ffff:10.0.0.1]/',
		'http://[64:ff9b::7f00:1]/',
		'http://[fe80::1]/',
		'http://[fc00::1]/',
		'http://[fd00:ec2::254]/',
		'http://[ff02::1]/',
		'http://[2001:db8::1]/',
		'http://[2002:7f00:1::]/',
	])('%s: 422 source_not_allowed', async (source_url) => {
		const answer = await refused('POST', '/api/v2/clone', clone({ source_url }));
		expect([answer.status, answer.problem.code]).toEqual([422, 'source_not_allowed']);
		expect(answer.problem.errors?.map((fault) => fault.field)).toEqual(['source_url']);
		expect(answer.text).not.toContain('secret');
	});

	it('is refused without credentials for the same reason', async () => {
		const answer = await refused('POST', '/api/v2/clone', { json: { source_url: 'http://127.0.0.1/' } });
		expect([answer.status, answer.problem.code]).toEqual([422, 'source_not_allowed']);
	});
});

describe('routes', () => {
	it.each([
		['GET', '/'],
		['GET', '/api/v2'],
		['GET', '/api/v3/jobs'],
		['POST', '/api/v2/restore'],
		['POST', '/restore'],
		['GET', '/api/v2/jobs/a/b'],
		['GET', '/api/v2/clones/a%2Fb/c'],
		['GET', '/API/V2/jobs'],
		['GET', '//api/v2/jobs'],
		['GET', '/docs/../package.json'],
		['GET', '/docs/package.json'],
		['GET', '/docs/..%2Fpackage.json'],
		['GET', '/docs/__proto__'],
	])('%s %s: 404', async (method, path) => {
		const answer = await refused(method, path, {});
		expect([answer.status, answer.problem.code]).toEqual([404, 'not_found']);
	});

	it.each([
		['GET', '/api/v2/clone', 'POST, OPTIONS'],
		['PUT', '/api/v2/clone', 'POST, OPTIONS'],
		['HEAD', '/api/v2/clone', 'POST, OPTIONS'],
		['POST', '/api/v2/jobs', 'GET, HEAD, OPTIONS'],
		['DELETE', '/api/v2/jobs/clone-0123456789ab', 'GET, HEAD, OPTIONS'],
		['POST', '/api/v2/clones/some', 'GET, HEAD, PATCH, OPTIONS'],
		['GET', '/api/v2/delete/some', 'DELETE, OPTIONS'],
		['GET', '/clone', 'POST, OPTIONS'],
		['POST', '/health', 'GET, HEAD, OPTIONS'],
		['PROPFIND', '/api/v2/jobs', 'GET, HEAD, OPTIONS'],
	])('%s %s: 405 with Allow', async (method, path, allow) => {
		const answer = await refused(method, path, {});
		expect(answer.status).toBe(405);
		expect(answer.headers.get('allow')).toBe(allow);
		if (method !== 'HEAD') expect(answer.problem.code).toBe('method_not_allowed');
	});

	it('OPTIONS names the methods and grants no other site anything', async () => {
		const answer = await refused('OPTIONS', '/api/v2/clones/some', { token: null, headers: { origin: 'https://evil.example' } });
		expect([answer.status, answer.headers.get('allow'), answer.text]).toEqual([204, 'GET, HEAD, PATCH, OPTIONS', '']);
		expect(answer.headers.has('access-control-allow-origin')).toBe(false);
	});
});
