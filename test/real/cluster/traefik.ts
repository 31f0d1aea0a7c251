/** Traefik as a pod in a namespace of its own, as on a real cluster: the clones' policy lets in what comes from there. */

import { TRAEFIK_IMAGE } from './images.ts';
import { kubectl } from './kubectl.ts';
import { INGRESS_ADDRESS, type Layout } from './layout.ts';
import { waitFor } from './processes.ts';

const meta = { name: 'traefik', namespace: 'traefik' };
const labels = { app: 'traefik' };

const MANIFESTS: readonly object[] = [
	{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'traefik' } },
	{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta },
	{
		apiVersion: 'rbac.authorization.k8s.io/v1',
		kind: 'ClusterRole',
		metadata: { name: 'traefik' },
		rules: [
			{ apiGroups: [''], resources: ['services', 'secrets', 'nodes'], verbs: ['get', 'list', 'watch'] },
			{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
			{ apiGroups: ['networking.k8s.io'], resources: ['ingresses', 'ingressclasses'], verbs: ['get', 'list', 'watch'] },
			{ apiGroups: ['networking.k8s.io'], resources: ['ingresses/status'], verbs: ['update'] },
		],
	},
	{
		apiVersion: 'rbac.authorization.k8s.io/v1',
		kind: 'ClusterRoleBinding',
		metadata: { name: 'traefik' },
		roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'traefik' },
		subjects: [{ kind: 'ServiceAccount', ...meta }],
	},
	{
		apiVersion: 'networking.k8s.io/v1',
		kind: 'IngressClass',
		metadata: { name: 'traefik' },
		spec: { controller: 'traefik.io/ingress-controller' },
	},
	{
		apiVersion: 'apps/v1',
		kind: 'Deployment',
		metadata: meta,
		spec: {
			replicas: 1,
			selector: { matchLabels: labels },
			template: {
				metadata: { labels },
				spec: {
					serviceAccountName: 'traefik',
					terminationGracePeriodSeconds: 1,
					containers: [
						{
							name: 'traefik',
							image: TRAEFIK_IMAGE,
							imagePullPolicy: 'Never',
							args: [
								'--global.checknewversion=false',
								'--global.sendanonymoususage=false',
								'--entrypoints.web.address=:8000',
								'--entrypoints.traefik.address=:8080',
								'--ping=true',
								'--providers.kubernetesingress.ingressclass=traefik',
								// As in the service's own cluster: the default of 2 s would hold back a new clone's route.
								'--providers.providersthrottleduration=200ms',
							],
							ports: [{ name: 'web', containerPort: 8000 }],
							readinessProbe: { httpGet: { path: '/ping', port: 8080 }, periodSeconds: 1 },
						},
					],
				},
			},
		},
	},
	{
		apiVersion: 'v1',
		kind: 'Service',
		metadata: meta,
		spec: { clusterIP: INGRESS_ADDRESS, selector: labels, ports: [{ name: 'web', port: 80, targetPort: 'web' }] },
	},
];

export async function startTraefik(layout: Layout): Promise<void> {
	const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: MANIFESTS });
	await kubectl(layout, ['apply', '--server-side', '--force-conflicts', '-f', '-'], list);
	await waitFor('Traefik', `${layout.logs}/kubelet.log`, () =>
		kubectl(layout, ['-n', 'traefik', 'rollout', 'status', 'deployment/traefik', '--timeout=2s']),
	);
}
