import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bootSource, type Source } from './support.ts';

interface Part {
	readonly ok: boolean;
	readonly data: Readonly<Record<string, unknown>>;
	readonly raw: number;
	readonly code?: string;
	readonly message?: string;
}

/** A page ends with the row that fills it. */
const ROW = 9_000;
const within = (bytes: number): number => bytes + ROW + 100;

const call = (verb: string, args: unknown = {}): unknown => ({ verb, args });

describe.each(['7.4', '8.4'])('several calls in one, on PHP %s', (php) => {
	let source: Source;
	beforeAll(async () => {
		source = await bootSource({
			php,
			seed: (site) =>
				site.evalPhp(`global $wpdb; $wpdb->query( "CREATE TABLE {$wpdb->prefix}wide (id int NOT NULL PRIMARY KEY, text longtext)" );
					$wpdb->query( 'BEGIN' ); for ( $i = 0; $i < 120; $i++ ) { $wpdb->insert( "{$wpdb->prefix}wide", array( 'id' => $i, 'text' => str_repeat( 'w', ${ROW} ) ) ); } $wpdb->query( 'COMMIT' );`),
		});
	});
	afterAll(() => source.site.stop());
	const batch = async (args: unknown): Promise<{ parts: readonly Part[]; payload: Buffer }> => {
		const { data, payload } = await source.agent.call('batch', args);
		return { parts: data.parts as unknown as readonly Part[], payload };
	};

	test.each([false, true])('each answers what it answers alone, compressed: %s', async (gzip) => {
		const calls = [
			call('rows', { table: 'wp_users', gzip: true }),
			call('hello'),
			call('rows', { table: 'wp_terms', max_rows: 1 }),
			call('files', { root: 'content' }),
			call('value', { table: 'wp_users', key: ['1'], column: 'user_login', offset: 1, length: 3 }),
		];
		const { parts, payload } = await batch({ calls, gzip });
		expect(parts.map((part) => part.ok)).toEqual([true, true, true, true, true]);
		let at = 0;
		for (const [i, { verb, args }] of (calls as { verb: string; args: Record<string, unknown> }[]).entries()) {
			const alone = await source.agent.call(verb, { ...args, gzip: false });
			const part = parts[i];
			const { time: _, ...data } = alone.data;
			expect(part?.data).toMatchObject(data);
			expect(payload.subarray(at, at + (part?.raw ?? 0))).toEqual(alone.payload);
			at += part?.raw ?? 0;
		}
		expect(at).toBe(payload.length);
	});

	test('one that fails says so, and the others answer', async () => {
		const { parts, payload } = await batch({
			calls: [call('rows', { table: 'wp_nothing' }), call('rows', { table: 'wp_users' }), call('read', { files: 'all' })],
		});
		expect(parts.map((part) => part.code ?? 'ok')).toEqual(['no_such_table', 'ok', 'bad_arguments']);
		expect(payload.length).toBe(parts[1]?.raw);
	});

	test('what there is no room for is left for the next request; the first always answers', async () => {
		const rows = call('rows', { table: 'wp_wide' });
		const { parts, payload } = await batch({ calls: [rows, rows, rows], max_bytes: 200_000 });
		expect(parts.length).toBe(1);
		expect(payload.length).toBeLessThan(within(200_000));
		expect(parts[0]?.data.cursor).not.toBeNull();
		const two = await batch({ calls: [call('rows', { table: 'wp_wide', max_bytes: 100_000 }), rows, rows], max_bytes: 300_000 });
		expect(two.parts.length).toBe(2);
		// Each keeps to its own limit, and all of them to the common one.
		expect(two.parts[0]?.raw).toBeLessThan(within(100_000));
		expect(two.payload.length).toBeLessThan(within(300_000));
	});

	test.each([
		['nothing', {}],
		['no call', { calls: [] }],
		['too many', { calls: Array.from({ length: 33 }, () => call('hello')) }],
		['a batch in a batch', { calls: [call('batch', { calls: [call('hello')] })] }],
		['removing', { calls: [call('remove')] }],
		['a verb that is none', { calls: [call('hello'), call('rm')] }],
		['no arguments', { calls: [{ verb: 'hello' }] }],
	])('%s is refused, and nothing is done', async (_, args) => {
		await expect(batch(args)).rejects.toThrow('bad_arguments');
		expect((await source.agent.call('hello')).data.protocol).toBe(1);
	});
});
