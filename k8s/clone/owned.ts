/** What a clone's Job owns. */
import { slotLabels } from '../labels.ts';
import type { Ingress, Metadata, OwnerReference, Secret, Service } from '../types.ts';
import type { CloneManifestSettings } from './settings.ts';

export interface JobReference {
	readonly slotId: string;
	/** The Job's `metadata.uid`. */
	readonly uid: string;
}

/** Without `blockOwnerDeletion`: setting it would need the right to change the Job's finalizers. */
function ownedBy(job: JobReference): OwnerReference {
	return { apiVersion: 'batch/v1', kind: 'Job', name: job.slotId, uid: job.uid };
}

function metadata(settings: CloneManifestSettings, job: JobReference, name: string): Metadata {
	return { name, namespace: settings.namespace, labels: slotLabels(job.slotId), ownerReferences: [ownedBy(job)] };
}

/** What the pod is told at boot, as one file. */
export interface SlotFile {
	readonly slot_id: string;
	/** Base64 of 32 bytes. */
	readonly agent_key: string;
	readonly url: string;
	/** The clone's own MySQL database; null on SQLite. */
	readonly database: {
		readonly host: string;
		readonly port: number;
		readonly name: string;
		readonly user: string;
		readonly password: string;
		readonly tls: boolean;
	} | null;
}

export const SLOT_FILE = 'slot.json';

export function cloneSecret(settings: CloneManifestSettings, job: JobReference, slot: SlotFile): Secret {
	return {
		apiVersion: 'v1',
		kind: 'Secret',
		metadata: metadata(settings, job, job.slotId),
		type: 'Opaque',
		stringData: { [SLOT_FILE]: JSON.stringify(slot) },
	};
}

export function cloneService(settings: CloneManifestSettings, job: JobReference): Service {
	return {
		apiVersion: 'v1',
		kind: 'Service',
		metadata: metadata(settings, job, job.slotId),
		spec: { type: 'ClusterIP', selector: slotLabels(job.slotId), ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
	};
}

/** Name of the Ingress for the name that a customer chose for a slot's clone. */
export function nameIngress(slotId: string): string {
	return `${slotId}-name`;
}

/** The route of a slot's own name, or, with `host`, of a name that a customer chose for it. */
export function cloneIngress(settings: CloneManifestSettings, job: JobReference, host: string = job.slotId): Ingress {
	return {
		apiVersion: 'networking.k8s.io/v1',
		kind: 'Ingress',
		metadata: metadata(settings, job, host === job.slotId ? job.slotId : nameIngress(job.slotId)),
		spec: {
			ingressClassName: settings.ingressClass,
			rules: [
				{
					host: `${host}.${settings.domain}`,
					http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: job.slotId, port: { name: 'http' } } } }] },
				},
			],
		},
	};
}
