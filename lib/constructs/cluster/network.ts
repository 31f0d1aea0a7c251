import {
	FlowLogDestination,
	FlowLogMaxAggregationInterval,
	GatewayVpcEndpointAwsService,
	IpAddresses,
	SubnetType,
	Vpc,
} from 'aws-cdk-lib/aws-ec2';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { NETWORK_LOG_PREFIX } from '../../names.ts';

export interface NetworkProps {
	/** A /16. */
	readonly cidr: string;
	readonly natGateways: number;
	readonly logs: IBucket;
}

/**
 * Two zones. Nodes are in private subnets of 16,384 addresses each, because prefix delegation takes them in blocks of 16
 * that must not be fragmented; databases are in subnets without a way out.
 */
export class Network extends Construct {
	readonly vpc: Vpc;

	constructor(scope: Construct, id: string, props: NetworkProps) {
		super(scope, id);
		this.vpc = new Vpc(this, 'Vpc', {
			ipAddresses: IpAddresses.cidr(props.cidr),
			maxAzs: 2,
			natGateways: props.natGateways,
			subnetConfiguration: [
				{ name: 'nodes', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 18 },
				{ name: 'public', subnetType: SubnetType.PUBLIC, cidrMask: 20 },
				{ name: 'databases', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
			],
			gatewayEndpoints: {
				// Images come from S3; without this they would pass, and be paid at, the NAT gateway.
				S3: { service: GatewayVpcEndpointAwsService.S3 },
				DynamoDb: { service: GatewayVpcEndpointAwsService.DYNAMODB },
			},
			flowLogs: {
				All: {
					destination: FlowLogDestination.toS3(props.logs, NETWORK_LOG_PREFIX),
					maxAggregationInterval: FlowLogMaxAggregationInterval.TEN_MINUTES,
				},
			},
		});
	}
}

/** The smallest block that holds all of `cidrs` (IPv4), for a rule that can name only one. */
export function coveringCidr(cidrs: readonly string[]): string {
	const ranges = cidrs.map((cidr) => {
		const [address = '', length = ''] = cidr.split('/');
		const first = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
		return { first, last: first + 2 ** (32 - Number(length)) - 1 };
	});
	const first = Math.min(...ranges.map((range) => range.first));
	const last = Math.max(...ranges.map((range) => range.last));
	let bits = 0;
	while (Math.floor(first / 2 ** bits) !== Math.floor(last / 2 ** bits)) bits += 1;
	const base = Math.floor(first / 2 ** bits) * 2 ** bits;
	return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.')}/${32 - bits}`;
}
