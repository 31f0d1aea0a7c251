/** Looks at start for what would fail every clone, so that it is said once and at once. */
import { cloneJob } from '../../k8s/clone/job.ts';
import { cloneIngress, cloneSecret, cloneService } from '../../k8s/clone/owned.ts';
import type { CloneManifestSettings } from '../../k8s/clone/settings.ts';
import type { CloneApi } from './clone-api.ts';

/**
 * Asks the cluster whether it would take a clone (nothing is made) and whether it shows what a clone's life needs.
 * @throws PermanentError `namespace_missing`, `cluster_refused_object`, `cluster_certificate`;
 * TransientError `cluster_forbidden`, `cluster_unreachable`, `cluster_login_refused`
 */
export async function checkCluster(api: CloneApi, manifests: CloneManifestSettings): Promise<void> {
	const slotId = 'slot-check';
	await api.listJobs();
	await api.listPods(slotId);
	await api.listJobEvents(slotId);
	await api.getJob(slotId);
	const job = await api.applyJob(cloneJob(manifests, { slotId, database: 'sqlite', activeDeadlineSeconds: 60 }), true);
	const owner = { slotId, uid: job.metadata?.uid ?? '' };
	await api.applySecret(cloneSecret(manifests, owner, { slot_id: slotId, agent_key: '', url: '', database: null }), true);
	await api.applyService(cloneService(manifests, owner), true);
	await api.applyIngress(cloneIngress(manifests, owner), true);
	// Refused without the right, and without a trace with it: there is no such Job.
	await api.deleteJob(slotId);
	await api.deleteOwned(slotId);
}
