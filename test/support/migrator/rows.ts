import type { Agent, Table } from './agent.ts';

/** Reading tables through an agent: docs/migrator-protocol.md, "Rows payload". */

/** NULL, bytes, or a value that travels in slices. */
export type Value = null | Buffer | { readonly large: number };

export function decodeRows(payload: Buffer): Value[][] {
	const rows: Value[][] = [];
	let at = 0;
	while (at < payload.length) {
		const row: Value[] = [];
		const columns = payload.readUInt16LE(at);
		at += 2;
		for (let i = 0; i < columns; i++) {
			const mark = payload.toString('latin1', at, at + 1);
			at += 1;
			if (mark === 'N') row.push(null);
			else if (mark === 'S') {
				const length = payload.readUInt32LE(at);
				at += 4;
				if (at + length > payload.length) throw new Error('a row is cut off');
				row.push(payload.subarray(at, at + length));
				at += length;
			} else if (mark === 'L') {
				row.push({ large: Number(payload.readBigUInt64LE(at)) });
				at += 8;
			} else throw new Error(`mark ${JSON.stringify(mark)} at ${at - 1}`);
		}
		rows.push(row);
	}
	return rows;
}

/** All tables, through every page of the verb. */
export async function allTables(agent: Agent): Promise<Table[]> {
	const tables: Table[] = [];
	let cursor: unknown;
	do {
		const { data } = await agent.call('tables', cursor === undefined ? {} : { cursor });
		tables.push(...data.tables);
		cursor = data.cursor ?? undefined;
	} while (cursor !== undefined);
	return tables;
}

export interface TableRead {
	readonly rows: Value[][];
	readonly pages: number;
	readonly largestPayload: number;
}

/** A whole table; values in slices are left as `{large}` unless `slices` is set. */
export async function readTable(
	agent: Agent,
	table: Table,
	options: { readonly max_bytes?: number; readonly max_rows?: number; readonly gzip?: boolean; readonly slices?: boolean } = {},
): Promise<TableRead> {
	const { slices, ...args } = options;
	const rows: Value[][] = [];
	let pages = 0;
	let largestPayload = 0;
	let cursor: unknown;
	do {
		const answer = await agent.call('rows', { table: table.name, ...args, ...(cursor === undefined ? {} : { cursor }) });
		const page = decodeRows(answer.payload);
		if (page.length !== answer.data.rows) throw new Error(`${page.length} rows in the payload, ${answer.data.rows} in the head`);
		rows.push(...page);
		pages += 1;
		largestPayload = Math.max(largestPayload, answer.payload.length);
		cursor = answer.data.cursor ?? undefined;
	} while (cursor !== undefined);
	if (slices) for (const row of rows) await fetchLarge(agent, table, row);
	return { rows, pages, largestPayload };
}

async function fetchLarge(agent: Agent, table: Table, row: Value[]): Promise<void> {
	for (const [i, value] of row.entries()) {
		const column = table.columns[i];
		if (value !== null && !Buffer.isBuffer(value) && column) row[i] = await readValue(agent, table, row, column.name);
	}
}

/** One value in slices of a megabyte and a bit, so that slices do not end where the agent's own pieces do. */
export async function readValue(agent: Agent, table: Table, row: readonly Value[], column: string): Promise<Buffer> {
	const key = (table.key ?? []).map((name) => {
		const value = row[table.columns.findIndex((each) => each.name === name)];
		if (!Buffer.isBuffer(value)) throw new Error(`key column ${name} is not inline`);
		return { b: value.toString('base64') };
	});
	const parts: Buffer[] = [];
	let offset = 0;
	let eof = false;
	while (!eof) {
		const answer = await agent.call('value', { table: table.name, key, column, offset, length: 3_000_017 });
		parts.push(answer.payload);
		offset += answer.payload.length;
		eof = answer.data.eof;
		if (eof !== (offset === answer.data.total)) throw new Error('eof does not match total');
	}
	return Buffer.concat(parts);
}
