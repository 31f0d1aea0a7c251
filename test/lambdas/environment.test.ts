import { describe, expect, it } from 'vitest';
import { parseApiEnvironment, parseConsumerEnvironment, parseWorkerEnvironment } from '../../lambdas/shared/environment.ts';
import { API_ENVIRONMENT, WORKER_ENVIRONMENT } from './support.ts';

describe('the environment', () => {
	it('is read with its defaults', () => {
		expect(parseApiEnvironment(API_ENVIRONMENT)).toMatchObject({ AUTH: 'iam', CLONE_SCHEME: 'https', CLONES_PER_OWNER: 50 });
		expect(parseWorkerEnvironment({ ...WORKER_ENVIRONMENT, WARM_POOL: '3' })).toMatchObject({ WARM_POOL: 3, CLONE_PHP: '8.4' });
		const { KUBE_API_URL, KUBE_CA, ...inCluster } = WORKER_ENVIRONMENT;
		expect([KUBE_API_URL, KUBE_CA]).not.toContain(undefined);
		expect(parseConsumerEnvironment(inCluster)).toMatchObject({ CONCURRENCY: 4, DRAIN_SECONDS: 30 });
	});

	it('says all that is missing or wrong at once, and repeats no value', () => {
		const { TABLE_NAME: _, ...rest } = API_ENVIRONMENT;
		const bad = { ...rest, QUEUE_URL: 'hunter2', AUTH: 'none', CLONES_PER_OWNER: '-1', STAGE: '', CLONE_DOMAIN: 'UPPER' };
		let message = '';
		try {
			parseApiEnvironment(bad);
		} catch (error) {
			message = error instanceof Error ? error.message : '';
		}
		expect(message).toContain('TABLE_NAME is not set');
		expect(message).toContain('STAGE is not set');
		for (const name of ['QUEUE_URL', 'AUTH', 'CLONES_PER_OWNER', 'CLONE_DOMAIN']) expect(message).toContain(`${name}: `);
		expect(message).not.toContain('hunter2');
	});

	it('of a function has to name the cluster', () => {
		expect(() => parseWorkerEnvironment({ ...WORKER_ENVIRONMENT, KUBE_API_URL: '', KUBE_CA: undefined })).toThrow(
			/KUBE_API_URL is not set; KUBE_CA is not set/,
		);
	});
});
