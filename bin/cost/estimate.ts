/** What a deployment costs a month: what stands there, and what clones use. */
import type { Inventory } from './inventory.ts';
import { DATABASES, INSTANCES, PRICES, type Price } from './prices.ts';

const HOURS = 730;

/** What no template says. Change them to what your dashboards show. */
export const ASSUMPTIONS = {
	/** Sweeps a month, and what one takes. */
	sweeps: 60 * HOURS,
	sweepSeconds: 0.5,
	sweepReads: 10,
	/** Lambda's own readers of an empty queue: five, a request every 20 s. */
	idlePolls: 5 * 3 * 60 * HOURS,
	/** Logs of the cluster's control plane, the functions and the network, when nothing happens, GB. */
	idleLogsGb: 4,
	idleFlowLogsGb: 1,
	/** Of the service's own metrics, those by step, code and call; as if each were written every hour. */
	metricSeries: 40,

	/** A clone: its time and the time to make and end it, hours. */
	cloneHours: 0.55,
	/** Clones that fit a t3.medium: 3,246 MiB less 500 for daemons, 256 each. */
	clonesANode: 10,
	/** Nodes are half full on average: clones cannot be moved together, and an empty node stays 5 minutes. */
	packing: 0.5,
	/** The source's data, pulled through the NAT gateway; a site of 100 MB. */
	pulledGb: 0.1,
	/** Pages and downloads of a clone. */
	servedGb: 0.05,
	/** Turns of the worker, and what one takes. */
	turns: 40,
	turnSeconds: 1.5,
	/** Requests that accept a clone, ask for it once a second until it is there, and delete it. */
	apiRequests: 65,
	apiSeconds: 0.03,
	/** Writes of a row of 2 KB that is in both indexes; reads of 4 KB. */
	tableWrites: 60 * 2 * 3,
	tableReads: 200,
	kmsRequests: 10,
	logsGb: 0.002,
} as const;

export interface Line {
	readonly what: string;
	/** USD a month. */
	readonly usd: number;
}

/** How the line of the nodes that stand free for clones begins. */
export const BUFFER = 'nodes kept free for clones';

export interface Estimate {
	readonly idle: readonly Line[];
	readonly clone: readonly Line[];
}

export function estimate(inventory: Inventory): Estimate {
	return { idle: idleLines(inventory).filter(({ usd }) => usd > 0), clone: cloneLines(inventory) };
}

export const sum = (lines: readonly Line[]): number => lines.reduce((total, { usd }) => total + usd, 0);

function idleLines(inventory: Inventory): Line[] {
	const a = ASSUMPTIONS;
	const hourly = (count: number, price: Price): number => count * price.usd * HOURS;
	const machines = (what: string, nodes: Readonly<Record<string, number>>): Line[] =>
		Object.entries(nodes).map(([type, count]) => ({ what: `${what}: ${count} ${type}`, usd: hourly(count, priceOf(INSTANCES, type)) }));
	const databases = Object.entries(inventory.databases).map(([type, count]) => ({
		what: `MySQL: ${count} ${type}, ${inventory.databaseGb} GB`,
		usd: hourly(count, priceOf(DATABASES, type)) + inventory.databaseGb * PRICES.rdsStorage.usd + count * PRICES.secret.usd,
	}));
	const sweepGb = memoryOf(inventory, 'Sweep');
	return [
		{ what: 'EKS control plane', usd: hourly(inventory.eksClusters, PRICES.eksCluster) },
		...machines('system nodes', inventory.systemNodes),
		...machines(BUFFER, inventory.bufferNodes),
		{ what: `disks of nodes: ${inventory.nodeDiskGb} GB`, usd: inventory.nodeDiskGb * PRICES.gp3.usd },
		{ what: `NAT gateways: ${inventory.natGateways}`, usd: hourly(inventory.natGateways, PRICES.natGateway) },
		{ what: `load balancers: ${inventory.loadBalancers}`, usd: hourly(inventory.loadBalancers, PRICES.loadBalancer) },
		{ what: `public addresses: ${inventory.publicIpv4}`, usd: hourly(inventory.publicIpv4, PRICES.publicIpv4) },
		...databases,
		{
			what: `alarms on ${inventory.alarmMetrics} metrics, ${inventory.customMetrics} metrics of its own`,
			usd: inventory.alarmMetrics * PRICES.alarmMetric.usd + (inventory.customMetrics + a.metricSeries) * PRICES.customMetric.usd,
		},
		{ what: 'dashboards beyond three', usd: Math.max(0, inventory.dashboards - 3) * PRICES.dashboard.usd },
		{ what: 'logs', usd: a.idleLogsGb * PRICES.logs.usd + a.idleFlowLogsGb * PRICES.flowLogs.usd },
		{ what: 'keys, zone', usd: inventory.kmsKeys * PRICES.kmsKey.usd + PRICES.hostedZone.usd },
		{
			what: 'sweep, empty queue',
			usd:
				a.sweeps *
					(PRICES.lambdaRequest.usd +
						a.sweepSeconds * sweepGb * PRICES.lambdaArm.usd +
						a.sweepReads * PRICES.tableRead.usd +
						PRICES.trace.usd) +
				a.idlePolls * PRICES.queueRequest.usd,
		},
	];
}

function cloneLines(inventory: Inventory): Line[] {
	const a = ASSUMPTIONS;
	const node = priceOf(INSTANCES, 't3.medium').usd;
	const lambda = (times: number, seconds: number, gigabytes: number): number =>
		times * (PRICES.lambdaRequest.usd + seconds * gigabytes * PRICES.lambdaArm.usd);
	return [
		{ what: 'its share of a node', usd: (a.cloneHours * node) / (a.clonesANode * a.packing) },
		{ what: 'pulling the source', usd: a.pulledGb * PRICES.natData.usd },
		{ what: 'serving its pages', usd: a.servedGb * (PRICES.dataOut.usd + PRICES.loadBalancerUnit.usd) },
		{ what: 'workers', usd: lambda(a.turns, a.turnSeconds, memoryOf(inventory, 'Worker')) + a.turns * 3 * PRICES.queueRequest.usd },
		{ what: 'API', usd: lambda(a.apiRequests, a.apiSeconds, memoryOf(inventory, 'Api')) + a.apiRequests * PRICES.apiRequest.usd },
		{
			what: 'table, key, schedule, traces, logs',
			usd:
				a.tableWrites * PRICES.tableWrite.usd +
				a.tableReads * PRICES.tableRead.usd +
				a.kmsRequests * PRICES.kmsRequest.usd +
				PRICES.schedule.usd +
				(a.turns + a.apiRequests) * PRICES.trace.usd +
				a.logsGb * PRICES.logs.usd,
		},
	];
}

/** GB; without the function (a worker that is pods) nothing is paid for it. */
function memoryOf({ functions }: Inventory, name: string): number {
	return name in functions ? Number(functions[name]) : 0;
}

function priceOf(table: Readonly<Record<string, Price>>, type: string): Price {
	const found = table[type];
	if (found === undefined) throw new RangeError(`No price for ${type}: add it to bin/cost/prices.ts.`);
	return found;
}
