/** What the clone host does with a slot's database, without a cluster: what it would apply. (With one: test/real/kubernetes.) */
import type { V1Job } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { CloneApi } from '../../adapters/kubernetes/clone-api.ts';
import { ClusterConfig } from '../../adapters/kubernetes/cluster-config.ts';
import { KubernetesCloneHost } from '../../adapters/kubernetes/kubernetes-clone-host.ts';
import type { DatabaseConnection } from '../../core/ports.ts';
import { DEFAULT_CLONE_MANIFEST_SETTINGS } from '../../k8s/clone/settings.ts';
import type { Ingress, Job, Secret, Service } from '../../k8s/types.ts';
import { slotSpec } from '../contracts/clone-host.ts';

class NotedApi extends CloneApi {
	readonly jobs: Job[] = [];
	readonly secrets: Secret[] = [];
	readonly others: (Service | Ingress)[] = [];

	override async getJob(): Promise<V1Job | undefined> {
		return this.jobs.length === 0 ? undefined : { metadata: { uid: 'uid-1' } };
	}
	override async applyJob(job: Job): Promise<V1Job> {
		this.jobs.push(job);
		return { metadata: { uid: 'uid-1' } };
	}
	override async applySecret(secret: Secret): Promise<void> {
		this.secrets.push(secret);
	}
	override async applyService(service: Service): Promise<void> {
		this.others.push(service);
	}
	override async applyIngress(ingress: Ingress): Promise<void> {
		this.others.push(ingress);
	}
}

it('a slot’s database is in its Secret and nowhere else; started again with a new password, the Secret has the new one', async () => {
	const config = new ClusterConfig();
	config.loadFromClusterAndUser({ name: 'none', server: 'https://127.0.0.1:1', skipTLSVerify: false }, { name: 'none' });
	const api = new NotedApi({ config, namespace: 'clones' });
	const manifests = {
		...DEFAULT_CLONE_MANIFEST_SETTINGS,
		...{ image: 'clone:1', phpVersion: '8.4', wpVersion: '7.1.1', domain: 'clones.example.com' },
	};
	const host = new KubernetesCloneHost({ api, clock: { now: () => 1000 }, manifests, address: { scheme: 'https' } });
	const database = (password: string): DatabaseConnection => ({
		host: 'db',
		port: 3306,
		name: 'clone_a',
		user: 'clone_a',
		password,
		tls: false,
	});

	await host.start(slotSpec({ slot_id: 'slot-a', database: database('first-word') }));
	await host.start(slotSpec({ slot_id: 'slot-a', database: database('second-word') }));
	const told = api.secrets.map((secret) => JSON.parse(String(secret.stringData['slot.json'])) as { database: DatabaseConnection });
	expect(told.map((slot) => slot.database)).toEqual([database('first-word'), database('second-word')]);
	// Its pod keeps running: a second Job would be another, empty clone.
	expect(api.jobs.length).toBe(1);
	expect(JSON.stringify([api.jobs, api.others])).not.toMatch(/first-word|second-word/);
	expect(JSON.stringify(api.jobs)).toContain('mysql');
	await config.close();
});
