import { describe, expect, it } from 'vitest';
import { cloneJob } from '../../k8s/clone/job.ts';
import { cloneIngress, cloneSecret, cloneService, SLOT_FILE } from '../../k8s/clone/owned.ts';
import { type CloneManifestSettings, DEFAULT_CLONE_MANIFEST_SETTINGS } from '../../k8s/clone/settings.ts';
import { LABEL_SLOT } from '../../k8s/labels.ts';

const settings: CloneManifestSettings = {
	...DEFAULT_CLONE_MANIFEST_SETTINGS,
	image: 'registry.example/clone:1',
	phpVersion: '8.4',
	wpVersion: '7.1.1',
	domain: 'clones.example.com',
};
const made = cloneJob(settings, { slotId: 'slot-a', database: 'sqlite', activeDeadlineSeconds: 1800 });
const pod = made.spec.template.spec;
const [container] = pod.containers;
const owner = { slotId: 'slot-a', uid: 'uid-1' };

describe('the Job of a clone', () => {
	it('ends by itself, and takes everything along', () => {
		expect(made.spec.activeDeadlineSeconds).toBe(1800);
		expect(made.spec.ttlSecondsAfterFinished).toBe(120);
		// The deadline of a pod could never be raised again.
		expect(pod).not.toHaveProperty('activeDeadlineSeconds');
	});

	it('never has a second pod, and starts a crashed container again in its own', () => {
		expect(made.spec.backoffLimit).toBe(0);
		expect(made.spec.podReplacementPolicy).toBe('Failed');
		expect(pod.restartPolicy).toBe('Never');
		expect(container?.restartPolicyRules).toEqual([{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [0] } }]);
	});

	it('runs as nobody in particular, with nothing but its own volumes to write to', () => {
		expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 33, seccompProfile: { type: 'RuntimeDefault' } });
		expect(container?.securityContext).toEqual({
			allowPrivilegeEscalation: false,
			readOnlyRootFilesystem: true,
			capabilities: { drop: ['ALL'] },
		});
		expect(pod.volumes?.filter((volume) => volume.emptyDir).map((volume) => volume.emptyDir?.sizeLimit)).toEqual(['4096Mi', '512Mi']);
		expect(container?.volumeMounts?.find((mount) => mount.name === 'slot')?.readOnly).toBe(true);
	});

	it('knows nothing of the cluster or of other clones', () => {
		expect(pod.automountServiceAccountToken).toBe(false);
		expect(pod.enableServiceLinks).toBe(false);
		expect(JSON.stringify(made)).not.toContain('agent_key');
	});

	it('has limits for everything that nodes run out of', () => {
		expect(Object.keys(container?.resources.limits ?? {})).toEqual(['cpu', 'memory', 'ephemeral-storage']);
		// Both volumes fit below the limit of the pod.
		expect(container?.resources.limits?.['ephemeral-storage']).toBe('4736Mi');
	});

	it('goes to nodes of its own, or into a user namespace, only where that is asked for', () => {
		expect(pod).not.toHaveProperty('nodeSelector');
		expect(pod).not.toHaveProperty('hostUsers');
		const other = cloneJob(
			{ ...settings, dedicatedNodes: true, userNamespaces: true },
			{ slotId: 'a', database: 'sqlite', activeDeadlineSeconds: 1 },
		);
		expect(other.spec.template.spec).toMatchObject({
			hostUsers: false,
			nodeSelector: { workload: 'clone' },
			tolerations: [{ key: 'workload', value: 'clone', effect: 'NoSchedule' }],
		});
	});
});

describe('what the Job owns', () => {
	const secret = cloneSecret(settings, owner, {
		slot_id: 'slot-a',
		agent_key: 'key',
		url: 'https://slot-a.clones.example.com',
		database: null,
	});

	it('goes when the Job goes', () => {
		for (const manifest of [secret, cloneService(settings, owner), cloneIngress(settings, owner)]) {
			expect(manifest.metadata.ownerReferences).toEqual([{ apiVersion: 'batch/v1', kind: 'Job', name: 'slot-a', uid: 'uid-1' }]);
			expect(manifest.metadata.labels?.[LABEL_SLOT]).toBe('slot-a');
			expect(manifest.metadata.namespace).toBe('clones');
		}
	});

	it('leads from the host name to the pod', () => {
		const [rule] = cloneIngress(settings, owner).spec.rules;
		expect(rule?.host).toBe('slot-a.clones.example.com');
		const service = cloneService(settings, owner);
		expect(rule?.http.paths[0]?.backend.service).toEqual({ name: service.metadata.name, port: { name: service.spec.ports[0]?.name } });
		expect(made.spec.template.metadata.labels).toMatchObject(service.spec.selector);
		expect(container?.ports?.[0]?.name).toBe(service.spec.ports[0]?.targetPort);
	});

	it('has a route of its own for a chosen name', () => {
		const named = cloneIngress(settings, owner, 'acme');
		expect(named.metadata.name).toBe('slot-a-name');
		expect(named.spec.rules[0]?.host).toBe('acme.clones.example.com');
	});

	it('holds the key in the Secret alone, as the file that the pod mounts', () => {
		expect(JSON.parse(String(secret.stringData[SLOT_FILE]))).toMatchObject({ slot_id: 'slot-a', agent_key: 'key' });
		expect(pod.volumes).toContainEqual({ name: 'slot', secret: { secretName: 'slot-a', defaultMode: 0o440 } });
	});

	it('holds the password of its database in the Secret alone; the Job only says which kind it is', () => {
		const database = { host: 'db.internal', port: 3306, name: 'clone_slot_a', user: 'clone_slot_a', password: 'secret-word', tls: true };
		const withDatabase = cloneSecret(settings, owner, { slot_id: 'slot-a', agent_key: 'key', url: 'https://a', database });
		expect(JSON.parse(String(withDatabase.stringData[SLOT_FILE])).database).toEqual(database);
		const job = cloneJob(settings, { slotId: 'slot-a', database: 'mysql', activeDeadlineSeconds: 60 });
		expect(Object.values(job.metadata.annotations ?? {})).toContain('mysql');
		for (const manifest of [job, cloneService(settings, owner), cloneIngress(settings, owner)]) {
			expect(JSON.stringify(manifest)).not.toContain('secret-word');
		}
	});
});
