/**
 * The way from a clone's name to its pod: `*.{domain}` → load balancer (TLS ends there) → Traefik → the clone's Ingress.
 *
 * The load balancer and its name are CloudFormation's, so nothing is left behind by `cdk destroy`; a new clone changes
 * only Traefik's routes, inside the cluster.
 */
import { Duration, Stack } from 'aws-cdk-lib';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import { Port, SecurityGroup, SubnetType, type Vpc } from 'aws-cdk-lib/aws-ec2';
import type { Cluster, HelmChart } from 'aws-cdk-lib/aws-eks-v2';
import {
	ApplicationLoadBalancer,
	ApplicationProtocol,
	ApplicationTargetGroup,
	ListenerAction,
	SslPolicy,
	TargetType,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { LoadBalancerTarget } from 'aws-cdk-lib/aws-route53-targets';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct, type IDependable } from 'constructs';
import { INGRESS_NAMESPACE, LOAD_BALANCER_LOG_PREFIX } from '../../names.ts';
import { LoadBalancerController } from './load-balancer-controller.ts';

const TRAEFIK_CHART_VERSION = '41.3.0';
/** Traefik's own, inside its pods: requests, and `/ping`. */
const WEB_PORT = 8000;
const PING_PORT = 8080;

export interface FrontDoorProps {
	readonly cluster: Cluster;
	readonly clusterName: string;
	readonly vpc: Vpc;
	readonly domain: string;
	readonly hostedZoneId: string;
	/** Where the clones' Ingresses are: Traefik looks nowhere else. */
	readonly cloneNamespace: string;
	readonly logs: IBucket;
	readonly after: IDependable;
}

export class FrontDoor extends Construct {
	readonly loadBalancer: ApplicationLoadBalancer;
	readonly targets: ApplicationTargetGroup;

	constructor(scope: Construct, id: string, props: FrontDoorProps) {
		super(scope, id);
		const securityGroup = new SecurityGroup(this, 'SecurityGroup', {
			vpc: props.vpc,
			description: 'Clones, from everywhere',
			allowAllOutbound: false,
		});
		this.loadBalancer = new ApplicationLoadBalancer(this, 'LoadBalancer', {
			vpc: props.vpc,
			vpcSubnets: { subnetType: SubnetType.PUBLIC },
			internetFacing: true,
			securityGroup,
			dropInvalidHeaderFields: true,
			// A page of a site that is being imported may take a while.
			idleTimeout: Duration.seconds(120),
		});
		logAccess(this.loadBalancer, props.logs);
		this.targets = new ApplicationTargetGroup(this, 'Traefik', {
			vpc: props.vpc,
			port: WEB_PORT,
			protocol: ApplicationProtocol.HTTP,
			targetType: TargetType.IP,
			healthCheck: { path: '/ping', port: String(PING_PORT), interval: Duration.seconds(10), healthyThresholdCount: 2 },
			deregistrationDelay: Duration.seconds(10),
		});
		this.#names(props);
		// From here on no manifest has to name security groups.
		const { clusterSecurityGroup } = props.cluster;
		clusterSecurityGroup.addIngressRule(securityGroup, Port.tcpRange(WEB_PORT, PING_PORT), 'Load balancer to Traefik');
		securityGroup.addEgressRule(clusterSecurityGroup, Port.tcpRange(WEB_PORT, PING_PORT), 'Load balancer to Traefik');
		this.#traefik(props);
	}

	#names(props: FrontDoorProps): void {
		const zone = HostedZone.fromHostedZoneAttributes(this, 'Zone', { zoneName: props.domain, hostedZoneId: props.hostedZoneId });
		const name = `*.${props.domain}`;
		const certificate = new Certificate(this, 'Certificate', { domainName: name, validation: CertificateValidation.fromDns(zone) });
		this.loadBalancer.addListener('Https', {
			port: 443,
			protocol: ApplicationProtocol.HTTPS,
			certificates: [certificate],
			sslPolicy: SslPolicy.RECOMMENDED_TLS,
			defaultTargetGroups: [this.targets],
		});
		this.loadBalancer.addListener('Http', {
			port: 80,
			protocol: ApplicationProtocol.HTTP,
			defaultAction: ListenerAction.redirect({ protocol: 'HTTPS', port: '443', permanent: true }),
		});
		new ARecord(this, 'Names', { zone, recordName: name, target: RecordTarget.fromAlias(new LoadBalancerTarget(this.loadBalancer)) });
	}

	#traefik(props: FrontDoorProps): void {
		const { cluster, clusterName, vpc, after } = props;
		const controller = new LoadBalancerController(this, 'Controller', { cluster, clusterName, vpc, targets: this.targets, after });
		const traefik: HelmChart = cluster.addHelmChart('Traefik', {
			release: 'traefik',
			chart: 'traefik',
			repository: 'https://traefik.github.io/charts',
			version: TRAEFIK_CHART_VERSION,
			namespace: INGRESS_NAMESPACE,
			createNamespace: true,
			wait: true,
			timeout: Duration.minutes(10),
			values: traefikValues(vpc.vpcCidrBlock, props.cloneNamespace),
		});
		traefik.node.addDependency(controller.ready);
		const binding = cluster.addManifest('TraefikTargets', {
			apiVersion: 'elbv2.k8s.aws/v1beta1',
			kind: 'TargetGroupBinding',
			metadata: { name: 'traefik', namespace: INGRESS_NAMESPACE },
			spec: { serviceRef: { name: 'traefik', port: 80 }, targetGroupARN: this.targets.targetGroupArn, targetType: 'ip' },
		});
		// The controller removes the targets when the binding goes, so it must outlive it.
		binding.node.addDependency(traefik, controller.ready, this.loadBalancer);
	}
}

function traefikValues(vpcCidr: string, cloneNamespace: string): Record<string, unknown> {
	return {
		deployment: { replicas: 2 },
		ingressClass: { enabled: true, isDefaultClass: false, name: 'traefik' },
		providers: {
			kubernetesCRD: { enabled: false },
			kubernetesIngress: { enabled: true, namespaces: [cloneNamespace], publishedService: { enabled: false } },
		},
		service: { spec: { type: 'ClusterIP' } },
		// The load balancer is inside the network; what it says of the caller's address and scheme is true.
		ports: { web: { forwardedHeaders: { trustedIPs: [vpcCidr] } }, websecure: { expose: { default: false } } },
		// A new clone's route waits for this at most; Traefik's own default is 2 s.
		additionalArguments: ['--providers.providersThrottleDuration=200ms'],
		resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '512Mi' } },
		topologySpreadConstraints: [
			{
				maxSkew: 1,
				topologyKey: 'kubernetes.io/hostname',
				whenUnsatisfiable: 'ScheduleAnyway',
				labelSelector: { matchLabels: { 'app.kubernetes.io/name': 'traefik' } },
			},
		],
	};
}

/** By attributes: the construct's own way needs to know the region at synth. The bucket's policy is in the data stack. */
function logAccess(loadBalancer: ApplicationLoadBalancer, logs: IBucket): void {
	loadBalancer.setAttribute('access_logs.s3.enabled', 'true');
	loadBalancer.setAttribute('access_logs.s3.bucket', logs.bucketName);
	loadBalancer.setAttribute('access_logs.s3.prefix', `${LOAD_BALANCER_LOG_PREFIX}/${Stack.of(loadBalancer).stackName}`);
}
