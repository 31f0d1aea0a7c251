import { Duration, Stack } from 'aws-cdk-lib';
import type { IVpc } from 'aws-cdk-lib/aws-ec2';
import type { Cluster, HelmChart } from 'aws-cdk-lib/aws-eks-v2';
import type { ApplicationTargetGroup } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct, type IDependable } from 'constructs';
import { PodRole } from './pod-role.ts';

const NAMESPACE = 'kube-system';
const NAME = 'aws-load-balancer-controller';
const CHART_VERSION = '3.5.0';

export interface LoadBalancerControllerProps {
	readonly cluster: Cluster;
	readonly clusterName: string;
	readonly vpc: IVpc;
	/** The only one it may put targets into. */
	readonly targets: ApplicationTargetGroup;
	readonly after: IDependable;
}

/**
 * Keeps the load balancer's targets the same as Traefik's pods (TargetGroupBinding). The load balancer itself is
 * CloudFormation's, so of what the controller usually may do this leaves it only that.
 */
export class LoadBalancerController extends Construct {
	readonly ready: HelmChart;

	constructor(scope: Construct, id: string, props: LoadBalancerControllerProps) {
		super(scope, id);
		const pods = new PodRole(this, 'Pods', { clusterName: props.clusterName, namespace: NAMESPACE, serviceAccount: NAME });
		pods.role.addToPolicy(
			new PolicyStatement({
				sid: 'PutTargets',
				actions: ['elasticloadbalancing:RegisterTargets', 'elasticloadbalancing:DeregisterTargets'],
				resources: [props.targets.targetGroupArn],
			}),
		);
		pods.role.addToPolicy(
			new PolicyStatement({
				// These lists belong to no resource, so `*` is the only resource there is for them.
				sid: 'Look',
				actions: [
					'elasticloadbalancing:DescribeTargetGroups',
					'elasticloadbalancing:DescribeTargetGroupAttributes',
					'elasticloadbalancing:DescribeTargetHealth',
					'elasticloadbalancing:DescribeTags',
					'ec2:DescribeAvailabilityZones',
					'ec2:DescribeInstances',
					'ec2:DescribeNetworkInterfaces',
					'ec2:DescribeSecurityGroups',
					'ec2:DescribeSubnets',
					'ec2:DescribeVpcs',
				],
				resources: ['*'],
			}),
		);
		this.ready = props.cluster.addHelmChart('LoadBalancerController', {
			release: NAME,
			chart: NAME,
			repository: 'https://aws.github.io/eks-charts',
			version: CHART_VERSION,
			namespace: NAMESPACE,
			wait: true,
			timeout: Duration.minutes(10),
			values: {
				clusterName: props.clusterName,
				// It cannot ask the metadata service, which is one hop too far.
				region: Stack.of(this).region,
				vpcId: props.vpc.vpcId,
				serviceAccount: { create: true, name: NAME },
				createIngressClassResource: false,
				enableServiceMutatorWebhook: false,
				enableShield: false,
				enableWaf: false,
				enableWafv2: false,
				resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: '256Mi' } },
			},
		});
		this.ready.node.addDependency(pods, props.after);
	}
}
