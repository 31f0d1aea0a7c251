/**
 * An encoder of nested WordPress data, independent of the plugin: the expected value of a rewrite is the same structure
 * encoded with the new URL.
 */
import fc from 'fast-check';

/** Text in which `null` stands for the site's URL (with `https:`). */
type Text = readonly (string | null)[];

export type Node =
	| { readonly kind: 'text'; readonly text: Text }
	| { readonly kind: 'serialized'; readonly value: Value }
	| { readonly kind: 'json'; readonly value: Value; readonly slashes: boolean; readonly ascii: boolean }
	| { readonly kind: 'base64'; readonly node: Node; readonly pad: boolean }
	| { readonly kind: 'url'; readonly node: Node }
	| { readonly kind: 'html'; readonly node: Node };

type Value =
	| { readonly type: 'scalar'; readonly php: string; readonly json: string }
	| { readonly type: 'string'; readonly node: Node }
	| { readonly type: 'array'; readonly entries: readonly (readonly [string, Value])[] }
	| { readonly type: 'object'; readonly class: string; readonly entries: readonly (readonly [string, Value])[] };

export const OLD_URL = 'https://a.com';

const bytes = (text: string): number => Buffer.byteLength(text, 'utf8');
const phpString = (text: string): string => `s:${bytes(text)}:"${text}";`;

export function encode(node: Node, url: string): string {
	switch (node.kind) {
		case 'text':
			return node.text.map((part) => part ?? url).join('');
		case 'serialized':
			return serialize(node.value, url);
		case 'json':
			return jsonText(json(node.value, url), node.slashes, node.ascii);
		case 'base64': {
			const text = Buffer.from(encode(node.node, url) + marks(node), 'utf8').toString('base64');
			return node.pad ? text : text.replaceAll('=', '');
		}
		case 'url':
			return encodeURIComponent(encode(node.node, url)).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
		case 'html':
			return encode(node.node, url).replace(
				/[&"'<>]/g,
				(c) => ({ '&': '&amp;', '"': '&quot;', "'": '&#039;', '<': '&lt;', '>': '&gt;' })[c] ?? c,
			);
	}
}

/**
 * A tail that makes the old base64 show its style: `/` occurs (as `Pz8/`), and padding is needed where there is none.
 * A text that shows neither may come out either way.
 */
function marks(node: Node & { kind: 'base64' }): string {
	const length = bytes(encode(node.node, OLD_URL));
	return `${' '.repeat((3 - (length % 3)) % 3)}???${node.pad ? '' : ' '}`;
}

function serialize(value: Value, url: string): string {
	switch (value.type) {
		case 'scalar':
			return value.php;
		case 'string':
			return phpString(encode(value.node, url));
		case 'array':
		case 'object': {
			const head = value.type === 'array' ? 'a' : `O:${bytes(value.class)}:"${value.class}"`;
			const body = value.entries.map(
				([key, entry]) => phpString(value.type === 'object' ? `\0${value.class}\0${key}` : key) + serialize(entry, url),
			);
			return `${head}:${value.entries.length}:{${body.join('')}}`;
		}
	}
}

function json(value: Value, url: string): string {
	switch (value.type) {
		case 'scalar':
			return value.json;
		case 'string':
			return JSON.stringify(encode(value.node, url));
		case 'array':
		case 'object':
			return `{${value.entries.map(([key, entry]) => `${JSON.stringify(key)}:${json(entry, url)}`).join(', ')}}`;
	}
}

function jsonText(text: string, slashes: boolean, ascii: boolean): string {
	const escaped = slashes ? text.replaceAll('/', '\\/') : text;
	return ascii ? escaped.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`) : escaped;
}

/** What no escaping of an earlier layer can be mistaken for, so that the expected value has one meaning. */
const word = fc.oneof(
	fc.constantFrom(
		'Lorem',
		'é',
		'Grüße',
		'😀',
		'中文',
		' x ',
		'a.com',
		'me@a.com',
		'https://a.com.au/x',
		'//a.com.au',
		'<p class="a">',
		"it's",
		'C:\\dir\\',
		'\n',
		'";s:1:"',
		'{',
		'}',
		'100%',
		'&',
		's:3:"',
		'a:1:{',
	),
	fc.stringMatching(/^[a-z0-9 ,.]{1,20}$/),
);
/** A URL stands between delimiters. */
const text: fc.Arbitrary<Text> = fc
	.array(
		fc.oneof(
			{ weight: 3, arbitrary: word.map((w): Text => [w]) },
			{ weight: 2, arbitrary: fc.constantFrom<Text>([' ', null, '/x '], ['"', null, '"'], [' ', null, ' '], ['(', null, '/a/b.png?x=1)']) },
		),
		{ maxLength: 6 },
	)
	.map((parts) => parts.flat());

const scalar: fc.Arbitrary<Value> = fc.constantFrom<Value>(
	{ type: 'scalar', php: 'N;', json: 'null' },
	{ type: 'scalar', php: 'b:1;', json: 'true' },
	{ type: 'scalar', php: 'i:-42;', json: '-42' },
	{ type: 'scalar', php: 'd:0.1;', json: '1e3' },
	{ type: 'scalar', php: 'd:INF;', json: '0.10' },
	{ type: 'scalar', php: 'd:NAN;', json: 'false' },
);
const key = fc.constantFrom('url', 'a', 'é', 'x y', '0', 'https', 'k"');

const entries = (value: fc.Arbitrary<Value>, maxLength: number) =>
	fc.uniqueArray(fc.tuple(key, value), { maxLength, selector: ([k]) => k });

const { node } = fc.letrec<{ node: Node; value: Value; leaf: Node }>((tie) => ({
	leaf: text.map((t): Node => ({ kind: 'text', text: t })),
	value: fc.oneof(
		{ maxDepth: 7, depthIdentifier: 'n' },
		{ weight: 1, arbitrary: scalar },
		{ weight: 5, arbitrary: tie('node').map((inner): Value => ({ type: 'string', node: inner })) },
		{ weight: 2, arbitrary: entries(tie('value'), 4).map((list): Value => ({ type: 'array', entries: list })) },
		{ weight: 1, arbitrary: entries(tie('value'), 3).map((list): Value => ({ type: 'object', class: 'Acme\\Thing', entries: list })) },
	),
	node: fc.oneof(
		{ maxDepth: 7, depthIdentifier: 'n' },
		{ weight: 2, arbitrary: tie('leaf') },
		{ weight: 2, arbitrary: tie('value').map((value): Node => ({ kind: 'serialized', value })) },
		{
			weight: 2,
			arbitrary: fc.record({ kind: fc.constant('json' as const), value: tie('value'), slashes: fc.boolean(), ascii: fc.boolean() }),
		},
	),
}));

/** `node`, and at the outside or inside one layer that only some positions can have: base64 (one layer is looked through), URL encoding, HTML. */
export const document: fc.Arbitrary<Node> = fc.oneof(
	node,
	fc.tuple(node, fc.boolean()).map(([inner, pad]): Node => ({ kind: 'base64', node: inner, pad })),
	node.map(
		(inner): Node => ({
			kind: 'serialized',
			value: { type: 'array', entries: [['b', { type: 'string', node: { kind: 'base64', node: inner, pad: true } }]] },
		}),
	),
	fc.tuple(node, fc.boolean()).map(
		([inner, slashes]): Node => ({
			kind: 'json',
			slashes,
			ascii: true,
			value: { type: 'string', node: { kind: 'base64', node: inner, pad: true } },
		}),
	),
	node.map((inner): Node => ({ kind: 'url', node: inner })),
	node.map((inner): Node => ({ kind: 'html', node: inner })),
);
