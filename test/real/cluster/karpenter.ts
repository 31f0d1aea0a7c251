/**
 * Karpenter's own controller with its kwok provider: nodes and their pods are made up by kwok, everything else is real.
 * Both run as processes in the cluster's network until they are stopped, or the cluster is.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildPrograms, moduleDir, PROGRAMS } from './build.ts';
import { kubectl } from './kubectl.ts';
import { type Layout, NODE_ADDRESS } from './layout.ts';
import { start, stop, waitFor } from './processes.ts';
import { runInNetwork } from './shell.ts';

const CRDS = ['nodepools.karpenter.sh', 'nodeclaims.karpenter.sh', 'kwoknodeclasses.karpenter.kwok.sh'];
const HEALTH_PORT = '18081';
/** The address range of made-up pods: apart from the real ones. */
const FAKE_PODS = '10.245.0.1/16';

export async function startKarpenter(layout: Layout, say: (line: string) => void): Promise<void> {
	await buildPrograms(layout.bin, ['karpenter-kwok', 'kwok'], say);
	const files = await definitions(layout);
	await kubectl(layout, ['apply', '--server-side', '--force-conflicts', '-f', join(files, 'crds')]);
	await kubectl(layout, ['wait', '--for=condition=Established', '--timeout=30s', ...CRDS.map((name) => `crd/${name}`)]);
	start('kwok', layout.logs, join(layout.bin, 'kwok'), [
		...[`--kubeconfig=${layout.kubeconfig}`, `--config=${join(files, 'stages.yaml')}`, '--manage-all-nodes=false'],
		...['--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake', '--node-lease-duration-seconds=40'],
		...[`--cidr=${FAKE_PODS}`, `--node-ip=${NODE_ADDRESS}`, '--node-port=10247'],
	]);
	start('karpenter', layout.logs, join(layout.bin, 'karpenter-kwok'), [], {
		KUBECONFIG: layout.kubeconfig,
		DISABLE_LEADER_ELECTION: 'true',
		METRICS_PORT: '18080',
		HEALTH_PROBE_PORT: HEALTH_PORT,
		LOG_LEVEL: 'info',
		BATCH_IDLE_DURATION: '1s',
		BATCH_MAX_DURATION: '5s',
	});
	await waitFor('Karpenter', join(layout.logs, 'karpenter.log'), () =>
		runInNetwork('curl', ['-sf', '-o', '/dev/null', `http://127.0.0.1:${HEALTH_PORT}/readyz`]),
	);
	const nodeClass = { apiVersion: 'karpenter.kwok.sh/v1alpha1', kind: 'KWOKNodeClass', metadata: { name: 'default' } };
	await kubectl(layout, ['apply', '--server-side', '-f', '-'], JSON.stringify(nodeClass));
}

/** Node pools first: Karpenter takes their nodes away. @param selector of nodes, for what it leaves */
export async function stopKarpenter(layout: Layout, selector: string): Promise<void> {
	await kubectl(layout, ['delete', 'nodepools', '--all', '--timeout=60s']);
	// Also those whose claim was deleted as soon as it was made; Karpenter has to let go of each node itself.
	await kubectl(layout, ['delete', 'nodes', '--selector', selector, '--timeout=60s']);
	await stop('karpenter');
	await stop('kwok');
}

/** The definitions that belong to the programs, out of their modules: `crds/` and `stages.yaml`. Kept beside the programs. */
async function definitions(layout: Layout): Promise<string> {
	const folder = join(layout.bin, 'karpenter-definitions');
	if (existsSync(folder)) return folder;
	const making = `${folder}.new`;
	await rm(making, { recursive: true, force: true });
	await mkdir(join(making, 'crds'), { recursive: true });
	const karpenter = await moduleDir(PROGRAMS['karpenter-kwok'].module, PROGRAMS['karpenter-kwok'].version);
	for (const from of ['pkg/apis/crds', 'kwok/apis/crds']) {
		for (const name of (await readdir(join(karpenter, from))).filter((file) => file.endsWith('.yaml'))) {
			await cp(join(karpenter, from, name), join(making, 'crds', name));
		}
	}
	const stages = join(await moduleDir(PROGRAMS.kwok.module, PROGRAMS.kwok.version), 'kustomize/stage');
	// Not pod-complete: it would end every Job's pod at once, and a clone is one.
	const used = [
		'node/fast/node-initialize.yaml',
		'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
		'pod/fast/pod-ready.yaml',
		'pod/fast/pod-delete.yaml',
	];
	const texts = await Promise.all(used.map((file) => readFile(join(stages, file), 'utf8')));
	await writeFile(join(making, 'stages.yaml'), texts.map((text) => `---\n${text}`).join('\n'));
	await rename(making, folder);
	return folder;
}
