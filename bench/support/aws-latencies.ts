/**
 * How long AWS takes for the requests that the API makes, as published: quantile → ms, as seen from a function in the same
 * region over a connection that is open. AWS itself promises nothing of the kind, so each row names who measured what;
 * where only a range or nothing at all was published it says so.
 */
export interface Latency {
	/** From 0 to 1, rising; between two of them it is a straight line. */
	readonly quantiles: readonly (readonly [share: number, ms: number])[];
	readonly source: string;
}

/** A request and its answer between two machines of one region, on top of what a server says it takes itself, ms. */
const ROUND_TRIP_MS = 1;

const DEBRIE =
	'A. DeBrie, "DynamoDB Transactions Performance Testing" (2020): 400 calls each from Lambda, github.com/alexdebrie/dynamodb-performance-testing';

/** A read was not measured there; a write of one item takes longer than it. */
const READ: Latency = {
	quantiles: [
		[0, 5.47],
		[0.5, 7.55],
		[0.9, 11.3],
		[0.95, 13.2],
		[0.99, 16.2],
		[1, 29],
	],
	source: `${DEBRIE}; PutItem, as an upper bound`,
};

export const AWS_LATENCIES: Readonly<Record<string, Latency>> = {
	TransactWriteItems: {
		quantiles: [
			[0, 19.4],
			[0.5, 25.3],
			[0.9, 30.7],
			[0.95, 36.4],
			[0.99, 92.5],
			[1, 218],
		],
		source: `${DEBRIE}; five items`,
	},
	GetItem: READ,
	Query: READ,
	SendMessage: {
		quantiles: [
			[0, 5 + ROUND_TRIP_MS],
			[1, 10 + ROUND_TRIP_MS],
		],
		source: 'AWS support: 5–10 ms on their servers (github.com/aws/aws-sdk-js/issues/3391), and 1 ms of network; no tail was published',
	},
	GenerateDataKey: {
		quantiles: [
			[0, 3],
			[1, 10],
		],
		source: 'assumed: nothing was published but "single-digit milliseconds"',
	},
};

/** A draw from a latency. @param share uniform in [0, 1) */
export function latencyAt({ quantiles }: Latency, share: number): number {
	for (let index = 1; index < quantiles.length; index++) {
		const [from, least] = quantiles[index - 1] ?? [0, 0];
		const [to, most] = quantiles[index] ?? [1, 0];
		if (share <= to) return least + ((share - from) / (to - from)) * (most - least);
	}
	return quantiles.at(-1)?.[1] ?? 0;
}
