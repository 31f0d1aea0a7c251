import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PHP_VERSIONS } from '../../../adapters/embedded/playground/php/runtime.ts';
import { DEFAULT_SETUP, fixtures } from './fixtures.ts';
import { RewriterPhp } from './php.ts';

const ALL = Object.values(fixtures).flat();

describe.each(PHP_VERSIONS)('the rewriter on PHP %s', (version) => {
	let php: RewriterPhp;
	beforeAll(async () => {
		php = await RewriterPhp.boot(version);
	});
	afterAll(() => php.exit());

	it.each(Object.keys(fixtures))('rewrites the values of %s', async (group) => {
		const failures: unknown[] = [];
		for (const { name, input, expected, setup } of fixtures[group] ?? []) {
			const [result] = await php.rewrite(setup ?? DEFAULT_SETUP, [input]);
			const value = result?.value.toString('utf8');
			if (value !== expected) failures.push({ name, value, expected });
			if (input !== expected && result?.needs !== true) failures.push({ name, fault: 'needs_rewrite() said no' });
		}
		expect(failures).toEqual([]);
	});

	it('leaves what it has rewritten as it is', async () => {
		const done = ALL.filter(({ setup }) => setup === undefined).map(({ expected }) => expected);
		const again = await php.rewrite(DEFAULT_SETUP, done);
		expect(again.map(({ value }) => value.toString('utf8'))).toEqual(done);
	});

	it('leaves serialized data that PHP can read', async () => {
		const inputs = (fixtures.SERIALIZED ?? []).filter(({ input }) => /^[aOCsS]:/.test(input) && !input.includes('E:11'));
		const before = await php.run(
			`echo json_encode( array_map( function ( $v ) { return false !== @unserialize( base64_decode( $v ), array( 'allowed_classes' => false ) ); }, json_decode( '${JSON.stringify(inputs.map(({ input }) => Buffer.from(input).toString('base64')))}' ) ) );`,
		);
		const after = await php.rewrite(
			DEFAULT_SETUP,
			inputs.map(({ input }) => input),
		);
		expect(after.map(({ readable }) => readable)).toEqual(JSON.parse(before));
		expect(after.filter(({ readable }) => readable).length).toBeGreaterThan(10);
	});
});
