/** What the machine must have. What can be installed is installed; the rest is said in one sentence. */
import { existsSync, readFileSync } from 'node:fs';
import { CommandError, run } from './shell.ts';

const PACKAGES: Readonly<Record<string, string>> = {
	containerd: '/usr/bin/containerd',
	runc: '/usr/sbin/runc',
	'containernetworking-plugins': '/usr/lib/cni/bridge',
	iptables: '/usr/sbin/iptables',
	nftables: '/usr/sbin/nft',
	ipset: '/usr/sbin/ipset',
	conntrack: '/usr/sbin/conntrack',
	iproute2: '/usr/sbin/ip',
	openssl: '/usr/bin/openssl',
	gcc: '/usr/bin/gcc',
	'libc6-dev': '/usr/include/stdlib.h',
	mmdebstrap: '/usr/bin/mmdebstrap',
	procps: '/usr/sbin/sysctl',
	'util-linux': '/usr/bin/nsenter',
	kmod: '/usr/bin/kmod',
};

/** Installs Debian packages that are not there. @throws CommandError */
export async function installMissing(packages: Readonly<Record<string, string>>, say: (line: string) => void): Promise<void> {
	const missing = Object.entries(packages)
		.filter(([, file]) => !existsSync(file))
		.map(([name]) => name);
	if (missing.length === 0) return;
	say(`Installing ${missing.join(', ')}`);
	const env = { DEBIAN_FRONTEND: 'noninteractive' };
	await run('apt-get', ['update', '-qq'], { env });
	await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], { env });
}

/** @throws CommandError with the sentence that says what is missing */
export async function checkNeeds(needsGo: boolean, say: (line: string) => void): Promise<void> {
	if (process.getuid?.() !== 0) {
		throw new CommandError(
			'The test cluster runs a kubelet, which needs root. Run this as root, or set KUBECONFIG to use a cluster of yours.',
		);
	}
	const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
	if (!/^ID(_LIKE)?=.*debian/m.test(release)) {
		throw new CommandError('The test cluster is made of Debian packages. Run this on Debian, or set KUBECONFIG to use a cluster of yours.');
	}
	await installMissing(PACKAGES, say);
	if (!needsGo) return;
	const version = await run('go', ['env', 'GOVERSION']).catch(() => '');
	const [, minor = '0'] = /^go1\.(\d+)/.exec(version) ?? [];
	if (Number(minor) < 26) {
		throw new CommandError(
			`Kubernetes is built here with Go 1.26 or newer (found: ${version.trim() || 'none'}). Install it, or set KUBECONFIG.`,
		);
	}
}
