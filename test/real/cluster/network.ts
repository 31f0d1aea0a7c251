/** The cluster's network: a namespace without any link to the machine's own, so nothing in it can leave the machine. */
import { existsSync } from 'node:fs';
import { CLOSED_ADDRESSES, NAMESPACE, NETNS_PATH, NODE_ADDRESS, PUBLIC_ADDRESSES } from './layout.ts';
import { run, runInNetwork } from './shell.ts';

export async function makeNetwork(): Promise<void> {
	if (existsSync(NETNS_PATH)) return;
	await run('ip', ['netns', 'add', NAMESPACE]);
	const ip = (...args: string[]): Promise<string> => runInNetwork('ip', args);
	await ip('link', 'set', 'lo', 'up');
	// Both ends stay inside: a pair stands in for a dummy interface, which not every kernel has.
	await ip('link', 'add', 'node0', 'type', 'veth', 'peer', 'name', 'node0p');
	await ip('address', 'add', `${NODE_ADDRESS}/24`, 'dev', 'node0');
	await ip('link', 'set', 'node0', 'up');
	await ip('link', 'set', 'node0p', 'up');
	// Leads nowhere. Without it a cluster address has no route, and is never translated.
	await ip('route', 'add', 'default', 'via', '198.18.0.254', 'dev', 'node0');
	for (const address of [...PUBLIC_ADDRESSES, ...CLOSED_ADDRESSES]) await ip('address', 'add', `${address}/32`, 'dev', 'lo');
	const settings = ['net.ipv4.ip_forward=1', 'net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.default.rp_filter=0'];
	await runInNetwork('sysctl', ['-qw', ...settings]);
	// So that pods on the one bridge cannot go around the policies.
	await runInNetwork('sysctl', ['-qw', 'net.bridge.bridge-nf-call-iptables=1']);
}

export async function removeNetwork(): Promise<void> {
	const all = (await run('ip', ['netns', 'list'])).split('\n').map((line) => line.split(' ')[0] ?? '');
	for (const name of all.filter((found) => found.startsWith('cni-'))) await run('ip', ['netns', 'delete', name]).catch(() => {});
	if (all.includes(NAMESPACE)) await run('ip', ['netns', 'delete', NAMESPACE]);
}
