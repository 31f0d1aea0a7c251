/** Items and expressions as DynamoDB takes them. Items are flat: text, numbers, booleans and null; what is deeper is JSON in a text. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';

type Scalar = string | number | boolean | null;
export type Item = Readonly<Record<string, Scalar>>;
/** Undefined: not there. */
export type Values = Readonly<Record<string, Scalar | undefined>>;

/** The names that expressions use, `#name` for `name`; undefined for none. */
export function namesIn(...expressions: readonly string[]): Record<string, string> | undefined {
	const names = expressions.flatMap((expression) => expression.match(/#\w+/g) ?? []);
	return names.length === 0 ? undefined : Object.fromEntries(names.map((name) => [name, name.slice(1)]));
}

/** The values that expressions use, `:name` for `name`; undefined for none. */
export function valuesOf(values: Values): Record<string, AttributeValue> | undefined {
	const written = attributes(Object.fromEntries(Object.entries(values).map(([name, value]) => [`:${name}`, value])));
	return Object.keys(written).length === 0 ? undefined : written;
}

export function attributes(values: Values): Record<string, AttributeValue> {
	const written: Record<string, AttributeValue> = {};
	for (const [name, value] of Object.entries(values)) {
		if (value === undefined) continue;
		if (value === null) written[name] = { NULL: true };
		else if (typeof value === 'number') written[name] = { N: String(value) };
		else if (typeof value === 'boolean') written[name] = { BOOL: value };
		else written[name] = { S: value };
	}
	return written;
}

/** @throws Error at a kind of attribute that is never written */
export function toItem(read: Readonly<Record<string, AttributeValue>>): Item {
	return Object.fromEntries(Object.entries(read).map(([name, value]) => [name, scalar(name, value)]));
}

function scalar(name: string, value: AttributeValue): Scalar {
	if (value.S !== undefined) return value.S;
	if (value.N !== undefined) return Number(value.N);
	if (value.BOOL !== undefined) return value.BOOL;
	if (value.NULL === true) return null;
	throw new Error(`The table holds an attribute "${name}" of a kind that this service does not write.`);
}
