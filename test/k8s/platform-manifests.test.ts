import { describe, expect, it } from 'vitest';
import { consumerManifests } from '../../k8s/platform/consumer.ts';
import { platformManifests } from '../../k8s/platform/index.ts';
import { clonePolicy, denyAll } from '../../k8s/platform/network-policies.ts';
import { bufferDeployment, nodePools } from '../../k8s/platform/nodes.ts';
import { priorityClasses } from '../../k8s/platform/priority-classes.ts';
import { workerRole, workerRoleBinding } from '../../k8s/platform/rbac.ts';
import { DEFAULT_PLATFORM_SETTINGS, EC2_NODES, type PlatformSettings } from '../../k8s/platform/settings.ts';

const settings: PlatformSettings = { ...DEFAULT_PLATFORM_SETTINGS, cloneImage: 'registry.example/clone:1', nodes: EC2_NODES };

describe('the platform', () => {
	it('has every object once, namespaces first', () => {
		const names = platformManifests(settings).map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
		expect(new Set(names).size).toBe(names.length);
		expect(names.slice(0, 2)).toEqual(['Namespace /clones', 'Namespace /clone-system']);
		const namespaces = new Set([undefined, 'clones', 'clone-system']);
		expect(platformManifests(settings).every(({ metadata }) => namespaces.has(metadata.namespace))).toBe(true);
	});

	it('leaves nodes alone where they are somebody else’s', () => {
		const kinds = platformManifests({ ...settings, nodes: null }).map(({ kind }) => kind);
		expect(kinds).not.toContain('NodePool');
		expect(kinds).toContain('DaemonSet');
	});

	it('refuses pods that are not restricted, in both namespaces', () => {
		for (const { kind, metadata } of platformManifests(settings)) {
			if (kind === 'Namespace') expect(metadata.labels?.['pod-security.kubernetes.io/enforce']).toBe('restricted');
		}
	});
});

describe('the Role of the worker', () => {
	it('reads no secret, runs nothing in a pod, and changes no right', () => {
		const rules = workerRole(settings).rules;
		const secrets = rules.filter((rule) => rule.resources.includes('secrets')).flatMap((rule) => rule.verbs);
		expect(secrets).toEqual(['create', 'patch', 'delete']);
		const all = rules.flatMap((rule) => [...rule.resources, ...rule.verbs]);
		for (const none of ['*', 'pods/exec', 'roles', 'rolebindings', 'watch', 'deletecollection']) expect(all).not.toContain(none);
	});

	it('is bound to whom the settings name', () => {
		const workers = [{ group: 'clone-workers' }, { serviceAccount: 'worker', namespace: 'clone-system' }];
		expect(workerRoleBinding({ ...settings, workers }).subjects).toEqual([
			{ kind: 'Group', name: 'clone-workers', apiGroup: 'rbac.authorization.k8s.io' },
			{ kind: 'ServiceAccount', name: 'worker', namespace: 'clone-system' },
		]);
	});
});

describe('the network policies', () => {
	it('close everything, then open what a clone needs', () => {
		expect(denyAll(settings).spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
		const { ingress = [], egress = [] } = clonePolicy(settings).spec;
		expect(ingress).toHaveLength(1);
		expect(egress).toHaveLength(2);
	});

	it.each(['10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'])(
		'keeps clones out of %s',
		(range) => {
			const open = (clonePolicy(settings).spec.egress ?? []).flatMap((rule) => rule.to).find((peer) => peer.ipBlock?.cidr === '0.0.0.0/0');
			expect(open?.ipBlock?.except).toContain(range);
		},
	);

	it('opens the one way to a shared database, where there is one', () => {
		const { egress = [] } = clonePolicy({ ...settings, mysql: { cidr: '10.0.9.0/28', port: 3306 } }).spec;
		expect(egress.at(-1)).toEqual({ to: [{ ipBlock: { cidr: '10.0.9.0/28' } }], ports: [{ port: 3306, protocol: 'TCP' }] });
	});
});

describe('the nodes', () => {
	it('have a buffer that clones push out and that never pushes out a clone', () => {
		const [clone, buffer] = priorityClasses();
		expect(clone?.value).toBeGreaterThan(0);
		expect(buffer).toMatchObject({ value: -10, preemptionPolicy: 'Never' });
		const deployment = bufferDeployment(settings, EC2_NODES);
		expect(deployment.spec.replicas).toBe(2);
		expect(deployment.spec.template.spec).toMatchObject({ priorityClassName: 'clone-buffer', terminationGracePeriodSeconds: 0 });
	});

	it('go only when they are empty, and take as long to go as a clone may live', () => {
		for (const pool of nodePools(EC2_NODES)) {
			expect(pool.spec).toMatchObject({
				disruption: { consolidationPolicy: 'WhenEmpty' },
				template: { spec: { terminationGracePeriod: '25h', taints: [{ key: 'workload', value: 'clone', effect: 'NoSchedule' }] } },
			});
		}
	});
});

describe('the consumer', () => {
	it('is scaled by its queue, in-flight messages counted, and applying it does not reset its size', () => {
		const manifests = consumerManifests({
			namespace: 'clone-system',
			image: 'registry.example/consumer:1',
			env: { QUEUE_URL: 'https://sqs.example/q' },
			queueUrl: 'https://sqs.example/q',
			region: 'eu-central-1',
			replicas: { least: 2, most: 20 },
			messagesAWorker: 5,
			drainSeconds: 120,
		});
		expect(manifests.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'Deployment', 'TriggerAuthentication', 'ScaledObject']);
		expect(manifests[1]).not.toHaveProperty('spec.replicas');
		expect(manifests[3]).toMatchObject({
			spec: {
				minReplicaCount: 2,
				maxReplicaCount: 20,
				triggers: [{ metadata: { queueLength: '5', scaleOnInFlight: 'true', scaleOnDelayed: 'false' } }],
			},
		});
	});
});
