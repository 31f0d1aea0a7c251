import { ApiException } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { isNotFound, kubernetesError } from '../../adapters/kubernetes/kubernetes-errors.ts';
import { PermanentError, TransientError } from '../../core/errors.ts';

/** As the API server words it (1.36). */
const fault = (code: number, message: string, details: object = {}): ApiException<string> =>
	new ApiException(code, 'An API exception', JSON.stringify({ kind: 'Status', status: 'Failure', message, details }), {});

const connectionFault = (code: string): Error =>
	new TypeError('fetch failed', { cause: Object.assign(new Error(`connect ${code}`), { code }) });

const cases: readonly [what: string, cause: unknown, kind: typeof PermanentError | typeof TransientError, code: string][] = [
	['a refused login', fault(401, 'Unauthorized'), TransientError, 'cluster_login_refused'],
	[
		'a missing right',
		fault(403, 'jobs.batch is forbidden: User "x" cannot create resource "jobs" in API group "batch" in the namespace "clones"'),
		TransientError,
		'cluster_forbidden',
	],
	[
		'a full quota',
		fault(403, 'pods "a" is forbidden: exceeded quota: clones, requested: pods=1, used: pods=150, limited: pods=150'),
		TransientError,
		'capacity_full',
	],
	['pod security', fault(403, 'pods "a" is forbidden: violates PodSecurity "restricted:v1.36": privileged'), PermanentError, 'pod_refused'],
	[
		'a namespace on its way out',
		fault(403, 'unable to create new content in namespace clones because it is being terminated'),
		TransientError,
		'namespace_ending',
	],
	[
		'no namespace',
		fault(404, 'namespaces "clones" not found', { name: 'clones', kind: 'namespaces' }),
		PermanentError,
		'namespace_missing',
	],
	['an object removed meanwhile', fault(404, 'jobs.batch "a" not found', { kind: 'jobs' }), TransientError, 'cluster_object_gone'],
	['a conflict', fault(409, 'the object has been modified'), TransientError, 'cluster_conflict'],
	['a field that it does not know', fault(422, 'Job.batch "a" is invalid'), PermanentError, 'cluster_refused_object'],
	['throttling', fault(429, 'too many requests', { retryAfterSeconds: 7 }), TransientError, 'cluster_throttled'],
	['a fault of its own', fault(500, 'etcdserver: request timed out'), TransientError, 'cluster_error'],
	['a page of a proxy', new ApiException(502, 'x', '<html>Bad gateway</html>', {}), TransientError, 'cluster_error'],
	['nobody there', connectionFault('ECONNREFUSED'), TransientError, 'cluster_unreachable'],
	['no answer', connectionFault('UND_ERR_HEADERS_TIMEOUT'), TransientError, 'cluster_unreachable'],
	['an unknown authority', connectionFault('UNABLE_TO_VERIFY_LEAF_SIGNATURE'), PermanentError, 'cluster_certificate'],
	['another host name', connectionFault('ERR_TLS_CERT_ALTNAME_INVALID'), PermanentError, 'cluster_certificate'],
];

describe('what a fault of the Kubernetes API means', () => {
	it.each(cases)('%s', (_what, cause, kind, code) => {
		const error = kubernetesError(cause, 'create the Job', 'clones');
		expect(error).toBeInstanceOf(kind);
		expect(error.code).toBe(code);
		expect(error.message).toMatch(/[.?]$/);
		expect(error.cause).toBe(cause);
	});

	it('heeds how long it is told to wait', () => {
		expect(kubernetesError(fault(429, '', { retryAfterSeconds: 7 }), 'x', 'clones')).toMatchObject({ retryAfterSeconds: 7 });
	});

	it('lets four attempts outlast an API that is away for a minute', () => {
		const error = kubernetesError(connectionFault('ECONNREFUSED'), 'x', 'clones');
		expect(error instanceof TransientError ? (error.retryAfterSeconds ?? 0) * 3 : 0).toBeGreaterThan(60);
	});

	it('names what may not be done, and where', () => {
		expect(kubernetesError(fault(403, 'forbidden'), 'delete the Job', 'clones').message).toContain(
			'may not delete the Job in namespace clones',
		);
	});

	it('hands back an error that has its meaning already', () => {
		const ours = new PermanentError('bad_slot_id', 'No.');
		expect(kubernetesError(ours, 'x', 'clones')).toBe(ours);
	});

	it('tells a missing object from a missing namespace', () => {
		expect(isNotFound(fault(404, '', { kind: 'jobs' }))).toBe(true);
		expect(isNotFound(fault(404, '', { kind: 'namespaces' }))).toBe(false);
		expect(isNotFound(fault(403, ''))).toBe(false);
	});
});
