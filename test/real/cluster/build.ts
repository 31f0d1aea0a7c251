/**
 * Builds the cluster's programs from their Go modules, once a version: Kubernetes 6 minutes on two cold cores, Traefik 5,
 * Karpenter and kwok 3 together; seconds when Go's caches are warm.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { VERSIONS } from './layout.ts';
import { run } from './shell.ts';

interface GoProgram {
	/** Module whose own go.mod the build adopts, so that its pins and replacements hold. */
	readonly module: string;
	readonly version: string;
	/** Package to build; `.`: programs/{name}/main.go. */
	readonly package: string;
	/** Changes the adopted go.mod. */
	readonly edit?: (goMod: string) => string;
	readonly require?: readonly string[];
	readonly ldflags?: string;
}

const [, k8sMinor, k8sPatch] = VERSIONS.kubernetes.split('.');

export const PROGRAMS: Readonly<Record<'kubeall' | 'traefik' | 'karpenter-kwok' | 'kwok', GoProgram>> = {
	kubeall: {
		module: 'k8s.io/kubernetes',
		version: `v${VERSIONS.kubernetes}`,
		package: '.',
		// Kubernetes replaces its own parts by folders of its repository; as modules they have versions v0.x.
		edit: (goMod) => goMod.replaceAll(/=> \.\/staging\/src\/(k8s\.io\/[a-z-]+)/g, `=> $1 v0.${k8sMinor}.${k8sPatch}`),
		require: [`go.etcd.io/etcd/server/v3@v${VERSIONS.etcd}`],
		ldflags: [
			`k8s.io/component-base/version.gitVersion=v${VERSIONS.kubernetes}`,
			'k8s.io/component-base/version.gitMajor=1',
			`k8s.io/component-base/version.gitMinor=${k8sMinor}`,
			'k8s.io/component-base/version.gitTreeState=clean',
			`k8s.io/client-go/pkg/version.gitVersion=v${VERSIONS.kubernetes}`,
		]
			.map((variable) => `-X ${variable}`)
			.join(' '),
	},
	traefik: {
		module: 'github.com/traefik/traefik/v3',
		version: `v${VERSIONS.traefik}`,
		package: 'github.com/traefik/traefik/v3/cmd/traefik',
	},
	'karpenter-kwok': { module: 'sigs.k8s.io/karpenter', version: `v${VERSIONS.karpenter}`, package: 'sigs.k8s.io/karpenter/kwok' },
	kwok: { module: 'sigs.k8s.io/kwok', version: `v${VERSIONS.kwok}`, package: 'sigs.k8s.io/kwok/cmd/kwok' },
};
export type ProgramName = keyof typeof PROGRAMS;

/** The names that kubeall answers to. */
export const KUBE_PROGRAMS = ['etcd', 'kubectl', 'kubelet', 'kube-apiserver', 'kube-controller-manager', 'kube-proxy', 'kube-scheduler'];

/** Whether all of them are built already. */
export function built(bin: string, names: readonly ProgramName[]): boolean {
	return names.every((name) => existsSync(join(bin, name)));
}

/** Builds what is missing into `bin`. @throws CommandError with the compiler's last words */
export async function buildPrograms(bin: string, names: readonly ProgramName[], say: (line: string) => void): Promise<void> {
	await mkdir(bin, { recursive: true });
	for (const name of names) {
		if (existsSync(join(bin, name))) continue;
		say(`Building ${name} ${PROGRAMS[name].version} (minutes the first time)`);
		await buildProgram(bin, name);
	}
}

/** The folder of a module in Go's cache. */
export async function moduleDir(module: string, version: string): Promise<string> {
	const answer = await run('go', ['mod', 'download', '-json', `${module}@${version}`], { env: { GOFLAGS: '-mod=mod' } });
	const found: { Dir?: string; Error?: string } = JSON.parse(answer);
	if (found.Dir === undefined)
		throw new Error(`The Go module ${module}@${version} could not be fetched: ${found.Error ?? 'no reason given'}`);
	return found.Dir;
}

async function buildProgram(bin: string, name: ProgramName): Promise<void> {
	const program = PROGRAMS[name];
	const source = await moduleDir(program.module, program.version);
	const work = await mkdtemp(join(tmpdir(), `build-${name}-`));
	try {
		const goMod = await readFile(join(source, 'go.mod'), 'utf8');
		await writeFile(join(work, 'go.mod'), (program.edit ?? ((text) => text))(goMod.replace(/^module .*$/m, 'module local/build')));
		await copyFile(join(source, 'go.sum'), join(work, 'go.sum'));
		await chmod(join(work, 'go.sum'), 0o644);
		for (const requirement of [`${program.module}@${program.version}`, ...(program.require ?? [])]) {
			await run('go', ['mod', 'edit', `-require=${requirement}`], { cwd: work });
		}
		if (program.package === '.') await copyFile(join(import.meta.dirname, 'programs', name, 'main.go'), join(work, 'main.go'));
		const made = join(work, 'made');
		await run('nice', ['go', 'build', '-trimpath', '-ldflags', `-s -w ${program.ldflags ?? ''}`, '-o', made, program.package], {
			cwd: work,
			env: { CGO_ENABLED: '0', GOFLAGS: '-p=2 -mod=mod -buildvcs=false' },
		});
		// Copied beside its place, then renamed: a build that is cut off leaves nothing that looks finished.
		await copyFile(made, join(bin, `${name}.new`));
		await rename(join(bin, `${name}.new`), join(bin, name));
	} finally {
		await rm(work, { recursive: true, force: true });
	}
}
