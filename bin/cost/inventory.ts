/** Counts what is paid for in synthesized templates. */
export interface Inventory {
	readonly eksClusters: number;
	/** On-demand nodes that are always there, by type: for the cluster's own programs, and kept free for clones. */
	readonly systemNodes: Readonly<Record<string, number>>;
	readonly bufferNodes: Readonly<Record<string, number>>;
	/** Of those nodes. */
	readonly nodeDiskGb: number;
	readonly natGateways: number;
	readonly loadBalancers: number;
	/** Addresses of NAT gateways, and of load balancers in two zones. */
	readonly publicIpv4: number;
	readonly kmsKeys: number;
	/** Metrics that alarms look at: an alarm is paid for each. */
	readonly alarmMetrics: number;
	readonly dashboards: number;
	/** Of the service's own namespace. */
	readonly customMetrics: number;
	/** By RDS class. */
	readonly databases: Readonly<Record<string, number>>;
	readonly databaseGb: number;
	/** Memory of each function, GB, by the beginning of its id. */
	readonly functions: Readonly<Record<string, number>>;
}

interface Resource {
	readonly Type: string;
	readonly Properties?: Readonly<Record<string, unknown>>;
}
export interface Template {
	readonly Resources?: Readonly<Record<string, Resource>>;
}

const ZONES = 2;

/** @throws RangeError for a template in which the buffer's nodes cannot be found */
export function inventoryOf(templates: readonly Template[]): Inventory {
	const all = templates.flatMap(({ Resources = {} }) =>
		Object.entries(Resources).map(([id, { Type, Properties = {} }]) => ({ id, Type, Properties })),
	);
	const of = (type: string) => all.filter(({ Type }) => Type === type);
	const systemNodes: Record<string, number> = {};
	for (const { Properties } of of('AWS::EKS::Nodegroup')) {
		const { InstanceTypes, ScalingConfig } = Properties as { InstanceTypes: string[]; ScalingConfig: { DesiredSize: number } };
		const type = String(InstanceTypes[0]);
		systemNodes[type] = (systemNodes[type] ?? 0) + ScalingConfig.DesiredSize;
	}
	const systemCount = Object.values(systemNodes).reduce((sum, count) => sum + count, 0);
	const buffer = bufferOf(of('Custom::AWSCDK-EKS-KubernetesResource').map(({ Properties }) => textOf(Properties.Manifest)));
	const systemDisk =
		of('AWS::EC2::LaunchTemplate').map(({ Properties }) => gigabytes(JSON.stringify(Properties), /"VolumeSize":(\d+)/))[0] ?? 0;
	const nat = of('AWS::EC2::NatGateway').length;
	const balancers = of('AWS::ElasticLoadBalancingV2::LoadBalancer').length;
	const databases: Record<string, number> = {};
	for (const { Properties } of of('AWS::RDS::DBInstance')) {
		const type = String(Properties.DBInstanceClass).replace(/^db\./, '');
		databases[type] = (databases[type] ?? 0) + 1;
	}
	return {
		eksClusters: of('AWS::EKS::Cluster').length,
		systemNodes,
		bufferNodes: buffer === null ? {} : { [buffer.type]: buffer.count },
		nodeDiskGb: systemCount * systemDisk + (buffer === null ? 0 : buffer.count * buffer.diskGb),
		natGateways: nat,
		loadBalancers: balancers,
		publicIpv4: nat + balancers * ZONES,
		kmsKeys: of('AWS::KMS::Key').length,
		alarmMetrics: of('AWS::CloudWatch::Alarm').reduce((sum, { Properties }) => sum + metricsOf(Properties), 0),
		dashboards: of('AWS::CloudWatch::Dashboard').length,
		customMetrics: new Set(all.flatMap(({ Properties }) => customMetricsIn(textOf(Properties)))).size,
		databases,
		databaseGb: of('AWS::RDS::DBInstance').reduce((sum, { Properties }) => sum + Number(Properties.AllocatedStorage), 0),
		functions: Object.fromEntries(
			of('AWS::Lambda::Function').map(({ id, Properties }) => [
				id.replace(/Function[0-9A-F]{8}$/, ''),
				Number(Properties.MemorySize ?? 128) / 1024,
			]),
		),
	};
}

/** An alarm on an expression is paid for by the metrics in it. */
function metricsOf(properties: Readonly<Record<string, unknown>>): number {
	if (!Array.isArray(properties.Metrics)) return 1;
	return properties.Metrics.filter((metric: object) => 'MetricStat' in metric).length;
}

/** Names in alarms, and in the bodies of dashboards. */
function customMetricsIn(escaped: string): readonly string[] {
	const text = escaped.replaceAll('\\', '');
	const inAlarms = [...text.matchAll(/"MetricName":"([a-z]+(?:_[a-z]+)+)"/g)];
	const inDashboards = [...text.matchAll(/"wp-clone","([a-z]+(?:_[a-z]+)+)"/g), ...text.matchAll(/MetricName="([a-z]+(?:_[a-z]+)+)"/g)];
	return [...inAlarms, ...inDashboards].map(([, name = '']) => name);
}

/** The buffer's nodes: as many as pause pods, of the first type that their pool may take. */
function bufferOf(manifests: readonly string[]): { type: string; count: number; diskGb: number } | null {
	const text = manifests.join('\n');
	const deployment = /"kind":"Deployment","metadata":\{"name":"clone-buffer"[\s\S]*?"replicas":(\d+)/.exec(text);
	if (deployment === null) return null;
	const pool = /"kind":"NodePool","metadata":\{"name":"clone-buffer"[\s\S]*/.exec(text)?.[0] ?? '';
	const family = /instance-family","operator":"In","values":\["([a-z0-9]+)"/.exec(pool)?.[1];
	const size = /instance-size","operator":"In","values":\["([a-z0-9]+)"/.exec(pool)?.[1];
	if (family === undefined || size === undefined) throw new RangeError('The buffer names no instance family and size: synthesize again.');
	return { type: `${family}.${size}`, count: Number(deployment[1]), diskGb: gigabytes(text, /"volumeSize":"(\d+)Gi"/) };
}

function gigabytes(text: string, form: RegExp): number {
	return Number(form.exec(text)?.[1] ?? 0);
}

/** Text with references in it, as one: what is looked for here holds none. */
function textOf(value: unknown): string {
	if (typeof value === 'string') return value;
	if (typeof value === 'object' && value !== null && 'Fn::Join' in value) {
		const [separator, parts] = value['Fn::Join'] as [string, unknown[]];
		return parts.map((part) => (typeof part === 'string' ? part : '<reference>')).join(separator);
	}
	return String(JSON.stringify(value));
}
