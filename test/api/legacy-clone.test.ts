import { afterEach, describe, expect, it } from 'vitest';
import { type Service, type ServiceOptions, startService, VALID_CLONE } from '../support/memory-api/service.ts';

let service: Service;
afterEach(() => service.stop());

/** A service whose waiting moves its clock, and does something at the nth look. */
async function withWaits(during: (wait: number) => Promise<void>, options: ServiceOptions = {}): Promise<number[]> {
	const waits: number[] = [];
	service = await startService({
		...options,
		delay: async (milliseconds) => {
			waits.push(milliseconds);
			service.time.ahead += milliseconds;
			await during(waits.length);
		},
	});
	return waits;
}

const firstJob = async (): Promise<string> => service.sent[0] ?? '';

describe.each(['/clone', '/api/v1/clone'])('POST %s', (path) => {
	it('waits for the job and answers 200 with the flat result', async () => {
		const waits = await withWaits(async (wait) => {
			if (wait === 3) await service.finishClone(await firstJob());
		});
		const answer = await service.call('POST', path, { json: VALID_CLONE });
		expect(answer.status).toBe(200);
		expect(answer.body).toMatchObject({
			job_id: await firstJob(),
			clone_url: 'http://127.0.0.1:41001',
			username: 'clone-admin',
			password: 'clone secret',
			expires_at: expect.stringMatching(/Z$/),
		});
		expect(waits).toEqual([500, 500, 500]);
		expect(answer.headers.get('deprecation')).toBe('@1767225600');
		expect(answer.headers.get('link')).toBe('</api/v2/clone>; rel="successor-version"');
	});

	it('answers 202 with the job when 25 seconds are over', async () => {
		const waits = await withWaits(async () => undefined, { settings: { legacyPollSeconds: 10 } });
		const answer = await service.call('POST', path, { json: VALID_CLONE });
		expect([answer.status, answer.body.job_id]).toEqual([202, await firstJob()]);
		const waited = waits.reduce((sum, wait) => sum + wait, 0);
		expect(waited).toBeGreaterThan(24_000);
		expect(waited).toBeLessThanOrEqual(25_000);
	});

	it.each([
		['query', '?async_mode=true', {}],
		['body', '', { async_mode: true }],
		['query before body', '?async_mode=true', { async_mode: false }],
	])('answers at once with async_mode in the %s', async (_where, query, extra) => {
		const waits = await withWaits(async () => undefined);
		const answer = await service.call('POST', `${path}${query}`, { json: { ...VALID_CLONE, ...extra } });
		expect([answer.status, answer.body.status, waits]).toEqual([202, 'pending', []]);
		expect(answer.headers.has('deprecation')).toBe(true);
	});

	it.each([
		['login_refused', 422],
		['source_unreachable', 502],
	])('answers a job that failed with %s as %i', async (code, status) => {
		await withWaits(async () => {
			await service.work(await firstJob(), { status: 'failed', error: { code, message: 'What to do.' }, completed_at: Date.now() });
		});
		const answer = await service.call('POST', path, { json: VALID_CLONE });
		expect([answer.status, answer.problem.code, answer.problem.detail]).toEqual([status, code, 'What to do.']);
		expect(answer.headers.has('deprecation')).toBe(true);
	});

	it('answers a job that was cancelled meanwhile as 409', async () => {
		await withWaits(async () => service.work(await firstJob(), { status: 'cancelled', completed_at: Date.now() }));
		const answer = await service.call('POST', path, { json: VALID_CLONE });
		expect([answer.status, answer.problem.code]).toEqual([409, 'cancelled']);
	});
});
