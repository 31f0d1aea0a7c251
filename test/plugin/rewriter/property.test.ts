import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PHP_VERSIONS } from '../../../adapters/embedded/playground/php/runtime.ts';
import { document, encode, OLD_URL as OLD } from './encoder.ts';
import { RewriterPhp } from './php.ts';

/** Targets that are longer, shorter and as long. */
const TARGETS = ['http://127.0.0.1:41001', 'https://b.io', 'https://b.com', 'https://example.org/sub/dir'];
const CASES = 400;

describe.each(PHP_VERSIONS)('generated values on PHP %s', (version) => {
	let php: RewriterPhp;
	beforeAll(async () => {
		php = await RewriterPhp.boot(version);
	});
	afterAll(() => php.exit());

	it.each(TARGETS)('become the same structure with the new URL %s', async (to) => {
		const seed = fc.sample(fc.nat(), 1)[0] ?? 0;
		const documents = fc.sample(document, { numRuns: CASES, seed });
		const inputs = documents.map((node) => encode(node, OLD));
		const expected = documents.map((node) => encode(node, to));
		const results = await php.rewrite({ from: OLD, to }, inputs);
		for (const [i, { value, needs }] of results.entries()) {
			expect({ seed, i, input: inputs[i], value: value.toString('utf8') }).toEqual({ seed, i, input: inputs[i], value: expected[i] });
			if (inputs[i] !== expected[i]) expect(needs).toBe(true);
		}
		expect(expected.filter((value, i) => value !== inputs[i]).length).toBeGreaterThan(CASES / 10);
	});
});
