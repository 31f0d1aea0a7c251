/**
 * The few requests that the stores make of the table.
 *
 * Gotcha: a write whose answer is lost is sent again by the client, and then finds its own effect in the way. Each
 * conditional write therefore leaves a token of its own in the item; a refusal by an item with that token is a success.
 */
import { randomUUID } from 'node:crypto';
import {
	type AttributeValue,
	type CancellationReason,
	ConditionalCheckFailedException,
	type DynamoDBClient,
	TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import {
	DeleteCommand,
	DynamoDBDocumentClient,
	GetCommand,
	PutCommand,
	QueryCommand,
	TransactWriteCommand,
	type TransactWriteCommandInput,
	UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { TransientError } from '../../../core/errors.ts';
import { asked, nameOf } from '../aws-errors.ts';
import { type Item, namesIn, toItem, type Values, valuesOf } from './items.ts';
import type { Key } from './keys.ts';

/** A conditional change of one item. Names in expressions are written `#name`, values `:name`. */
export interface Change {
	/** Undefined: left as it is. */
	readonly set?: Values;
	/** Assignments that need an expression, e.g. `{fence: '#fence + :one'}`. */
	readonly compute?: Readonly<Record<string, string>>;
	readonly remove?: readonly string[];
	readonly condition: string;
	/** Values that `condition` and `compute` name. */
	readonly values?: Values;
}

/** `item`: as it was in the way, undefined when there was none. */
export type Changed = { readonly done: true; readonly item: Item } | { readonly done: false; readonly item: Item | undefined };

export interface QueryRequest {
	readonly index?: 'gsi1' | 'gsi2';
	readonly partition: string;
	/** Sort keys from here on, itself not included. */
	readonly after?: string;
	/** Sort keys up to here, itself not included. */
	readonly before?: string;
	readonly descending?: boolean;
	readonly filter?: { readonly expression: string; readonly values?: Values };
}

export type TransactionPart = NonNullable<TransactWriteCommandInput['TransactItems']>[number];

/** Attempts of a transaction that another one was in the way of. */
const TRANSACTION_ATTEMPTS = 12;
const LONGEST_PAUSE_MS = 400;
/** Cancellations that say nothing about the conditions: the same transaction may pass a moment later. */
const PASSING: ReadonlySet<string> = new Set([
	'TransactionConflict',
	'ThrottlingError',
	'ProvisionedThroughputExceeded',
	'TransactionInProgressException',
	'TransactionConflictException',
	'InternalServerError',
]);

export interface DynamoTableOptions {
	readonly client: DynamoDBClient;
	readonly tableName: string;
	/** Waits between attempts of a transaction, ms. */
	readonly pause?: (milliseconds: number) => Promise<void>;
}

export class DynamoTable {
	readonly name: string;
	readonly #client: DynamoDBDocumentClient;
	readonly #pause: (milliseconds: number) => Promise<void>;

	constructor(options: DynamoTableOptions) {
		this.name = options.tableName;
		this.#client = DynamoDBDocumentClient.from(options.client, { marshallOptions: { removeUndefinedValues: true } });
		this.#pause = options.pause ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
	}

	/** The item as it is now (a consistent read). */
	async get(key: Key): Promise<Item | undefined> {
		const answer = await asked('dynamodb:GetItem', () =>
			this.#client.send(new GetCommand({ TableName: this.name, Key: key, ConsistentRead: true })),
		);
		return answer.Item === undefined ? undefined : toItem(answer.Item);
	}

	async put(item: Values): Promise<void> {
		await asked('dynamodb:PutItem', () => this.#client.send(new PutCommand({ TableName: this.name, Item: item })));
	}

	/** @returns the item as it was; undefined when there was none, or when it was not as the condition has it */
	async remove(key: Key, only?: { condition: string; values: Values }): Promise<Item | undefined> {
		const request = { TableName: this.name, Key: key, ReturnValues: 'ALL_OLD' as const };
		try {
			const answer = await this.#client.send(
				new DeleteCommand(
					only === undefined
						? request
						: {
								...request,
								ConditionExpression: only.condition,
								ExpressionAttributeNames: namesIn(only.condition),
								ExpressionAttributeValues: valuesOf(only.values),
							},
				),
			);
			return answer.Attributes === undefined ? undefined : toItem(answer.Attributes);
		} catch (cause) {
			if (cause instanceof ConditionalCheckFailedException) return undefined;
			return asked('dynamodb:DeleteItem', () => Promise.reject(cause));
		}
	}

	/** One conditional write of one item. */
	async change(key: Key, change: Change): Promise<Changed> {
		const token = randomUUID();
		try {
			const answer = await this.#client.send(
				new UpdateCommand({
					...this.#update(key, { ...change, set: { ...change.set, written_by: token } }),
					ReturnValues: 'ALL_NEW',
				}),
			);
			return { done: true, item: toItem(answer.Attributes ?? {}) };
		} catch (cause) {
			if (!(cause instanceof ConditionalCheckFailedException)) return asked('dynamodb:UpdateItem', () => Promise.reject(cause));
			const item = inTheWay(cause);
			return item?.written_by === token ? { done: true, item } : { done: false, item };
		}
	}

	/** All pages, as long as they are asked for. */
	async *pages(request: QueryRequest, pageSize: number): AsyncGenerator<readonly Item[]> {
		const [pk, sk] = request.index === undefined ? ['pk', 'sk'] : [`${request.index}pk`, `${request.index}sk`];
		const bounds = [
			...(request.after === undefined ? [] : [`#${sk} > :after`]),
			...(request.before === undefined ? [] : [`#${sk} < :before`]),
		];
		// DynamoDB takes one condition on the sort key; no caller needs both.
		if (bounds.length > 1) throw new RangeError('A query has one bound.');
		const where = [`#${pk} = :partition`, ...bounds].join(' AND ');
		const filter = request.filter?.expression;
		let start: Record<string, unknown> | undefined;
		do {
			const answer = await asked('dynamodb:Query', () =>
				this.#client.send(
					new QueryCommand({
						TableName: this.name,
						IndexName: request.index,
						ConsistentRead: request.index === undefined,
						KeyConditionExpression: where,
						FilterExpression: filter,
						ExpressionAttributeNames: namesIn(where, filter ?? ''),
						ExpressionAttributeValues: valuesOf({
							partition: request.partition,
							after: request.after,
							before: request.before,
							...request.filter?.values,
						}),
						ScanIndexForward: request.descending !== true,
						Limit: pageSize,
						ExclusiveStartKey: start,
					}),
				),
			);
			yield (answer.Items ?? []).map(toItem);
			start = answer.LastEvaluatedKey;
		} while (start !== undefined);
	}

	/** The first `limit` items. */
	async query(request: QueryRequest, limit: number): Promise<Item[]> {
		const items: Item[] = [];
		for await (const page of this.pages(request, Math.min(1000, Math.max(1, limit)))) {
			items.push(...page);
			if (items.length >= limit) break;
		}
		return items.slice(0, limit);
	}

	async count(request: QueryRequest): Promise<number> {
		let count = 0;
		for await (const page of this.pages(request, 1000)) count += page.length;
		return count;
	}

	/**
	 * One transaction, all or nothing; tried again, under the same token, while others are in the way.
	 * @returns null when it was written, else what was in the way, one entry a part: undefined where the condition held.
	 */
	async transact(parts: readonly TransactionPart[]): Promise<readonly (RefusedPart | undefined)[] | null> {
		const token = randomUUID();
		for (let attempt = 1; ; attempt++) {
			let passing: unknown;
			try {
				await this.#client.send(new TransactWriteCommand({ TransactItems: [...parts], ClientRequestToken: token }));
				return null;
			} catch (cause) {
				if (cause instanceof TransactionCanceledException) {
					const reasons: readonly CancellationReason[] = cause.CancellationReasons ?? [];
					const refused = reasons.map(toRefusedPart);
					if (refused.some((part) => part !== undefined)) return refused;
					if (!reasons.some(({ Code }) => PASSING.has(Code ?? ''))) throw cause;
					passing = cause;
				} else if (PASSING.has(nameOf(cause)) && !(nameOf(cause) === 'InternalServerError' && attempt > 3)) {
					passing = cause;
				} else {
					return asked('dynamodb:TransactWriteItems', () => Promise.reject(cause));
				}
			}
			if (attempt === TRANSACTION_ATTEMPTS) {
				throw new TransientError('store_contended', 'Too many requests change the same rows at the same moment.', {
					cause: passing,
					retryAfterSeconds: 1,
				});
			}
			await this.#pause(Math.random() * Math.min(LONGEST_PAUSE_MS, 15 * 2 ** attempt));
		}
	}

	/** A part of a transaction: an item that must not be there, or be as `condition` has it. */
	putPart(item: Values, condition: string, values: Values = {}): TransactionPart {
		return {
			Put: {
				TableName: this.name,
				Item: item,
				ConditionExpression: condition,
				ExpressionAttributeNames: namesIn(condition),
				ExpressionAttributeValues: valuesOf(values),
				ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
			},
		};
	}

	changePart(key: Key, change: Change): TransactionPart {
		return { Update: this.#update(key, change) };
	}

	#update(key: Key, change: Change) {
		const set = Object.entries(change.set ?? {}).filter(([, value]) => value !== undefined);
		const assignments = [
			...set.map(([name]) => `#${name} = :set_${name}`),
			...Object.entries(change.compute ?? {}).map(([name, expression]) => `#${name} = ${expression}`),
		];
		const remove = change.remove ?? [];
		const expression = [
			`SET ${assignments.join(', ')}`,
			...(remove.length === 0 ? [] : [`REMOVE ${remove.map((name) => `#${name}`).join(', ')}`]),
		].join(' ');
		return {
			TableName: this.name,
			Key: key,
			UpdateExpression: expression,
			ConditionExpression: change.condition,
			ExpressionAttributeNames: namesIn(expression, change.condition),
			ExpressionAttributeValues: valuesOf({
				...Object.fromEntries(set.map(([name, value]) => [`set_${name}`, value])),
				...change.values,
			}),
			ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
		};
	}
}

/** `item`: as it was in the way. */
export interface RefusedPart {
	readonly item: Item | undefined;
}

function toRefusedPart(reason: CancellationReason): RefusedPart | undefined {
	if (reason.Code !== 'ConditionalCheckFailed') return undefined;
	return { item: inTheWay(reason) };
}

/** The document client leaves the items in refusals as DynamoDB wrote them. */
function inTheWay({ Item }: { readonly Item?: Record<string, AttributeValue> | undefined }): Item | undefined {
	return Item === undefined ? undefined : toItem(unmarshall(Item));
}
