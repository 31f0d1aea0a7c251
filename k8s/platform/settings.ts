/** What the cluster's own objects are made from: everything that stands before the first clone. */
export interface PlatformSettings {
	/** Namespace of the clones. */
	readonly namespace: string;
	/** Namespace of the service's own workloads: buffer, image pre-pull, consumer. */
	readonly systemNamespace: string;
	/** Where the ingress controller's pods are. */
	readonly ingressNamespace: string;
	/** e.g. `v1.36`: the version of the Pod Security rules. */
	readonly podSecurityVersion: string;
	readonly quota: { readonly cpu: string; readonly memory: string; readonly pods: number };
	/** Who may run clones: the group of an EKS access entry, or a service account. */
	readonly workers: readonly ({ readonly group: string } | { readonly serviceAccount: string; readonly namespace: string })[];
	/** The shared database server of `database: "mysql"`, when there is one: the only private address a clone reaches. */
	readonly mysql: { readonly cidr: string; readonly port: number } | null;
	readonly cloneImage: string;
	readonly pauseImage: string;
	/** Karpenter's node pools and the buffer; null where nodes are somebody else's business. */
	readonly nodes: NodeSettings | null;
}

export interface NodeSettings {
	/** The provider's class of nodes, e.g. `karpenter.k8s.aws` / `EC2NodeClass` / `clones`. */
	readonly nodeClass: { readonly group: string; readonly kind: string; readonly name: string };
	/** What tells small nodes from others, e.g. instance families and sizes. */
	readonly bufferRequirements: readonly NodeRequirement[];
	readonly cloneRequirements: readonly NodeRequirement[];
	/** Nodes kept free. */
	readonly buffer: number;
	/** What one pause pod asks for: most of a small node. */
	readonly bufferPod: { readonly cpu: string; readonly memory: string };
	/** How long an empty node is kept, e.g. `5m`. */
	readonly emptyFor: string;
	readonly limits: { readonly cpu: string; readonly memory: string };
}

export interface NodeRequirement {
	readonly key: string;
	readonly operator: 'In' | 'NotIn' | 'Exists' | 'Gt' | 'Gte' | 'Lt';
	readonly values: readonly string[];
}

/** t3-class buffer nodes and general nodes of EC2. Sources of the figures: Karpenter's instance type reference for 1.14. */
export const EC2_NODES: NodeSettings = {
	nodeClass: { group: 'karpenter.k8s.aws', kind: 'EC2NodeClass', name: 'clones' },
	bufferRequirements: [
		{ key: 'karpenter.k8s.aws/instance-family', operator: 'In', values: ['t3', 't3a'] },
		{ key: 'karpenter.k8s.aws/instance-size', operator: 'In', values: ['medium'] },
		{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['on-demand'] },
		{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
	],
	cloneRequirements: [
		{ key: 'karpenter.k8s.aws/instance-category', operator: 'In', values: ['m', 'c', 'r', 't'] },
		{ key: 'karpenter.k8s.aws/instance-generation', operator: 'Gt', values: ['2'] },
		{ key: 'karpenter.k8s.aws/instance-size', operator: 'In', values: ['medium', 'large', 'xlarge'] },
		{ key: 'karpenter.sh/capacity-type', operator: 'In', values: ['spot', 'on-demand'] },
		{ key: 'kubernetes.io/arch', operator: 'In', values: ['amd64'] },
	],
	buffer: 2,
	// A t3.medium has 1930m and 3246Mi to give, less what the daemons take.
	bufferPod: { cpu: '1500m', memory: '2500Mi' },
	emptyFor: '5m',
	limits: { cpu: '120', memory: '240Gi' },
};

export const DEFAULT_PLATFORM_SETTINGS = {
	namespace: 'clones',
	systemNamespace: 'clone-system',
	ingressNamespace: 'traefik',
	podSecurityVersion: 'v1.36',
	quota: { cpu: '100', memory: '200Gi', pods: 150 },
	workers: [{ group: 'clone-workers' }],
	mysql: null,
	pauseImage: 'registry.k8s.io/pause:3.10',
	nodes: null,
} as const satisfies Partial<PlatformSettings>;
