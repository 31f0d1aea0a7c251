import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PHP_VERSIONS } from '../../../adapters/embedded/playground/php/runtime.ts';
import { document, encode, OLD_URL as OLD } from './encoder.ts';
import { RewriterPhp } from './php.ts';

const NEW = 'http://127.0.0.1:41001';

/** Damages a text: cuts, doubles, drops or replaces a piece. */
const damage = fc.array(
	fc.record({
		at: fc.double({ min: 0, max: 1, noNaN: true }),
		length: fc.nat(12),
		put: fc.constantFrom('', '"', ';', '\\', '9', 's:', '}', '%', '=', '\u0000', '&quot;'),
	}),
	{ minLength: 1, maxLength: 4 },
);

function damaged(text: string, pieces: readonly { at: number; length: number; put: string }[]): string {
	return pieces.reduce((old, { at, length, put }) => {
		const start = Math.floor(at * old.length);
		return old.slice(0, start) + put + old.slice(start + length);
	}, text);
}

describe.each(PHP_VERSIONS)('hostile and broken values on PHP %s', (version) => {
	let php: RewriterPhp;
	beforeAll(async () => {
		php = await RewriterPhp.boot(version);
	});
	afterAll(() => php.exit());

	it('keeps every other byte of damaged values, whatever their lengths claim', async () => {
		const seed = fc.sample(fc.nat(), 1)[0] ?? 0;
		const inputs = fc
			.sample(fc.tuple(document, damage), { numRuns: 1500, seed })
			.map(([node, pieces]) => Buffer.from(damaged(encode(node, OLD), pieces)));
		// The new URL differs in one letter: an edit anywhere else would show.
		const results = await php.rewrite({ from: OLD, to: 'https://b.com', options: { base64_depth: 0 } }, inputs);
		let changed = 0;
		for (const [i, { value }] of results.entries()) {
			const input = inputs[i] ?? Buffer.alloc(0);
			expect({ seed, i, length: value.length }).toEqual({ seed, i, length: input.length });
			for (const [k, byte] of value.entries()) {
				if (byte === input[k]) continue;
				changed++;
				expect({ seed, i, k, text: input.toString('latin1', k - 1, k + 5) }).toEqual({
					seed,
					i,
					k,
					text: expect.stringMatching(/^[/F;]a\.com/i),
				});
				expect(byte).toBe('b'.charCodeAt(0));
			}
		}
		expect(changed).toBeGreaterThan(100);
	});

	it('gives the original back when rewritten there and back', async () => {
		const seed = fc.sample(fc.nat(), 1)[0] ?? 0;
		const inputs = fc.sample(document, { numRuns: 300, seed }).map((node) => encode(node, OLD));
		const there = await php.rewrite({ from: OLD, to: 'https://example.org:8443/sub' }, inputs);
		const back = await php.rewrite(
			{ from: 'https://example.org:8443/sub', to: OLD },
			there.map(({ value }) => value),
		);
		// On the way, base64 without padding may have come to a length that shows no style.
		const bare = (value: Buffer | string) => value.toString().replace(/=+$/, '');
		expect({ seed, values: back.map(({ value }) => bare(value)) }).toEqual({ seed, values: inputs.map(bare) });
	});

	it.each([
		['arrays', (n: number, url: string) => `${'a:1:{i:0;'.repeat(n)}s:${url.length}:"${url}";${'}'.repeat(n)}`],
		[
			'strings',
			(n: number, url: string) =>
				Array.from({ length: n }).reduce<string>((inner) => `s:${inner.length}:"${inner}";`, `s:${url.length}:"${url}";`),
		],
		[
			'custom payloads',
			(n: number, url: string) =>
				Array.from({ length: n }).reduce<string>((inner) => `C:1:"X":${inner.length}:{${inner}}`, `s:${url.length}:"${url}";`),
		],
	])('rewrites 10,000 levels of %s in each other', async (_name, build) => {
		const [result] = await php.rewrite({ from: OLD, to: NEW }, [build(10_000, OLD)]);
		expect(result?.value.equals(Buffer.from(build(10_000, NEW)))).toBe(true);
	});

	it('ends on bombs of lying lengths', async () => {
		const bombs = [
			's:99999:\\"',
			's:1000000:"',
			'S:99999:"',
			'C:99999:"',
			's%3A99999%3A%22',
			's:99999:&quot;',
			'\\\\\\\\',
			'aHR0cHM6Ly9hLmNvbQ',
			'aHR0cHM6Ly9hLmNvbQ-',
			's:2147483647:"',
			's:0:"";',
			'////',
			'%25',
			'%2F%2F',
		].map((piece) => `${piece.repeat(Math.ceil(100_000 / piece.length))}${OLD}`);
		const results = await php.rewrite({ from: OLD, to: NEW }, bombs);
		const sizes = results.map(({ value }) => value.length);
		expect(sizes.every((size, i) => size <= (bombs[i]?.length ?? 0) * 2)).toBe(true);
	});

	it('makes no object and loads no class', async () => {
		const gadget = 'O:6:"Gadget":1:{s:3:"url";s:13:"https://a.com";}';
		const values = [
			gadget,
			`C:6:"Gadget":${gadget.length}:{${gadget}}`,
			Buffer.from(gadget).toString('base64'),
			`<!-- ${gadget} -->`,
			JSON.stringify(gadget),
		];
		const printed = await php.run(`
			class Gadget { public $url; function __wakeup() { echo 'WOKEN'; } function __destruct() { echo 'DESTROYED'; } function __unserialize( $d ) { echo 'READ'; } }
			spl_autoload_register( function ( $name ) { echo 'LOADS ' . $name; } );
			$r = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
			foreach ( json_decode( base64_decode( '${Buffer.from(JSON.stringify(values)).toString('base64')}' ) ) as $v ) { if ( $v === $r->rewrite( $v ) ) { echo 'SAME'; } }
			echo 'END';
		`);
		expect(printed).toBe('END');
	});

	it('needs about three times the memory of a large value', async () => {
		const shapes = { text: 'str_repeat( $unit, $n )', string: "'s:' . ( $n * strlen( $unit ) ) . ':\"' . str_repeat( $unit, $n ) . '\";'" };
		for (const [name, shape] of Object.entries(shapes)) {
			const printed = await php.run(`
				$unit = str_repeat( 'Lorem ipsum DOLOR sit amet. ', 40 ) . 'https://a.com/x '; $n = (int) ( 20971520 / strlen( $unit ) );
				$value = ${shape};
				$r = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
				$before = memory_get_usage();
				$new = $r->rewrite( $value );
				echo json_encode( array( strlen( $value ), memory_get_peak_usage() - $before, strlen( $new ) - strlen( $value ), $r->stats()['urls'] ) );
			`);
			const [size, peak, growth, urls] = JSON.parse(printed) as [number, number, number, number];
			expect(size).toBeGreaterThan(20_000_000);
			expect(urls).toBeGreaterThan(10_000);
			expect(growth).toBe(9 * urls);
			// Beside the value itself, which the caller holds.
			expect({ name, fits: peak < 2.6 * size, peak, size }).toMatchObject({ name, fits: true });
		}
	});

	it('touches only text and JSON columns', async () => {
		const printed = await php.run(`
			$r = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
			foreach ( array( 'string', 'json', 'binary', 'bit', 'int', 'decimal', 'float' ) as $kind ) { $out[ $kind ] = $r->rewrite_column( '${OLD}', $kind ); }
			echo json_encode( $out, JSON_UNESCAPED_SLASHES );
		`);
		expect(JSON.parse(printed)).toEqual({ string: NEW, json: NEW, binary: OLD, bit: OLD, int: OLD, decimal: OLD, float: OLD });
	});

	it('rewrites a row as it rewrites each value', async () => {
		const printed = await php.run(`
			$r = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
			echo json_encode( array( $r->rewrite_row( array( 'a' => 'x', 'b' => 'https://', 'c' => 'a.com' ) ), $r->rewrite_row( array( 'a' => 'x', 'b' => '${OLD}', 'c' => 's:13:"${OLD}";' ) ), $r->stats()['values'] ), JSON_UNESCAPED_SLASHES );
		`);
		const untouched = { a: 'x', b: 'https://', c: 'a.com' };
		expect(JSON.parse(printed)).toEqual([untouched, { a: 'x', b: NEW, c: `s:22:"${NEW}";` }, 6]);
	});

	it('counts what it did', async () => {
		const printed = await php.run(`
			$r = new Custom_Migrator_Rewriter( '${OLD}', '${NEW}' );
			$r->rewrite( 'nothing' ); $r->rewrite( 's:13:"${OLD}";' ); $r->rewrite( base64_encode( '${OLD} ${OLD}' ) ); $r->rewrite( 'C:1:"X":14:{1${OLD}}' );
			echo json_encode( $r->stats() );
		`);
		expect(JSON.parse(printed)).toEqual({ values: 4, changed: 2, urls: 3, serialized: 1, base64: 1, opaque: 1 });
	});

	it.each([
		'',
		'a.com',
		'ftp://a.com',
		'https://',
		'https://user@a.com',
		'https://a.com/?x',
		'https://a.com/#x',
		'https://a.com:x',
		'javascript://a.com',
		'https://a.com\nx',
	])('refuses %j as a URL', async (url) => {
		const printed = await php.run(`
			foreach ( array( array( ${JSON.stringify(url)}, '${NEW}' ), array( '${OLD}', ${JSON.stringify(url)} ) ) as $pair ) {
				try { new Custom_Migrator_Rewriter( $pair[0], $pair[1] ); echo 'TAKEN'; } catch ( InvalidArgumentException $e ) { echo 'refused '; }
			}
		`);
		expect(printed).toBe('refused refused ');
	});
});

describe('settings of PHP', () => {
	it.each<Record<string, string>>([
		{
			'mbstring.func_overload': '7',
			'mbstring.internal_encoding': 'UTF-8',
			error_reporting: '0',
			display_errors: '0',
			display_startup_errors: '0',
		},
		{ 'mbstring.internal_encoding': 'UTF-16', error_reporting: '0', display_errors: '0', display_startup_errors: '0' },
		{ 'pcre.backtrack_limit': '100', 'pcre.recursion_limit': '100', 'pcre.jit': '0' },
	])('rewrites by bytes with %j', async (ini) => {
		const php = await RewriterPhp.boot('7.4', ini);
		const setup = { from: OLD, to: NEW };
		const text =
			`é😀 ${OLD} s:19:"é😀${OLD}"; ${Buffer.from(`é😀${OLD}`).toString('base64')} {"x":"s:19:\\"\\u00e9\\ud83d\\ude00https:\\/\\/a.com\\";"} `.repeat(
				200,
			);
		const [result] = await php.rewrite(setup, [text]);
		php.exit();
		const expected =
			`é😀 ${NEW} s:28:"é😀${NEW}"; ${Buffer.from(`é😀${NEW}`).toString('base64')} {"x":"s:28:\\"\\u00e9\\ud83d\\ude00http:\\/\\/127.0.0.1:41001\\";"} `.repeat(
				200,
			);
		expect(result?.value.toString('utf8')).toBe(expected);
	});
});
