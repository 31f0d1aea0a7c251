import { CfnOutput, Fn, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import type { Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Cluster } from 'aws-cdk-lib/aws-eks-v2';
import type { Construct } from 'constructs';
import { cloneImage } from './constructs/cluster/clone-image.ts';
import { CLONE_NAMESPACE, ClonePlatform } from './constructs/cluster/clone-platform.ts';
import { ControlPlane } from './constructs/cluster/control-plane.ts';
import { FrontDoor } from './constructs/cluster/front-door.ts';
import { Karpenter } from './constructs/cluster/karpenter.ts';
import { MYSQL_PORT, MySqlServer } from './constructs/cluster/mysql-server.ts';
import { coveringCidr, Network } from './constructs/cluster/network.ts';
import { QueueScaler } from './constructs/cluster/queue-scaler.ts';
import type { DataStack } from './data-stack.ts';
import { namesOf, PRODUCT } from './names.ts';
import type { StageConfig } from './stage-config.ts';

export interface ClusterStackProps extends StackProps {
	readonly config: StageConfig;
	readonly data: DataStack;
}

/** Where clones run: network, Kubernetes, nodes, the way in. Slow to deploy (20 to 30 minutes), rarely changed. */
export class ClusterStack extends Stack {
	readonly vpc: Vpc;
	readonly cluster: Cluster;
	readonly frontDoor: FrontDoor;
	readonly karpenter: Karpenter;
	/** Full name of the clone image. */
	readonly cloneImage: string;
	/** Only with `mysql`. */
	readonly mysql: MySqlServer | null;
	/** Only with `worker: "eks"`. */
	readonly scaler: QueueScaler | null;

	readonly #zones: readonly string[];

	constructor(scope: Construct, id: string, props: ClusterStackProps) {
		super(scope, id, { description: 'WordPress clones: where they run', ...props });
		Tags.of(this).add('application', PRODUCT);
		const { config, data } = props;
		const names = namesOf(config);
		this.#zones = config.availabilityZones?.split(',') ?? [0, 1].map((index) => Fn.select(index, Fn.getAzs()));

		this.vpc = new Network(this, 'Network', { cidr: config.vpcCidr, natGateways: config.natGateways, logs: data.logs }).vpc;
		const { vpc } = this;
		const controlPlane = new ControlPlane(this, 'ControlPlane', {
			name: names.eksCluster,
			vpc,
			systemInstance: config.systemInstance,
			adminRoleArn: config.adminRoleArn,
			logRetention: config.logRetentionDays,
		});
		this.cluster = controlPlane.cluster;
		const { cluster } = this;
		const common = { cluster, clusterName: names.eksCluster, after: controlPlane.ready };
		this.mysql = config.mysql
			? new MySqlServer(this, 'MySql', { vpc, instance: config.mysqlInstance, clients: cluster.clusterSecurityGroup })
			: null;
		this.karpenter = new Karpenter(this, 'Karpenter', common);
		this.cloneImage = cloneImage(this).imageUri;
		const platform = new ClonePlatform(this, 'Clones', {
			cluster,
			vpc,
			nodeRole: this.karpenter.nodeRole,
			cloneImage: this.cloneImage,
			config,
			mysql:
				this.mysql === null ? null : { cidr: coveringCidr(vpc.isolatedSubnets.map((subnet) => subnet.ipv4CidrBlock)), port: MYSQL_PORT },
			karpenter: this.karpenter.ready,
		});
		this.frontDoor = new FrontDoor(this, 'FrontDoor', {
			...common,
			// Traefik watches the clones' namespace.
			after: platform.ready,
			vpc,
			domain: config.domain,
			hostedZoneId: config.hostedZoneId,
			cloneNamespace: CLONE_NAMESPACE,
			logs: data.logs,
		});
		this.scaler =
			config.worker === 'eks'
				? new QueueScaler(this, 'Scaler', { ...common, queueName: names.jobQueue, logRetention: config.logRetentionDays })
				: null;
		this.#say(names.eksCluster);
	}

	/** Never looked up: the same template with and without credentials. */
	override get availabilityZones(): string[] {
		return [...this.#zones];
	}

	#say(clusterName: string): void {
		new CfnOutput(this, 'ClusterName', { value: clusterName });
		new CfnOutput(this, 'Kubectl', { value: `aws eks update-kubeconfig --name ${clusterName} --region ${this.region}` });
		new CfnOutput(this, 'LoadBalancer', { value: this.frontDoor.loadBalancer.loadBalancerDnsName });
		new CfnOutput(this, 'CloneImage', { value: this.cloneImage });
	}
}
