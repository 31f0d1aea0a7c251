/** What all clones of one cluster have in common. */
export interface CloneManifestSettings {
	readonly namespace: string;
	/** Full name with tag or digest. */
	readonly image: string;
	readonly imagePullPolicy: 'IfNotPresent' | 'Never' | 'Always';
	/** e.g. `8.4`: what is in the image. */
	readonly phpVersion: string;
	/** e.g. `7.1.1`: what is in the image. */
	readonly wpVersion: string;
	/** A slot answers at `{slot}.{domain}`. */
	readonly domain: string;
	readonly ingressClass: string;
	/** Files and SQLite database of one clone. */
	readonly diskMib: number;
	readonly memoryMib: { readonly request: number; readonly limit: number };
	/** Thousandths of a core. */
	readonly cpuMilli: { readonly request: number; readonly limit: number };
	/** Only nodes with label and taint `workload=clone`. */
	readonly dedicatedNodes: boolean;
	/** A user namespace a pod: needs containerd 2 and a kernel from 6.3 on the nodes. */
	readonly userNamespaces: boolean;
	/** How long the finished Job, and with it everything it owns, is kept for looking into, seconds. */
	readonly keepFinishedSeconds: number;
}

export const DEFAULT_CLONE_MANIFEST_SETTINGS = {
	namespace: 'clones',
	imagePullPolicy: 'IfNotPresent',
	ingressClass: 'traefik',
	diskMib: 4096,
	// Idle: 60 MiB; the import step may hold one value of 64 MiB several times over.
	memoryMib: { request: 256, limit: 1024 },
	cpuMilli: { request: 100, limit: 1000 },
	dedicatedNodes: false,
	userNamespaces: false,
	keepFinishedSeconds: 120,
} as const satisfies Partial<CloneManifestSettings>;
