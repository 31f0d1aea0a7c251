/** KEDA's definitions, out of its module: what judges a ScaledObject. Its controller is not run. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { moduleDir } from './build.ts';
import { kubectl } from './kubectl.ts';
import type { Layout } from './layout.ts';

/** Applies them. Outside the cluster's network, where modules can be had. */
export async function defineKeda(layout: Layout): Promise<void> {
	await kubectl(layout, ['apply', '--server-side', '--force-conflicts', '-f', await definitions(layout)]);
	await kubectl(layout, [
		'wait',
		'--for=condition=Established',
		'--timeout=30s',
		'crd/scaledobjects.keda.sh',
		'crd/triggerauthentications.keda.sh',
	]);
}

/** Kept beside the programs. */
async function definitions(layout: Layout): Promise<string> {
	const version = await deployedVersion();
	const folder = join(layout.bin, `keda-definitions-${version}`);
	if (existsSync(folder)) return folder;
	const making = `${folder}.new`;
	await rm(making, { recursive: true, force: true });
	await mkdir(making, { recursive: true });
	const from = join(await moduleDir('github.com/kedacore/keda/v2', `v${version}`), 'config/crd/bases');
	for (const name of (await readdir(from)).filter((file) => file.startsWith('keda.sh_'))) await cp(join(from, name), join(making, name));
	await rename(making, folder);
	return folder;
}

/** Of the chart that the stacks install; KEDA's charts have its own version. Read, because importing the stacks takes seconds. */
async function deployedVersion(): Promise<string> {
	const construct = await readFile(new URL('../../../lib/constructs/cluster/queue-scaler.ts', import.meta.url), 'utf8');
	const [, version] = /^const KEDA_VERSION = '([\d.]+)';$/m.exec(construct) ?? [];
	if (version === undefined) throw new Error('lib/constructs/cluster/queue-scaler.ts names no version of KEDA.');
	return version;
}
