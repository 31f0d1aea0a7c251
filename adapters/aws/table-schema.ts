/**
 * The one DynamoDB table: its keys, its two indexes and what lies where. Imports nothing, so that the stacks can use it.
 *
 * | item  | pk                       | sk      | gsi1 (an owner's, newest first) | gsi2 (sparse: work that is due)          |
 * |-------|--------------------------|---------|---------------------------------|------------------------------------------|
 * | job   | `JOB#{job_id}`           | `JOB`   | `JOBS#{owner}` / created, id    | `DUE#{shard}` / due, id; then `ENDED#{status}` |
 * | key   | `KEY#{owner}#{key_hash}` | `KEY`   |                                 |                                          |
 * | clone | `CLONE#{clone_id}`       | `CLONE` | `CLONES#{owner}` / created, id  | `CLONES#{shard}` / expires, id           |
 * | slot  | `SLOTS`                  | slot id |                                 | `WARM` / created, id                     |
 * | claim | `CLAIM#{job_id}`         | `CLAIM` |                                 |                                          |
 *
 * Slots are few and share one partition, so that all of them can be read consistently. A deleted clone is in no index.
 */
export const TABLE_KEYS = { partitionKey: 'pk', sortKey: 'sk' } as const;

/** Both project all attributes; every key is a string. */
export const TABLE_INDEXES = [
	{ indexName: 'gsi1', partitionKey: 'gsi1pk', sortKey: 'gsi1sk' },
	{ indexName: 'gsi2', partitionKey: 'gsi2pk', sortKey: 'gsi2sk' },
] as const;

/** Epoch seconds after which DynamoDB may remove an item. Nothing depends on when it does. */
export const TTL_ATTRIBUTE = 'ttl';

/** Due work is spread over this many partitions of gsi2: each takes 1,000 writes a second (DynamoDB's quota of a partition). */
export const DUE_SHARDS = 4;
