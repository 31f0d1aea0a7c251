/**
 * The parts of the Kubernetes API that the manifests here use, as plain data. Written down rather than taken from a client,
 * so that nothing but the adapter depends on one; the tests have the API server itself judge every manifest.
 */
export interface Metadata {
	readonly name: string;
	readonly namespace?: string;
	readonly labels?: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
	readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
	readonly apiVersion: string;
	readonly kind: string;
	readonly name: string;
	readonly uid: string;
}

export interface Manifest {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: Metadata;
}

/** With whatever the kind has besides `metadata`. */
export interface SpecManifest<Spec> extends Manifest {
	readonly spec: Spec;
}

export interface LabelSelector {
	readonly matchLabels?: Readonly<Record<string, string>>;
}

export interface Resources {
	readonly requests?: Readonly<Record<string, string>>;
	readonly limits?: Readonly<Record<string, string>>;
}

export interface Probe {
	readonly httpGet: { readonly path: string; readonly port: number | string };
	readonly periodSeconds: number;
	readonly timeoutSeconds?: number;
	readonly failureThreshold: number;
}

export interface Volume {
	readonly name: string;
	readonly emptyDir?: { readonly sizeLimit: string };
	readonly secret?: { readonly secretName: string; readonly defaultMode: number };
}

export interface Container {
	readonly name: string;
	readonly image: string;
	readonly imagePullPolicy?: 'IfNotPresent' | 'Never' | 'Always';
	readonly command?: readonly string[];
	readonly args?: readonly string[];
	readonly env?: readonly { readonly name: string; readonly value: string }[];
	readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
	readonly resources: Resources;
	readonly securityContext: {
		readonly allowPrivilegeEscalation: false;
		readonly readOnlyRootFilesystem: true;
		readonly capabilities: { readonly drop: readonly ['ALL'] };
	};
	readonly startupProbe?: Probe;
	readonly readinessProbe?: Probe;
	readonly livenessProbe?: Probe;
	readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
	readonly restartPolicy?: 'Never' | 'OnFailure' | 'Always';
	readonly restartPolicyRules?: readonly {
		readonly action: 'Restart';
		readonly exitCodes: { readonly operator: 'In' | 'NotIn'; readonly values: readonly number[] };
	}[];
}

export interface Toleration {
	readonly key: string;
	readonly operator?: 'Exists' | 'Equal';
	readonly value?: string;
	readonly effect?: 'NoSchedule';
}

export interface PodSpec {
	readonly restartPolicy?: 'Never' | 'OnFailure' | 'Always';
	readonly priorityClassName?: string;
	readonly serviceAccountName?: string;
	readonly automountServiceAccountToken: boolean;
	readonly enableServiceLinks: false;
	readonly hostUsers?: false;
	readonly terminationGracePeriodSeconds: number;
	readonly securityContext: {
		readonly runAsNonRoot: true;
		readonly runAsUser: number;
		readonly runAsGroup: number;
		readonly fsGroup?: number;
		readonly seccompProfile: { readonly type: 'RuntimeDefault' };
	};
	readonly nodeSelector?: Readonly<Record<string, string>>;
	readonly tolerations?: readonly Toleration[];
	readonly affinity?: object;
	readonly initContainers?: readonly Container[];
	readonly containers: readonly Container[];
	readonly volumes?: readonly Volume[];
}

export interface PodTemplate {
	readonly metadata: Pick<Metadata, 'labels' | 'annotations'>;
	readonly spec: PodSpec;
}

export type Job = SpecManifest<{
	readonly activeDeadlineSeconds: number;
	readonly ttlSecondsAfterFinished: number;
	readonly backoffLimit: number;
	readonly completions: 1;
	readonly parallelism: 1;
	readonly podReplacementPolicy: 'Failed';
	readonly template: PodTemplate;
}>;

export interface Secret extends Manifest {
	readonly type: 'Opaque';
	readonly immutable?: boolean;
	readonly stringData: Readonly<Record<string, string>>;
}

export type Service = SpecManifest<{
	readonly type: 'ClusterIP';
	readonly selector: Readonly<Record<string, string>>;
	readonly ports: readonly { readonly name: string; readonly port: number; readonly targetPort: string }[];
}>;

export type Ingress = SpecManifest<{
	readonly ingressClassName: string;
	readonly rules: readonly {
		readonly host: string;
		readonly http: {
			readonly paths: readonly {
				readonly path: string;
				readonly pathType: 'Prefix';
				readonly backend: { readonly service: { readonly name: string; readonly port: { readonly name: string } } };
			}[];
		};
	}[];
}>;

export interface NetworkPolicyPeer {
	readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
	readonly namespaceSelector?: LabelSelector;
	readonly podSelector?: LabelSelector;
}

export interface NetworkPolicyPort {
	readonly port: number | string;
	readonly protocol: 'TCP' | 'UDP';
}

export type NetworkPolicy = SpecManifest<{
	readonly podSelector: LabelSelector;
	readonly policyTypes: readonly ('Ingress' | 'Egress')[];
	readonly ingress?: readonly { readonly from: readonly NetworkPolicyPeer[]; readonly ports: readonly NetworkPolicyPort[] }[];
	readonly egress?: readonly { readonly to: readonly NetworkPolicyPeer[]; readonly ports: readonly NetworkPolicyPort[] }[];
}>;

export interface PolicyRule {
	readonly apiGroups: readonly string[];
	readonly resources: readonly string[];
	readonly verbs: readonly string[];
}

export interface Role extends Manifest {
	readonly rules: readonly PolicyRule[];
}

export interface Subject {
	readonly kind: 'Group' | 'ServiceAccount';
	readonly name: string;
	readonly namespace?: string;
	readonly apiGroup?: 'rbac.authorization.k8s.io';
}

export interface RoleBinding extends Manifest {
	readonly roleRef: { readonly apiGroup: 'rbac.authorization.k8s.io'; readonly kind: 'Role'; readonly name: string };
	readonly subjects: readonly Subject[];
}

export interface PriorityClass extends Manifest {
	readonly value: number;
	readonly globalDefault: false;
	readonly preemptionPolicy: 'Never' | 'PreemptLowerPriority';
	readonly description: string;
}

export type Workload = SpecManifest<{
	readonly replicas?: number;
	readonly selector: LabelSelector;
	readonly template: PodTemplate;
}>;
