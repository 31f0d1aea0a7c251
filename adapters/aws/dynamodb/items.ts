/** Items and expressions of the table. Items are flat: text, numbers, booleans and null; what is deeper is JSON in a text. */
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
export function valuesOf(values: Values): Values | undefined {
	const written = Object.entries(values).filter(([, value]) => value !== undefined);
	return written.length === 0 ? undefined : Object.fromEntries(written.map(([name, value]) => [`:${name}`, value]));
}

/** @throws Error at a kind of attribute that is never written, and at a number that JavaScript's cannot hold (read as a bigint) */
export function toItem(read: Readonly<Record<string, unknown>>): Item {
	for (const [name, value] of Object.entries(read)) {
		if (value !== null && !['string', 'number', 'boolean'].includes(typeof value)) {
			throw new Error(`The table holds an attribute "${name}" of a kind that this service does not write.`);
		}
	}
	return read as Item;
}
