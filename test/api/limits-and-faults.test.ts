import { afterEach, describe, expect, it } from 'vitest';
import { tokenBuckets } from '../../core/api/rate-limit.ts';
import { TransientError } from '../../core/errors.ts';
import { type Service, type ServiceOptions, startService, VALID_CLONE } from '../support/memory-api/service.ts';

let service: Service;
afterEach(() => service.stop());

const start = async (options: ServiceOptions): Promise<void> => {
	service = await startService(options);
};

describe('the budget of an owner', () => {
	it('lets so many requests through, then 429 with Retry-After; others and bad requests do not touch it', async () => {
		const clock = { time: 1_000_000, now: () => clock.time };
		await start({ limiter: tokenBuckets(clock, 3) });
		const post = (token = service.firstToken, json: object = VALID_CLONE) => service.call('POST', '/api/v2/clone', { json, token });
		for (let index = 0; index < 10; index++) expect((await post(service.firstToken, {})).status).toBe(422);
		for (let index = 0; index < 3; index++) expect((await post()).status).toBe(202);
		const over = await post();
		expect([over.status, over.problem.code, over.headers.get('retry-after')]).toEqual([429, 'rate_limited', '20']);
		expect(await service.jobCount()).toBe(3);
		expect((await post(service.secondToken)).status).toBe(202);
		clock.time += 19_999;
		expect((await post()).headers.get('retry-after')).toBe('1');
		clock.time += 1;
		expect((await post()).status).toBe(202);
		expect((await post()).status).toBe(429);
	});

	it('is not filled, nor emptied, by a clock that jumps back', async () => {
		await start({});
		const clock = { time: 1_000_000, now: () => clock.time };
		const limiter = tokenBuckets(clock, 2);
		expect(await limiter.take('a')).toBeNull();
		clock.time -= 500_000;
		expect(await limiter.take('a')).toBeNull();
		expect(await limiter.take('a')).toBe(30);
	});
});

describe('faults inside', () => {
	it('an unforeseen error: 500 that says nothing but the request id, which the log has too', async () => {
		await start({
			authenticate: async () => {
				throw new Error('password=hunter2 at /srv/secret.ts');
			},
		});
		const answer = await service.call('GET', '/api/v2/jobs');
		expect([answer.status, answer.problem.code]).toEqual([500, 'internal']);
		expect(answer.text).not.toMatch(/hunter2|secret/);
		expect(answer.problem.request_id).toBe(answer.headers.get('x-request-id'));
		expect(service.logs).toMatchObject([{ level: 'error', fields: { request_id: answer.problem.request_id, path: '/api/v2/jobs' } }]);
	});

	it('a store that is busy: 503 with Retry-After, and no job', async () => {
		await start({
			limiter: {
				async take() {
					throw new TransientError('store_busy', 'The database /srv/service.db is held by another process.', { retryAfterSeconds: 7 });
				},
			},
		});
		const answer = await service.call('POST', '/api/v2/clone', { json: VALID_CLONE });
		expect([answer.status, answer.problem.code, answer.headers.get('retry-after')]).toEqual([503, 'unavailable', '7']);
		expect(answer.text).not.toContain('/srv');
		expect(await service.jobCount()).toBe(0);
	});

	it('a sealed result of another job is not shown, nor is a part of it', async () => {
		await start({});
		const { body } = await service.call('POST', '/api/v2/clone', { json: VALID_CLONE });
		const now = Date.now();
		const job = await service.jobs.lease(body.job_id, { holder: 'test', now, until: now + 1000 });
		await service.jobs.save(
			body.job_id,
			job?.fence ?? 0,
			{ status: 'completed', result: { username: 'u' }, sealed_result: 'broken' },
			{ now, release: true },
		);
		const answer = await service.call('GET', `/api/v2/jobs/${body.job_id}`);
		expect([answer.status, answer.problem.code]).toEqual([500, 'internal']);
	});
});

describe('every answer', () => {
	it('is not cached, not sniffed, not framed, and has its own request id', async () => {
		await start({});
		const ids = new Set<string | null>();
		const answers = [
			await service.call('GET', '/health', { token: null }),
			await service.call('GET', '/api/v2/jobs'),
			await service.call('GET', '/api/v2/jobs', { token: null }),
			await service.call('GET', '/nowhere'),
			await service.call('POST', '/api/v2/clone', { json: {} }),
		];
		for (const { headers } of answers) {
			expect(headers.get('cache-control')).toBe('no-store');
			expect(headers.get('x-content-type-options')).toBe('nosniff');
			expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
			ids.add(headers.get('x-request-id'));
		}
		expect(ids.size).toBe(answers.length);
		expect(ids.has(null)).toBe(false);
	});
});
