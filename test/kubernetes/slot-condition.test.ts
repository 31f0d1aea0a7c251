import type { CoreV1Event, V1Job, V1JobStatus, V1Pod, V1PodStatus } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { isReady, jobCondition, jobDeadline, podCondition } from '../../adapters/kubernetes/slot-condition.ts';
import { JOB_CODES } from '../../core/api/job-codes.ts';

const START = new Date('2026-01-01T10:00:00Z');
const NOW = START.getTime() + 60_000;

const job = (status: V1JobStatus = {}, activeDeadlineSeconds = 600): V1Job => ({
	metadata: { name: 'slot-a' },
	spec: { activeDeadlineSeconds, template: {} },
	status: { startTime: START, ...status },
});
const jobWith = (type: string, reason: string): V1Job => job({ conditions: [{ type, status: 'True', reason }] });
const pod = (status: V1PodStatus): V1Pod => ({ metadata: { name: 'slot-a-x' }, status });
const waitingFor = (reason: string, message = ''): V1Pod =>
	pod({
		phase: 'Pending',
		containerStatuses: [
			{
				name: 'wordpress',
				image: 'registry.example/clone:1',
				imageID: '',
				ready: false,
				restartCount: 0,
				state: { waiting: { reason, message } },
			},
		],
	});
const failedCreate = (message: string, at = START): CoreV1Event => ({
	metadata: {},
	involvedObject: {},
	reason: 'FailedCreate',
	message,
	lastTimestamp: at,
});

describe('what the Job alone tells', () => {
	it.each<[string, V1Job | undefined, string | undefined, string | undefined]>([
		['none', undefined, 'gone', 'clone_lost'],
		['being deleted', { ...job(), metadata: { name: 'a', deletionTimestamp: START } }, 'gone', 'clone_lost'],
		['past its deadline, by its own word', jobWith('Failed', 'DeadlineExceeded'), 'gone', 'clone_expired'],
		['ending for its deadline', jobWith('FailureTarget', 'DeadlineExceeded'), 'gone', 'clone_expired'],
		['past its deadline, by the clock', job({ ready: 1 }, 60), 'gone', 'clone_expired'],
		['ended by itself', jobWith('Complete', 'CompletionsReached'), 'gone', 'clone_expired'],
		['ready', job({ ready: 1, active: 1 }), 'ready', undefined],
		['starting', job({ ready: 0, active: 1 }), undefined, undefined],
		['failed for a reason that its pods know', jobWith('Failed', 'BackoffLimitExceeded'), undefined, undefined],
	])('%s', (_what, given, state, code) => {
		const told = jobCondition(given, NOW);
		expect(told?.state).toBe(state);
		expect(told?.state === 'gone' ? told.code : undefined).toBe(code);
	});

	it.each<[string, V1Job, boolean]>([
		['a pod that answers', job({ ready: 1, active: 1 }), true],
		['a pod that does not, yet or any more', job({ ready: 0, active: 1 }), false],
		['no pod', job(), false],
		['a pod that has failed, though the last count says ready', job({ ready: 1, failed: 1 }), false],
		['a Job that has failed', job({ ready: 1, conditions: [{ type: 'FailureTarget', status: 'True' }] }), false],
		['a Job past its deadline', job({ ready: 1 }, 60), false],
		['a Job that is being deleted', { ...job({ ready: 1 }), metadata: { name: 'a', deletionTimestamp: START } }, false],
	])('whether it is surely ready: %s', (_what, given, ready) => {
		expect(isReady(given, NOW)).toBe(ready);
	});

	it('counts the deadline from the start that Kubernetes set', () => {
		expect(jobDeadline(job({}, 600))).toBe(START.getTime() + 600_000);
		expect(jobDeadline({ spec: { activeDeadlineSeconds: 600, template: {} } })).toBeUndefined();
	});
});

describe('what the pods and events tell', () => {
	const failedJob = jobWith('Failed', 'BackoffLimitExceeded');
	it.each<[string, V1Job, V1Pod[], CoreV1Event[], string, string | undefined]>([
		[
			'ready before the Job says so',
			job(),
			[pod({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] })],
			[],
			'ready',
			undefined,
		],
		['booting', job(), [pod({ phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] })], [], 'starting', undefined],
		[
			'no node has room',
			job(),
			[pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }] })],
			[],
			'starting',
			'no_node',
		],
		['quota used up', job(), [], [failedCreate('exceeded quota: clones, requested: pods=1')], 'starting', 'capacity_full'],
		['pod security', job(), [], [failedCreate('violates PodSecurity "restricted"')], 'gone', 'pod_refused'],
		['no priority class', job(), [], [failedCreate('no PriorityClass with name clone was found')], 'gone', 'pod_refused'],
		['refused for an unknown reason', job(), [], [failedCreate('webhook says no')], 'starting', 'pod_not_created'],
		['not taken up yet', job(), [], [], 'starting', undefined],
		['image not there', job(), [waitingFor('ErrImagePull', 'failed to resolve reference: not found')], [], 'gone', 'image_not_found'],
		['image may not be pulled', job(), [waitingFor('ImagePullBackOff', 'pull access denied')], [], 'gone', 'image_not_found'],
		['image never pulled', job(), [waitingFor('ErrImageNeverPull')], [], 'gone', 'image_not_found'],
		['registry away', job(), [waitingFor('ErrImagePull', 'dial tcp: i/o timeout')], [], 'starting', 'image_pull'],
		['crashing', job(), [waitingFor('CrashLoopBackOff')], [], 'starting', 'clone_crashing'],
		['Secret not there yet', job(), [waitingFor('ContainerCreating')], [], 'starting', undefined],
		[
			'evicted',
			failedJob,
			[pod({ phase: 'Failed', reason: 'Evicted', message: 'Usage of EmptyDir volume exceeds 4Gi.' })],
			[],
			'gone',
			'clone_evicted',
		],
		[
			'node lost',
			failedJob,
			[pod({ phase: 'Failed', conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' }] })],
			[],
			'gone',
			'node_lost',
		],
		[
			'pushed out',
			job(),
			[pod({ phase: 'Running', conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'PreemptionByScheduler' }] })],
			[],
			'gone',
			'clone_evicted',
		],
		['pod deleted', failedJob, [], [], 'gone', 'clone_lost'],
		['pod being deleted', job(), [{ ...pod({ phase: 'Running' }), metadata: { deletionTimestamp: START } }], [], 'gone', 'clone_lost'],
		['ended by itself', job(), [pod({ phase: 'Succeeded' })], [], 'gone', 'clone_expired'],
	])('%s', (_what, given, pods, events, state, code) => {
		const told = podCondition(given, pods, events);
		expect(told.state).toBe(state);
		const said = told.state === 'gone' ? told.code : told.state === 'starting' ? told.waiting?.code : undefined;
		expect(said).toBe(code);
		if (said !== undefined) expect(JOB_CODES).toHaveProperty(said);
	});

	it('goes by the last event', () => {
		const events = [failedCreate('violates PodSecurity', START), failedCreate('exceeded quota', new Date(NOW))];
		expect(podCondition(job(), [], events)).toMatchObject({ state: 'starting', waiting: { code: 'capacity_full' } });
	});
});
