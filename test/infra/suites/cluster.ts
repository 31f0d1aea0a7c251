import { describe, expect, it } from 'vitest';
import { karpenterPolicies } from '../../../lib/constructs/cluster/karpenter-policies.ts';
import { coveringCidr } from '../../../lib/constructs/cluster/network.ts';
import { type AnyManifest, flat, manifestsOf, ofType, only, type Resource, type StackTemplate, type Stage } from '../support.ts';
import { outline } from './outline.ts';

const HELM = 'Custom::AWSCDK-EKS-HelmChart';
const MANIFEST = 'Custom::AWSCDK-EKS-KubernetesResource';

export function clusterSuite(stage: () => Stage): void {
	const cluster = (): StackTemplate => stage().cluster;
	const chart = (name: string): Resource & { id: string } => {
		const [found] = ofType(cluster(), HELM).filter(({ Properties }) => Properties.Release === name);
		if (found === undefined) throw new Error(`No chart ${name}`);
		return found;
	};
	const values = (name: string): AnyManifest => JSON.parse(flat(chart(name).Properties.Values));
	const manifest = (kind: string, name: string): AnyManifest => {
		const found = manifestsOf(cluster()).find((one) => one.kind === kind && one.metadata.name === name);
		if (found === undefined) throw new Error(`No ${kind} ${name}`);
		return found;
	};

	describe('the cluster stack', () => {
		it('reads like this', async () => {
			await expect(outline(cluster())).toMatchFileSnapshot('snapshots/cluster.txt');
		});

		it('runs Kubernetes 1.36, let in by access entries only, with every log on', () => {
			const { Properties } = only(cluster(), 'AWS::EKS::Cluster');
			expect(Properties).toMatchObject({
				Name: 'wp-clone-production',
				Version: '1.36',
				AccessConfig: { AuthenticationMode: 'API', BootstrapClusterCreatorAdminPermissions: false },
			});
			expect(Properties.ComputeConfig?.Enabled ?? false).toBe(false);
			expect(Properties.Logging.ClusterLogging.EnabledTypes).toHaveLength(5);
			for (const { id, Properties: log } of ofType(cluster(), 'AWS::Logs::LogGroup')) expect(log.RetentionInDays, id).toBe(30);
			expect(ofType(cluster(), 'AWS::Logs::LogGroup').map(({ Properties: log }) => log.LogGroupName)).toContain(
				'/aws/eks/wp-clone-production/cluster',
			);
			for (const { id, Properties: fn } of ofType(cluster(), 'AWS::Lambda::Function')) expect(fn.LoggingConfig.LogGroup, id).toBeDefined();
		});

		it('gives pods addresses in blocks and holds them to their policies', () => {
			const addon = only(cluster(), 'AWS::EKS::Addon', 'ControlPlaneAddonvpccni').Properties;
			expect(addon.ResolveConflicts).toBe('OVERWRITE');
			expect(JSON.parse(addon.ConfigurationValues)).toEqual({
				enableNetworkPolicy: 'true',
				env: { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: '1' },
			});
			const names = ofType(cluster(), 'AWS::EKS::Addon').map(({ Properties }) => Properties.AddonName);
			expect(names.sort()).toEqual(['coredns', 'eks-pod-identity-agent', 'kube-proxy', 'vpc-cni']);
		});

		it('has two system nodes, whose pods do not reach the metadata service', () => {
			expect(only(cluster(), 'AWS::EKS::Nodegroup').Properties).toMatchObject({
				AmiType: 'AL2023_x86_64_STANDARD',
				InstanceTypes: ['t3.medium'],
				ScalingConfig: { MinSize: 2, DesiredSize: 2 },
			});
			const { LaunchTemplateData } = only(cluster(), 'AWS::EC2::LaunchTemplate').Properties;
			expect(LaunchTemplateData.MetadataOptions).toEqual({ HttpPutResponseHopLimit: 1, HttpTokens: 'required' });
			expect(LaunchTemplateData.BlockDeviceMappings[0].Ebs).toMatchObject({ Encrypted: true, VolumeType: 'gp3' });
		});

		it('finds images and the table without passing the NAT gateway', () => {
			const services = ofType(cluster(), 'AWS::EC2::VPCEndpoint').map(({ Properties }) => JSON.stringify(Properties.ServiceName));
			expect(services.filter((name) => /s3|dynamodb/.test(name))).toHaveLength(2);
			expect(ofType(cluster(), 'AWS::EC2::NatGateway')).toHaveLength(1);
		});
	});

	describe('Karpenter', () => {
		it('is the version that its policies were published with', () => {
			expect(chart('karpenter').Properties).toMatchObject({ Version: '1.14.1', SkipCrds: true, Namespace: 'kube-system' });
			expect(chart('karpenter-crd').Properties.Version).toBe('1.14.1');
			expect(values('karpenter').settings).toEqual({
				clusterName: 'wp-clone-production',
				interruptionQueue: expect.stringMatching(/^<KarpenterInterruptions\w+\.QueueName>$/),
			});
		});

		it('lets its nodes join, and is told of their end', () => {
			const entries = ofType(cluster(), 'AWS::EKS::AccessEntry').filter(({ Properties }) => Properties.Type === 'EC2_LINUX');
			expect(entries.map(({ Properties }) => flat(Properties.PrincipalArn))).toEqual([expect.stringMatching(/KarpenterNodeRole/)]);
			const detailTypes = ofType(cluster(), 'AWS::Events::Rule').flatMap(({ Properties }) => Properties.EventPattern['detail-type']);
			expect(detailTypes.sort()).toEqual([
				'AWS Health Event',
				'EC2 Capacity Reservation Instance Interruption Warning',
				'EC2 Instance Rebalance Recommendation',
				'EC2 Instance State-change Notification',
				'EC2 Spot Instance Interruption Warning',
			]);
		});

		it('makes, tags and ends only what carries the tags of its cluster', () => {
			const policies = karpenterPolicies({
				partition: 'aws',
				region: 'r',
				account: 'a',
				clusterName: 'c',
				nodeRoleArn: 'node-role',
				interruptionQueueArn: 'queue',
			});
			const statements = Object.values(policies)
				.flat()
				.map((statement) => statement.toStatementJson());
			expect(statements.map(({ Sid }) => Sid)).toHaveLength(17);
			const writes = statements.filter(({ Action }) =>
				[Action].flat().some((action: string) => /Create|Terminate|Delete|RunInstances|Add|Remove|Tag/.test(action)),
			);
			for (const { Sid, Condition } of writes) {
				// What is launched from is somebody else's: images, subnets, security groups. DeleteMessage names its queue.
				if (Sid === 'AllowScopedEC2InstanceAccessActions' || Sid === 'AllowInterruptionQueueActions') continue;
				expect(JSON.stringify(Condition), Sid).toContain('kubernetes.io/cluster/c');
			}
			expect(statements.find(({ Sid }) => Sid === 'AllowPassingInstanceRole')).toMatchObject({ Resource: 'node-role' });
		});

		it('has its nodes in private subnets, encrypted, with one hop to the metadata service', () => {
			const { spec } = manifest('EC2NodeClass', 'clones');
			expect(spec).toMatchObject({
				amiSelectorTerms: [{ alias: 'al2023@latest' }],
				metadataOptions: { httpTokens: 'required', httpPutResponseHopLimit: 1 },
				kubelet: { maxPods: 58 },
			});
			expect(spec.role).toMatch(/^<KarpenterNodeRole\w+>$/);
			expect(spec.subnetSelectorTerms.map(({ id }: { id: string }) => id)).toEqual([
				expect.stringMatching(/nodesSubnet1/),
				expect.stringMatching(/nodesSubnet2/),
			]);
			expect(spec.blockDeviceMappings[0].ebs.encrypted).toBe(true);
		});

		it('keeps two t3 nodes free for clones', () => {
			expect(manifest('Deployment', 'clone-buffer').spec.replicas).toBe(2);
			const families = manifest('NodePool', 'clone-buffer').spec.template.spec.requirements.find(({ key }: { key: string }) =>
				key.endsWith('instance-family'),
			);
			expect(families.values).toEqual(['t3', 't3a']);
			expect(manifest('NodePool', 'clones').spec.template.spec.nodeClassRef).toEqual({
				group: 'karpenter.k8s.aws',
				kind: 'EC2NodeClass',
				name: 'clones',
			});
			expect(manifestsOf(cluster()).filter(({ kind }) => kind === 'NodePool')).toHaveLength(2);
		});
	});

	describe('the place for clones', () => {
		it('is walled in', () => {
			expect(manifest('Namespace', 'clones').metadata.labels['pod-security.kubernetes.io/enforce']).toBe('restricted');
			expect(manifest('ResourceQuota', 'clones').spec.hard).toMatchObject({
				'requests.cpu': '100',
				'requests.memory': '200Gi',
				pods: '150',
			});
			expect(manifest('LimitRange', 'clones').spec.limits).toHaveLength(1);
			expect(manifest('NetworkPolicy', 'deny-all').spec.podSelector).toEqual({});
			expect(manifest('NetworkPolicy', 'clones').spec.egress).toHaveLength(2);
		});

		it('lets in the worker by its group, and the API to deadlines only', () => {
			expect(manifest('RoleBinding', 'clone-workers').subjects).toContainEqual(
				expect.objectContaining({ kind: 'Group', name: 'clone-workers' }),
			);
			expect(manifest('RoleBinding', 'clone-api').subjects).toEqual([expect.objectContaining({ kind: 'Group', name: 'clone-api' })]);
			expect(manifest('Role', 'clone-api').rules).toEqual([{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'patch'] }]);
		});

		it('has the clone image on every node before a clone needs it', () => {
			const { spec } = manifest('DaemonSet', 'clone-image').spec.template;
			expect(spec.nodeSelector).toEqual({ workload: 'clone' });
			expect(spec.initContainers[0].image).toMatch(/dkr\.ecr\..*\/cdk-hnb659fds-container-assets-/);
		});

		it('goes before its nodes, and they before Karpenter', () => {
			const manifests = ofType(cluster(), MANIFEST);
			const holding = (kind: string): Resource & { id: string } => {
				const found = manifests.find(({ Properties }) => flat(Properties.Manifest).includes(`"kind":"${kind}"`));
				if (found === undefined) throw new Error(`No manifest with a ${kind}`);
				return found;
			};
			const nodes = holding('NodePool');
			expect(holding('Namespace').DependsOn).toContain(nodes.id);
			expect(nodes.DependsOn).toContain(chart('karpenter').id);
			expect(chart('karpenter').DependsOn).toContain(chart('karpenter-crd').id);
			expect(holding('TargetGroupBinding').DependsOn).toEqual(
				expect.arrayContaining([chart('traefik').id, chart('aws-load-balancer-controller').id]),
			);
		});
	});

	describe('the way in', () => {
		it('is one load balancer with the name and the certificate of all clones', () => {
			expect(only(cluster(), 'AWS::CertificateManager::Certificate').Properties).toMatchObject({
				DomainName: '*.clones.example.com',
				ValidationMethod: 'DNS',
				DomainValidationOptions: [{ HostedZoneId: 'Z0123456789ABCDEFGHIJ' }],
			});
			expect(only(cluster(), 'AWS::Route53::RecordSet').Properties.Name).toBe('*.clones.example.com.');
			expect(ofType(cluster(), 'AWS::ElasticLoadBalancingV2::LoadBalancer')).toHaveLength(1);
			const listeners = ofType(cluster(), 'AWS::ElasticLoadBalancingV2::Listener').map(({ Properties }) => Properties);
			expect(listeners.find(({ Port }) => Port === 443)).toMatchObject({ Protocol: 'HTTPS', SslPolicy: expect.stringContaining('TLS13') });
			expect(listeners.find(({ Port }) => Port === 80).DefaultActions[0].RedirectConfig).toMatchObject({
				Protocol: 'HTTPS',
				StatusCode: 'HTTP_301',
			});
		});

		it('ends at Traefik, which looks at the clones only', () => {
			expect(manifest('TargetGroupBinding', 'traefik').spec).toMatchObject({ serviceRef: { name: 'traefik', port: 80 }, targetType: 'ip' });
			expect(only(cluster(), 'AWS::ElasticLoadBalancingV2::TargetGroup').Properties).toMatchObject({
				TargetType: 'ip',
				HealthCheckPath: '/ping',
			});
			expect(values('traefik')).toMatchObject({
				providers: { kubernetesCRD: { enabled: false }, kubernetesIngress: { namespaces: ['clones'] } },
				service: { spec: { type: 'ClusterIP' } },
			});
		});

		it('leaves its controller the targets of that load balancer, no more', () => {
			const policy = ofType(cluster(), 'AWS::IAM::Policy').find(({ id }) => id.startsWith('FrontDoorController'));
			const statements = policy?.Properties.PolicyDocument.Statement;
			const writes = statements.filter(({ Sid }: { Sid: string }) => Sid === 'PutTargets');
			expect(writes).toHaveLength(1);
			expect(flat(writes[0].Resource)).toMatch(/FrontDoorTraefik/);
			expect(JSON.stringify(statements)).not.toMatch(/Create|Modify|Delete|Authorize/);
		});
	});

	describe('the block that covers several', () => {
		it.each([
			[['10.0.160.0/24', '10.0.161.0/24'], '10.0.160.0/23'],
			[['10.0.161.0/24', '10.0.162.0/24'], '10.0.160.0/22'],
			[['10.0.0.0/24'], '10.0.0.0/24'],
			[['10.0.0.0/24', '192.168.0.0/24'], '0.0.0.0/0'],
		])('of %s is %s', (cidrs, covering) => {
			expect(coveringCidr(cidrs)).toBe(covering);
		});
	});
}
