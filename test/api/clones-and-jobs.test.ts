import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cloneInputSchema } from '../../core/clones/clone-job-row.ts';
import { deleteInputSchema } from '../../core/clones/delete-job.ts';
import { type CallOptions, type Service, startService, VALID_CLONE } from '../support/memory-api/service.ts';

let service: Service;
beforeEach(async () => {
	service = await startService();
});
afterEach(() => service.stop());

const accept = async (change: Readonly<Record<string, unknown>> = {}, options: CallOptions = {}): Promise<string> => {
	const answer = await service.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, ...change }, ...options });
	expect(answer.status).toBe(202);
	return answer.body.job_id;
};

describe('POST /api/v2/clone', () => {
	it('answers 202 after one write and one send', async () => {
		const before = service.calls.length;
		const answer = await service.call('POST', '/api/v2/clone', { json: VALID_CLONE });
		expect(answer.status).toBe(202);
		const { job_id, created_at } = answer.body;
		expect(answer.body).toEqual({
			job_id: expect.stringMatching(/^clone-[0-9a-f]{12}$/),
			type: 'clone',
			status: 'pending',
			status_url: `${service.url}/api/v2/job-status/${job_id}`,
			created_at,
		});
		expect(answer.headers.get('location')).toBe(answer.body.status_url);
		expect(service.calls.slice(before)).toEqual(['clones.list', 'jobs.accept']);
		expect(service.sent).toEqual([job_id]);
	});

	it('reads nothing at all when there is no limit of clones', async () => {
		const free = await startService({ settings: { liveClonesPerOwner: null } });
		await free.call('POST', '/api/v2/clone', { json: VALID_CLONE });
		expect(free.calls).toEqual(['jobs.accept']);
		await free.stop();
	});

	it('stores what the clone job reads, and the password only sealed', async () => {
		const jobId = await accept({
			source_url: 'https://Shop.Example.com:443/wp-admin/index.php?x=1',
			customer_id: 'acme',
			ttl_minutes: 90,
			allow_hosts: ['api.example.com'],
		});
		const job = await service.jobs.get(jobId);
		expect(cloneInputSchema.parse(job?.input)).toEqual({
			clone_id: 'acme',
			customer_id: 'acme',
			source_url: 'https://shop.example.com',
			source_username: 'admin',
			ttl_minutes: 90,
			database: 'sqlite',
			access: 'login',
			allow_hosts: ['api.example.com'],
		});
		expect(job?.clone_id).toBe('acme');
		expect(job?.sealed_input).not.toBeNull();
		expect(JSON.stringify(job)).not.toContain(VALID_CLONE.source_password);
		expect(await service.clones.get('acme')).toMatchObject({
			owner: 'owner-1',
			job_id: jobId,
			state: 'provisioning',
			expires_at: null,
			ttl_minutes: 90,
		});
	});

	it('a name that is taken, also by another owner: 409, and nothing is written', async () => {
		await accept({ customer_id: 'acme' });
		for (const token of [service.firstToken, service.secondToken]) {
			const answer = await service.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, customer_id: 'acme' }, token });
			expect([answer.status, answer.problem.code]).toEqual([409, 'clone_id_taken']);
		}
		expect(await service.jobCount()).toBe(1);
		expect(service.sent).toHaveLength(1);
	});

	it('ten requests at once for one name: one clone', async () => {
		const answers = await Promise.all(
			Array.from({ length: 10 }, () => service.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, customer_id: 'acme' } })),
		);
		expect(answers.map((answer) => answer.status).sort()).toEqual([202, ...Array<number>(9).fill(409)]);
		expect(await service.jobCount()).toBe(1);
	});

	it('is accepted although the queue is down: the sweep will send it', async () => {
		const down = await startService({
			queue: {
				async send() {
					throw new Error('queue is down');
				},
			},
		});
		const answer = await down.call('POST', '/api/v2/clone', { json: VALID_CLONE });
		expect(answer.status).toBe(202);
		expect(await down.jobs.get(answer.body.job_id)).toMatchObject({ status: 'pending' });
		expect((await down.jobs.overdue(Date.now() + 1000, 10)).map((job) => job.job_id)).toEqual([answer.body.job_id]);
		expect(down.logs).toMatchObject([{ level: 'error', fields: { job_id: answer.body.job_id } }]);
		await down.stop();
	});

	it('private addresses pass where they are allowed, other schemes and user names still do not', async () => {
		const local = await startService({ settings: { allowPrivateSites: true } });
		const post = (source_url: string) => local.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, source_url } });
		expect((await post('http://127.0.0.1:8081/')).status).toBe(202);
		for (const url of ['ftp://127.0.0.1/', 'http://a:b@127.0.0.1/']) expect((await post(url)).problem.code).toBe('source_not_allowed');
		await local.stop();
	});

	it('mysql and callbacks pass where the service has them; a callback must be public and https', async () => {
		const full = await startService({ settings: { features: { mysql: true, callbacks: true, publicClones: false } } });
		const post = (change: object) => full.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, ...change } });
		expect((await post({ database: 'mysql', callback_url: 'https://hooks.example.com/x' })).status).toBe(202);
		for (const callback_url of ['http://hooks.example.com/', 'https://127.0.0.1/', 'https://u:p@hooks.example.com/']) {
			const answer = await post({ callback_url });
			expect([answer.status, answer.problem.errors?.[0]?.field]).toEqual([422, 'callback_url']);
		}
		await full.stop();
	});
});

describe('Idempotency-Key', () => {
	const headers = { 'idempotency-key': 'a key, with spaces' };

	it('same request: the same job; other request: 409; other owner: another job', async () => {
		const first = await accept({}, { headers });
		expect(await accept({}, { headers })).toBe(first);
		// Written otherwise, but the same request.
		expect(await accept({ source_url: 'https://SHOP.example.com/', ttl_minutes: 30 }, { headers })).toBe(first);
		for (const change of [{ ttl_minutes: 31 }, { source_password: 'another' }, { customer_id: 'acme' }]) {
			const answer = await service.call('POST', '/api/v2/clone', { json: { ...VALID_CLONE, ...change }, headers });
			expect([answer.status, answer.problem.code]).toEqual([409, 'idempotency_conflict']);
		}
		expect(await service.jobCount()).toBe(1);
		expect(service.sent).toEqual([first]);
		expect(await accept({}, { headers, token: service.secondToken })).not.toBe(first);
	});

	it('ten times at once: one job, one send', async () => {
		const ids = await Promise.all(Array.from({ length: 10 }, () => accept({ customer_id: 'acme' }, { headers })));
		expect(new Set(ids).size).toBe(1);
		expect(await service.jobCount()).toBe(1);
		expect(service.sent).toHaveLength(1);
	});

	it('version 1 and version 2 of the same request are the same', async () => {
		const first = await accept({}, { headers });
		const answer = await service.call('POST', '/clone?async_mode=true', { json: VALID_CLONE, headers });
		expect(answer.body.job_id).toBe(first);
	});

	it('works at the limit of live clones, where a new request does not', async () => {
		const small = await startService({ settings: { liveClonesPerOwner: 2 } });
		const post = (key: string, token = small.firstToken) =>
			small.call('POST', '/api/v2/clone', { json: VALID_CLONE, headers: { 'idempotency-key': key }, token });
		const first = await post('one');
		expect((await post('two')).status).toBe(202);
		const third = await post('three');
		expect([third.status, third.problem.code, third.headers.get('retry-after')]).toEqual([429, 'too_many_clones', '60']);
		expect((await post('one')).body).toEqual(first.body);
		expect((await post('three', small.secondToken)).status).toBe(202);
		const cloneId = await small.finishClone(first.body.job_id);
		await small.clones.update(cloneId, (await small.clones.get(cloneId))?.generation ?? 0, { state: 'deleted' });
		expect((await post('three')).status).toBe(202);
		await small.stop();
	});
});

describe('reading a job', () => {
	it('takes one read of the store, and shows nothing internal', async () => {
		const jobId = await accept({ customer_id: 'acme' });
		const before = service.calls.length;
		const answer = await service.call('GET', `/api/v2/job-status/${jobId}`);
		expect(service.calls.slice(before)).toEqual(['jobs.get']);
		const { created_at } = answer.body;
		expect(answer.body).toEqual({
			job_id: jobId,
			type: 'clone',
			status: 'pending',
			progress: 0,
			status_message: answer.body.message,
			message: answer.body.message,
			created_at,
			updated_at: created_at,
			completed_at: null,
			estimated_completion: new Date(Date.parse(created_at) + 60_000).toISOString(),
			result: null,
			error: null,
		});
		expect((await service.call('GET', `/api/v2/jobs/${jobId}`)).body).toEqual(answer.body);
	});

	it('gives the password and the login to the owner, but not in lists', async () => {
		const jobId = await accept();
		await service.finishClone(jobId);
		const { body } = await service.call('GET', `/api/v2/job-status/${jobId}`);
		expect(body.result).toMatchObject({
			clone_url: 'http://127.0.0.1:41001',
			username: 'clone-admin',
			password: 'clone secret',
			login_url: 'http://127.0.0.1:41001/?login=once',
			proof: { tables: 12, differences: [] },
		});
		const list = await service.call('GET', '/api/v2/jobs');
		expect(list.body.jobs[0].result.clone_url).toBe('http://127.0.0.1:41001');
		expect(list.text).not.toContain('clone secret');
		await service.jobs.eraseSealedResult(jobId);
		expect((await service.call('GET', `/api/v2/job-status/${jobId}`)).body.result).not.toHaveProperty('password');
	});

	it('a failed job shows its error', async () => {
		const jobId = await accept();
		const error = { code: 'login_refused', message: 'The site refused the login. Check user name and password.' };
		await service.work(jobId, { status: 'failed', error, completed_at: Date.now() });
		expect((await service.call('GET', `/api/v2/job-status/${jobId}`)).body).toMatchObject({ status: 'failed', result: null, error });
	});

	it('HEAD has the headers and no body', async () => {
		const jobId = await accept();
		const answer = await service.call('HEAD', `/api/v2/jobs/${jobId}`);
		expect([answer.status, answer.text, answer.headers.get('content-type')]).toEqual([200, '', 'application/json']);
	});
});

describe('lists', () => {
	it('page newest first, without a gap or a repetition', async () => {
		const made: string[] = [];
		for (let index = 0; index < 7; index++) made.unshift(await accept());
		for (const [list, field] of [
			['jobs', 'job_id'],
			['clones', 'clone_id'],
		] as const) {
			const seen: string[] = [];
			let query = '?limit=3';
			for (let page = 0; query !== ''; page++) {
				expect(page).toBeLessThan(3);
				const { body } = await service.call('GET', `/api/v2/${list}${query}`);
				expect(body[list].length).toBeLessThanOrEqual(3);
				seen.push(...body[list].map((item: Record<string, string>) => item[field]));
				query = body.next_cursor === null ? '' : `?limit=3&cursor=${encodeURIComponent(body.next_cursor)}`;
			}
			expect(seen).toHaveLength(7);
			expect(new Set(seen)).toEqual(new Set(made));
			const times = await Promise.all(seen.map(async (id) => (await service.jobs.get(id))?.created_at ?? 0));
			expect(times).toEqual([...times].sort((a, b) => b - a));
		}
		expect((await service.call('GET', '/api/v2/jobs', { token: service.secondToken })).body).toEqual({ jobs: [], next_cursor: null });
	});
});

describe('two owners', () => {
	it("another owner's job or clone is answered byte for byte as one that never was", async () => {
		const jobId = await accept({ customer_id: 'acme' });
		await service.finishClone(jobId);
		const token = service.secondToken;
		const before = JSON.stringify([await service.jobs.get(jobId), await service.clones.get('acme'), service.sent]);
		const pairs: [string, string, string, object?][] = [
			['GET', `/api/v2/job-status/${jobId}`, '/api/v2/job-status/clone-000000000000'],
			['GET', `/api/v2/jobs/${jobId}`, '/api/v2/jobs/not%20an%20id'],
			['POST', `/api/v2/jobs/${jobId}/cancel`, '/api/v2/jobs/clone-000000000000/cancel'],
			['GET', '/api/v2/clones/acme', '/api/v2/clones/never'],
			['PATCH', '/api/v2/clones/acme', '/api/v2/clones/never', { ttl_minutes: 60 }],
			['DELETE', '/api/v2/delete/acme', '/api/v2/delete/never'],
		];
		for (const [method, theirs, never, json] of pairs) {
			const [one, other] = [await service.call(method, theirs, { token, json }), await service.call(method, never, { token, json })];
			expect([method, one.status, one.text]).toEqual([method, 404, other.text]);
			expect(one.problem.code).toMatch(/^(job|clone)_not_found$/);
			expect([...one.headers.keys()]).toEqual([...other.headers.keys()]);
		}
		expect(JSON.stringify([await service.jobs.get(jobId), await service.clones.get('acme'), service.sent])).toBe(before);
		for (const list of ['jobs', 'clones']) {
			expect((await service.call('GET', `/api/v2/${list}`, { token })).body[list]).toEqual([]);
		}
		expect((await service.call('GET', '/api/v2/clones/acme')).status).toBe(200);
	});
});

describe('cancelling', () => {
	it('asks the job to stop and wakes it; twice is once; a job that ended is 409', async () => {
		const jobId = await accept();
		for (let time = 0; time < 2; time++) {
			const answer = await service.call('POST', `/api/v2/jobs/${jobId}/cancel`);
			expect([answer.status, answer.body.job_id]).toEqual([202, jobId]);
		}
		expect(await service.jobs.get(jobId)).toMatchObject({ cancel_requested: true });
		expect(service.sent).toEqual([jobId, jobId, jobId]);
		await service.work(jobId, { status: 'cancelled', completed_at: Date.now() });
		expect((await service.call('POST', `/api/v2/jobs/${jobId}/cancel`)).body.status).toBe('cancelled');

		const other = await accept();
		await service.finishClone(other);
		const late = await service.call('POST', `/api/v2/jobs/${other}/cancel`);
		expect([late.status, late.problem.code]).toEqual([409, 'job_finished']);
	});

	it('does not take a deletion back', async () => {
		const cloneId = await service.finishClone(await accept());
		const { body } = await service.call('DELETE', `/api/v2/delete/${cloneId}`);
		const answer = await service.call('POST', `/api/v2/jobs/${body.job_id}/cancel`);
		expect([answer.status, answer.problem.code]).toEqual([409, 'job_not_cancellable']);
	});
});

describe('a clone', () => {
	it('is shown while it is made and while it lives, and not from the second it expires', async () => {
		const jobId = await accept({ customer_id: 'acme', ttl_minutes: 5, access: 'public' });
		const made = await service.call('GET', '/api/v2/clones/acme');
		expect(made.body).toMatchObject({
			clone_id: 'acme',
			job_id: jobId,
			state: 'provisioning',
			clone_url: null,
			expires_at: null,
			access: 'public',
		});
		await service.finishClone(jobId);
		const live = await service.call('GET', '/api/v2/clones/acme');
		expect(live.body).toMatchObject({
			state: 'live',
			clone_url: 'http://127.0.0.1:41001',
			source_url: 'https://shop.example.com',
			ttl_minutes: 5,
		});
		const end = Date.parse(live.body.expires_at);
		service.time.ahead = end - 2_000 - Date.now();
		expect((await service.call('GET', '/api/v2/clones/acme')).status).toBe(200);
		service.time.ahead = end - Date.now();
		expect((await service.call('GET', '/api/v2/clones/acme')).problem.code).toBe('clone_not_found');
		expect((await service.call('PATCH', '/api/v2/clones/acme', { json: { ttl_minutes: 60 } })).problem.code).toBe('clone_not_found');
		expect((await service.call('GET', '/api/v2/clones')).body.clones).toEqual([]);
	});

	it('PATCH counts the new time from the moment it became usable', async () => {
		await service.finishClone(await accept({ customer_id: 'acme', ttl_minutes: 30 }));
		const before = (await service.call('GET', '/api/v2/clones/acme')).body;
		service.time.ahead = 10 * 60_000;
		const longer = await service.call('PATCH', '/api/v2/clones/acme', { json: { ttl_minutes: 45 } });
		expect([longer.status, longer.body.ttl_minutes]).toEqual([200, 45]);
		expect(Date.parse(longer.body.expires_at) - Date.parse(before.expires_at)).toBe(15 * 60_000);
		const over = await service.call('PATCH', '/api/v2/clones/acme', { json: { ttl_minutes: 5 } });
		expect([over.status, over.problem.code]).toEqual([422, 'ttl_in_the_past']);
		for (const json of [{}, { ttl_minutes: 4 }, { ttl_minutes: 60, access: 'public' }]) {
			expect((await service.call('PATCH', '/api/v2/clones/acme', { json })).problem.code).toBe('invalid_request');
		}
		expect((await service.call('GET', '/api/v2/clones/acme')).body).toEqual(longer.body);
	});

	it('PATCH while it is being made: 409', async () => {
		await accept({ customer_id: 'acme' });
		const answer = await service.call('PATCH', '/api/v2/clones/acme', { json: { ttl_minutes: 45 } });
		expect([answer.status, answer.problem.code]).toEqual([409, 'clone_not_live']);
	});
});

describe('DELETE', () => {
	it('accepts one delete job a clone, however often and from wherever it is asked', async () => {
		const jobId = await accept({ customer_id: 'acme' });
		await service.finishClone(jobId);
		const before = service.calls.length;
		const answer = await service.call('DELETE', '/api/v2/delete/acme');
		expect([answer.status, answer.body.type]).toEqual([202, 'delete']);
		expect(service.calls.slice(before)).toEqual(['clones.get', 'jobs.accept']);
		expect(service.sent).toEqual([jobId, answer.body.job_id]);
		const again = await Promise.all(Array.from({ length: 10 }, () => service.call('DELETE', '/api/v2/delete/acme')));
		for (const other of again) expect(other.body).toEqual(answer.body);
		expect(service.sent).toHaveLength(2);
		const job = await service.jobs.get(answer.body.job_id);
		expect(deleteInputSchema.parse(job?.input)).toEqual({ clone_id: 'acme', clone_job_id: jobId, reason: 'request' });
	});

	it('is the same job after the clone is gone, and another for the next clone of that name', async () => {
		const firstJob = await accept({ customer_id: 'acme' });
		await service.finishClone(firstJob);
		const first = await service.call('DELETE', '/api/v2/delete/acme');
		await service.clones.update('acme', (await service.clones.get('acme'))?.generation ?? 0, { state: 'deleted' });
		await service.work(first.body.job_id, { status: 'completed', completed_at: Date.now() });
		const repeated = await service.call('DELETE', '/api/v2/delete/acme');
		expect([repeated.status, repeated.body.job_id, repeated.body.status]).toEqual([202, first.body.job_id, 'completed']);
		expect((await service.call('GET', '/api/v2/clones/acme')).status).toBe(404);
		await service.finishClone(await accept({ customer_id: 'acme' }));
		expect((await service.call('DELETE', '/api/v2/delete/acme')).body.job_id).not.toBe(first.body.job_id);
	});

	it('is another job after one that failed', async () => {
		await service.finishClone(await accept({ customer_id: 'acme' }));
		const first = await service.call('DELETE', '/api/v2/delete/acme');
		await service.work(first.body.job_id, { status: 'failed', error: { code: 'host_down', message: 'x' }, completed_at: Date.now() });
		const second = await service.call('DELETE', '/api/v2/delete/acme');
		expect(second.body.job_id).not.toBe(first.body.job_id);
		expect((await service.call('DELETE', '/api/v2/delete/acme')).body).toEqual(second.body);
	});

	it('also ends a clone that is still being made', async () => {
		const jobId = await accept({ customer_id: 'acme' });
		const answer = await service.call('DELETE', '/api/v2/delete/acme');
		expect([answer.status, answer.body.type]).toEqual([202, 'delete']);
		expect((await service.jobs.get(answer.body.job_id))?.input).toMatchObject({ clone_job_id: jobId });
	});
});
