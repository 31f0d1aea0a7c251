/**
 * List prices of us-east-1 in USD, without free tiers, savings plans and credits, as they were known on the day `noted`. The
 * page named is what counts; only the prices marked `compared` were compared with a public text that quotes it.
 */
export interface Price {
	readonly usd: number;
	readonly per: string;
	readonly source: string;
	/** Day on which it was written down. */
	readonly noted: string;
	readonly compared: boolean;
}

const noted = '2026-11-21';
const price = (usd: number, per: string, page: string, compared = false): Price => ({
	usd,
	per,
	source: `https://aws.amazon.com/${page}`,
	noted,
	compared,
});

export const PRICES = {
	eksCluster: price(0.1, 'hour', 'eks/pricing/'),
	natGateway: price(0.045, 'hour', 'vpc/pricing/', true),
	natData: price(0.045, 'GB', 'vpc/pricing/'),
	publicIpv4: price(0.005, 'hour', 'vpc/pricing/'),
	loadBalancer: price(0.0225, 'hour', 'elasticloadbalancing/pricing/'),
	loadBalancerUnit: price(0.008, 'LCU-hour', 'elasticloadbalancing/pricing/'),
	gp3: price(0.08, 'GB-month', 'ebs/pricing/'),
	kmsKey: price(1, 'month', 'kms/pricing/'),
	kmsRequest: price(0.03 / 10_000, 'request', 'kms/pricing/'),
	alarmMetric: price(0.1, 'month', 'cloudwatch/pricing/'),
	dashboard: price(3, 'month', 'cloudwatch/pricing/'),
	customMetric: price(0.3, 'month', 'cloudwatch/pricing/'),
	logs: price(0.5, 'GB', 'cloudwatch/pricing/'),
	flowLogs: price(0.25, 'GB', 'cloudwatch/pricing/'),
	lambdaRequest: price(0.2 / 1e6, 'request', 'lambda/pricing/'),
	lambdaArm: price(0.0000133334, 'GB-second', 'lambda/pricing/'),
	tableWrite: price(0.625 / 1e6, 'unit', 'dynamodb/pricing/on-demand/', true),
	tableRead: price(0.125 / 1e6, 'unit', 'dynamodb/pricing/on-demand/', true),
	queueRequest: price(0.4 / 1e6, 'request', 'sqs/pricing/'),
	apiRequest: price(3.5 / 1e6, 'request', 'api-gateway/pricing/'),
	schedule: price(1 / 1e6, 'invocation', 'eventbridge/pricing/'),
	trace: price(5 / 1e6, 'trace', 'xray/pricing/'),
	dataOut: price(0.09, 'GB', 'ec2/pricing/on-demand/'),
	hostedZone: price(0.5, 'month', 'route53/pricing/'),
	secret: price(0.4, 'month', 'secrets-manager/pricing/'),
	rdsStorage: price(0.115, 'GB-month', 'rds/mysql/pricing/'),
} as const satisfies Record<string, Price>;

/** By the hour, Linux, on demand. */
export const INSTANCES: Readonly<Record<string, Price>> = Object.fromEntries(
	Object.entries({
		't2.small': 0.023,
		't3.small': 0.0208,
		't3.medium': 0.0416,
		't3.large': 0.0832,
		't3a.medium': 0.0376,
		'm5.large': 0.096,
	}).map(([type, usd]) => [type, price(usd, 'hour', 'ec2/pricing/on-demand/', type === 't3.medium')]),
);

/** MySQL in one zone, by the hour. */
export const DATABASES: Readonly<Record<string, Price>> = Object.fromEntries(
	Object.entries({ 't4g.micro': 0.016, 't4g.small': 0.032, 't4g.medium': 0.065, 'm6g.large': 0.152 }).map(([type, usd]) => [
		type,
		price(usd, 'hour', 'rds/mysql/pricing/'),
	]),
);
