/** Every manifest, judged by the API server itself: applied without a trace, so that unknown fields and bad values are refused. */
import { describe, expect, it } from 'vitest';
import { cloneJob } from '../../../k8s/clone/job.ts';
import { cloneIngress, cloneSecret, cloneService } from '../../../k8s/clone/owned.ts';
import { platformManifests } from '../../../k8s/platform/index.ts';
import { DEFAULT_PLATFORM_SETTINGS } from '../../../k8s/platform/settings.ts';
import type { Manifest } from '../../../k8s/types.ts';
import { manifestSettings } from './support/cluster.ts';
import { testEnvironment } from './support/environment.ts';
import { judge } from './support/judge.ts';

const owner = { slotId: 'slot-judged', uid: '00000000-0000-0000-0000-000000000000' };
const settings = manifestSettings();
const clone: readonly Manifest[] = [
	cloneJob(settings, { slotId: owner.slotId, database: 'sqlite', activeDeadlineSeconds: 600 }),
	cloneJob(
		{ ...settings, dedicatedNodes: true, userNamespaces: true },
		{ slotId: owner.slotId, database: 'mysql', activeDeadlineSeconds: 600 },
	),
	cloneSecret(settings, owner, { slot_id: owner.slotId, agent_key: '', url: '', database: null }),
	cloneService(settings, owner),
	cloneIngress(settings, owner),
	cloneIngress(settings, owner, 'acme'),
];
const platform = platformManifests({
	...DEFAULT_PLATFORM_SETTINGS,
	cloneImage: testEnvironment().image,
	mysql: { cidr: '10.0.9.0/28', port: 3306 },
	workers: [{ group: 'clone-workers' }],
});

describe('the API server accepts', () => {
	it.each([...clone, ...platform].map((manifest): [string, Manifest] => [`${manifest.kind} ${manifest.metadata.name}`, manifest]))(
		'%s',
		async (_name, manifest) => {
			await expect(judge(manifest)).resolves.toBeUndefined();
		},
	);

	it('nothing with a field that it does not know, or a value that it does not take', async () => {
		const job = cloneJob(settings, { slotId: owner.slotId, database: 'sqlite', activeDeadlineSeconds: 600 });
		await expect(judge({ ...job, ...{ spec: { ...job.spec, activeDeadlineMinutes: 10 } } })).rejects.toThrow(/activeDeadlineMinutes/);
		await expect(judge({ ...job, ...{ spec: { ...job.spec, podReplacementPolicy: 'Sometimes' } } })).rejects.toThrow(
			/podReplacementPolicy/,
		);
	});
});
