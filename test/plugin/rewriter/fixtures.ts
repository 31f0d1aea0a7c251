/**
 * Pairs of a stored value and what it must become: the declared rewrites of the end-to-end test, too.
 * Lengths are written out by hand: `https://a.com` has 13 bytes, `http://127.0.0.1:41001` has 22.
 */
import type { Setup } from './php.ts';

export interface Fixture {
	readonly name: string;
	readonly input: string;
	/** The same as `input` when the value must stay. */
	readonly expected: string;
	/** Default: `https://a.com` to `http://127.0.0.1:41001`. */
	readonly setup?: Setup;
}

export const DEFAULT_SETUP: Setup = { from: 'https://a.com', to: 'http://127.0.0.1:41001' };

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
const base64url = (text: string): string => Buffer.from(text, 'utf8').toString('base64url');
const stays = (name: string, input: string, setup?: Setup): Fixture => ({ name, input, expected: input, ...(setup && { setup }) });

/** PHP's own spelling of a string; counts bytes. */
const s = (text: string): string => `s:${Buffer.byteLength(text)}:"${text}";`;

const OLD = 'https://a.com';
const NEW = 'http://127.0.0.1:41001';

const TEXT: readonly Fixture[] = [
	{ name: 'the URL alone', input: OLD, expected: NEW },
	{ name: 'with a slash', input: `${OLD}/`, expected: `${NEW}/` },
	{ name: 'with a path and a query', input: `${OLD}/a/b.jpg?x=1#y`, expected: `${NEW}/a/b.jpg?x=1#y` },
	{ name: 'the other scheme', input: 'http://a.com/x', expected: `${NEW}/x` },
	{ name: 'upper case', input: 'HTTPS://A.Com/X', expected: `${NEW}/X` },
	{ name: 'several, side by side', input: `${OLD},${OLD} ${OLD}`, expected: `${NEW},${NEW} ${NEW}` },
	{ name: 'protocol-relative', input: '<img src="//a.com/x.png">', expected: '<img src="//127.0.0.1:41001/x.png">' },
	{ name: 'protocol-relative at the start', input: '//a.com', expected: '//127.0.0.1:41001' },
	{ name: 'CSS', input: 'a{background:url(//a.com/x.png)}', expected: 'a{background:url(//127.0.0.1:41001/x.png)}' },
	{ name: 'srcset', input: '//a.com/1.png 1x,//a.com/2.png 2x', expected: '//127.0.0.1:41001/1.png 1x,//127.0.0.1:41001/2.png 2x' },
	{
		name: 'end of a sentence',
		input: `See ${OLD}. Or ${OLD}... or ${OLD}, ${OLD}: yes`,
		expected: `See ${NEW}. Or ${NEW}... or ${NEW}, ${NEW}: yes`,
	},
	{ name: 'before Chinese text', input: `请访问${OLD}，谢谢 ${OLD}谢谢`, expected: `请访问${NEW}，谢谢 ${NEW}谢谢` },
	{ name: 'the default port, written out', input: 'https://a.com:443/x http://a.com:80/x', expected: `${NEW}/x ${NEW}/x` },
	{ name: 'inside another scheme', input: `view-source:${OLD}/`, expected: `view-source:${NEW}/` },
	{ name: 'emoji and odd bytes around', input: `\u0000😀 ${OLD} \u0001é`, expected: `\u0000😀 ${NEW} \u0001é` },
	{ name: 'markdown', input: `[x](${OLD}/x) _${OLD}_ <${OLD}>`, expected: `[x](${NEW}/x) _${NEW}_ <${NEW}>` },
	{
		name: "inside another site's query, encoded",
		input: 'https://other.com/?u=https%3A%2F%2Fa.com%2Fx',
		expected: 'https://other.com/?u=http%3A%2F%2F127.0.0.1%3A41001%2Fx',
	},
];

const UNTOUCHED: readonly Fixture[] = [
	...[
		'a.com.au',
		'xa.com',
		'a.community',
		'sub.a.com',
		'www.a.com',
		'a.com-foo',
		'a.com_foo',
		'a.com--x',
		'a.com:8443',
		'a.com%2Eau',
		'a.com\\u002eau',
	].map((host) => stays(`another host: ${host}`, `https://${host}/x //${host}/x https:\\/\\/${host}\\/x`)),
	stays('an e-mail address', 'me@a.com mailto:me@a.com <a href="mailto:me@a.com">'),
	stays('a user name before the host', 'https://user@a.com/ https://user:pw@a.com/'),
	stays(
		'the host as a user name',
		'https://a.com@evil.com/ https://a.com:pw@evil.com/ https://a.com:80@evil.com/ https%3A%2F%2Fa.com%40evil.com',
	),
	stays('the host without slashes', 'a.com is ours; host=a.com "a.com" \'a.com/x\''),
	stays("in another site's path or query", 'https://other.com/?u=a.com https://other.com/a.com/x https://web.org/2020//a.com/'),
	stays('another scheme', 'ftp://a.com/ wss://a.com/ x-foo://a.com'),
	stays('another port, encoded', 'https%3A%2F%2Fa.com%3A8443%2F'),
	stays('one slash', 'https:/a.com /a.com'),
	stays('nothing', ''),
	stays('a number', '12345678901234567890'),
];

const ESCAPED: readonly Fixture[] = [
	{ name: 'JSON, escaped slashes', input: '{"u":"https:\\/\\/a.com\\/x"}', expected: '{"u":"http:\\/\\/127.0.0.1:41001\\/x"}' },
	{ name: 'JSON, plain slashes', input: `{"u":"${OLD}/x","\\u00e9":1.0e5}`, expected: `{"u":"${NEW}/x","\\u00e9":1.0e5}` },
	{ name: 'JSON, \\u002F', input: '"https:\\u002F\\u002Fa.com\\u002fx"', expected: '"http:\\u002F\\u002F127.0.0.1:41001\\u002fx"' },
	{
		name: 'JSON, everything escaped',
		input: '"https\\u003a\\u002f\\u002fa.com"',
		expected: '"http\\u003a\\u002f\\u002f127.0.0.1\\u003a41001"',
	},
	{
		name: 'JSON in JSON',
		input: '{"j":"{\\"u\\":\\"https:\\\\\\/\\\\\\/a.com\\"}"}',
		expected: '{"j":"{\\"u\\":\\"http:\\\\\\/\\\\\\/127.0.0.1:41001\\"}"}',
	},
	{ name: 'JSON, protocol-relative behind an escape', input: '"x\\n\\/\\/a.com\\/x"', expected: '"x\\n\\/\\/127.0.0.1:41001\\/x"' },
	{
		name: 'JSON, behind \\u0022',
		input: '\\u0022//a.com\\u0022 \\u0022https://a.com\\u0022',
		expected: `\\u0022//127.0.0.1:41001\\u0022 \\u0022${NEW}\\u0022`,
	},
	{
		name: 'block markup',
		input:
			'<!-- wp:image {"url":"https:\\/\\/a.com\\/x.png","alt":"a \\u002d\\u002d b"} --><img src="https://a.com/x.png"/><!-- /wp:image -->',
		expected:
			'<!-- wp:image {"url":"http:\\/\\/127.0.0.1:41001\\/x.png","alt":"a \\u002d\\u002d b"} --><img src="http://127.0.0.1:41001/x.png"/><!-- /wp:image -->',
	},
	{ name: 'URL-encoded', input: 'u=https%3A%2F%2Fa.com%2Fx%20y', expected: 'u=http%3A%2F%2F127.0.0.1%3A41001%2Fx%20y' },
	{ name: 'URL-encoded, lower case', input: 'u=https%3a%2f%2fa.com%2fx', expected: 'u=http%3a%2f%2f127.0.0.1%3a41001%2fx' },
	{ name: 'URL-encoded twice', input: 'u=https%253A%252F%252Fa.com%252Fx', expected: 'u=http%253A%252F%252F127.0.0.1%253A41001%252Fx' },
	{
		name: 'URL-encoded, protocol-relative',
		input: 'u=%2F%2Fa.com%2Fx&v=%22%2F%2Fa.com%22',
		expected: 'u=%2F%2F127.0.0.1%3A41001%2Fx&v=%22%2F%2F127.0.0.1%3A41001%22',
	},
	{
		name: 'URL-encoded JSON',
		input: '%7B%22u%22%3A%22https%3A%5C%2F%5C%2Fa.com%5C%2Fx%22%7D',
		expected: '%7B%22u%22%3A%22http%3A%5C%2F%5C%2F127.0.0.1%3A41001%5C%2Fx%22%7D',
	},
	{
		name: "WPBakery's link",
		input: 'link="url:https%3A%2F%2Fa.com%2F|title:x" link="url:%2F%2Fa.com"',
		expected: 'link="url:http%3A%2F%2F127.0.0.1%3A41001%2F|title:x" link="url:%2F%2F127.0.0.1%3A41001"',
	},
	{
		name: 'HTML entities',
		input: 'https:&#x2F;&#x2F;a.com&#x2F;x&amp;y https&#58;&#47;&#47;a.com',
		expected: 'http:&#x2F;&#x2F;127.0.0.1:41001&#x2F;x&amp;y http&#58;&#47;&#47;127.0.0.1&#58;41001',
	},
	{ name: '&#038; behind the host', input: `${OLD}/?a=1&#038;b=2 ${OLD}&#038;`, expected: `${NEW}/?a=1&#038;b=2 ${NEW}&#038;` },
	{ name: 'JavaScript', input: "var a='https:\\x2f\\x2fa.com\\x2fx'", expected: "var a='http:\\x2f\\x2f127.0.0.1:41001\\x2fx'" },
];

const SERIALIZED: readonly Fixture[] = [
	{ name: 'a string', input: 's:13:"https://a.com";', expected: 's:22:"http://127.0.0.1:41001";' },
	{
		name: 'an array, in its keys too',
		input: 'a:2:{s:3:"url";s:13:"https://a.com";s:15:"https://a.com/k";i:1;}',
		expected: 'a:2:{s:3:"url";s:22:"http://127.0.0.1:41001";s:24:"http://127.0.0.1:41001/k";i:1;}',
	},
	{
		name: 'every scalar',
		input: 'a:8:{i:0;N;i:1;b:1;i:2;i:-5;i:3;d:0.1;i:4;d:INF;i:5;d:-INF;i:6;d:NAN;i:7;s:14:"https://a.com/";}',
		expected: 'a:8:{i:0;N;i:1;b:1;i:2;i:-5;i:3;d:0.1;i:4;d:INF;i:5;d:-INF;i:6;d:NAN;i:7;s:23:"http://127.0.0.1:41001/";}',
	},
	{
		name: 'an object with private and protected properties',
		input: 'O:11:"Acme\\Widget":2:{s:16:"\u0000Acme\\Widget\u0000url";s:13:"https://a.com";s:6:"\u0000*\u0000url";s:16:"https://a.com/é";}',
		expected:
			'O:11:"Acme\\Widget":2:{s:16:"\u0000Acme\\Widget\u0000url";s:22:"http://127.0.0.1:41001";s:6:"\u0000*\u0000url";s:25:"http://127.0.0.1:41001/é";}',
	},
	{
		name: 'references',
		input: 'a:3:{i:0;s:13:"https://a.com";i:1;R:2;i:2;O:8:"stdClass":1:{s:1:"x";r:1;}}',
		expected: 'a:3:{i:0;s:22:"http://127.0.0.1:41001";i:1;R:2;i:2;O:8:"stdClass":1:{s:1:"x";r:1;}}',
	},
	{
		name: 'an enum',
		input: 'a:2:{i:0;E:11:"Suit:Hearts";i:1;s:13:"https://a.com";}',
		expected: 'a:2:{i:0;E:11:"Suit:Hearts";i:1;s:22:"http://127.0.0.1:41001";}',
	},
	{
		name: 'a custom payload of serialized data',
		input: 'C:11:"ArrayObject":52:{x:i:0;a:1:{s:3:"url";s:13:"https://a.com";};m:a:0:{}}',
		expected: 'C:11:"ArrayObject":61:{x:i:0;a:1:{s:3:"url";s:22:"http://127.0.0.1:41001";};m:a:0:{}}',
	},
	{
		name: 'a custom payload of JSON',
		input: 'C:1:"X":21:{{"u":"https://a.com"}}',
		expected: 'C:1:"X":30:{{"u":"http://127.0.0.1:41001"}}',
	},
	stays('a custom payload of unknown form', 'C:1:"X":16:{13/https://a.com}'),
	{
		name: 'a custom payload of unknown form, length kept',
		input: 'C:1:"X":16:{13/https://a.com}',
		expected: 'C:1:"X":16:{13/https://b.com}',
		setup: { from: OLD, to: 'https://b.com' },
	},
	{ name: 'an S: string', input: 'S:13:"https:\\2f\\2fa.com";', expected: 'S:22:"http:\\2f\\2f127.0.0.1:41001";' },
	{ name: 'an S: string with other escapes', input: 'S:15:"\\41 https://a.com";', expected: 'S:24:"\\41 http://127.0.0.1:41001";' },
	{ name: 'serialized in serialized', input: 's:21:"s:13:"https://a.com";";', expected: 's:30:"s:22:"http://127.0.0.1:41001";";' },
	{
		name: 'a length that gains a digit, at two depths',
		input: `s:99:"s:91:"https://a.com/${'x'.repeat(77)}";";`,
		expected: `s:109:"s:100:"http://127.0.0.1:41001/${'x'.repeat(77)}";";`,
	},
	{
		name: 'JSON in serialized',
		input: 'a:1:{i:0;s:25:"{"u":"https:\\/\\/a.com\\/"}";}',
		expected: 'a:1:{i:0;s:34:"{"u":"http:\\/\\/127.0.0.1:41001\\/"}";}',
	},
	{
		name: 'serialized in JSON',
		input: '{"s":"a:1:{s:3:\\"url\\";s:13:\\"https:\\/\\/a.com\\";}","é":"\\u00e9"}',
		expected: '{"s":"a:1:{s:3:\\"url\\";s:22:\\"http:\\/\\/127.0.0.1:41001\\";}","é":"\\u00e9"}',
	},
	{
		name: 'serialized in JSON, letters escaped',
		input: '"s:20:\\"\\u00e9\\ud83d\\ude00\\nhttps:\\/\\/a.com\\";"',
		expected: '"s:29:\\"\\u00e9\\ud83d\\ude00\\nhttp:\\/\\/127.0.0.1:41001\\";"',
	},
	{ name: 'serialized in JSON in JSON', input: JSON.stringify(JSON.stringify(s(OLD))), expected: JSON.stringify(JSON.stringify(s(NEW))) },
	{ name: 'serialized in JSON in serialized', input: s(JSON.stringify({ x: s(OLD) })), expected: s(JSON.stringify({ x: s(NEW) })) },
	{
		name: 'serialized in block markup',
		input: '<!-- wp:x {"s":"s:13:\\u0022https:\\/\\/a.com\\u0022;"} /-->',
		expected: '<!-- wp:x {"s":"s:22:\\u0022http:\\/\\/127.0.0.1:41001\\u0022;"} /-->',
	},
	{
		name: 'serialized in an attribute',
		input: '<i data-x="a:1:{i:0;s:17:&quot;&lt;a&gt;https://a.com&amp;&quot;;}">',
		expected: '<i data-x="a:1:{i:0;s:26:&quot;&lt;a&gt;http://127.0.0.1:41001&amp;&quot;;}">',
	},
	{
		name: 'serialized, URL-encoded',
		input: 'x=s%3A17%3A%22a+b%2Bhttps%3A%2F%2Fa.com%22%3B',
		expected: 'x=s%3A26%3A%22a+b%2Bhttp%3A%2F%2F127.0.0.1%3A41001%22%3B',
	},
	{ name: 'multibyte text beside', input: s(`Grüße 😀 ${OLD}`), expected: s(`Grüße 😀 ${NEW}`) },
	{ name: 'what looks like the end of a string in a string', input: s(`";s:1:"x ${OLD}`), expected: s(`";s:1:"x ${NEW}`) },
];

const BROKEN: readonly Fixture[] = [
	{ name: 'a wrong length: as plain text', input: 'a:1:{i:0;s:99:"https://a.com";}', expected: 'a:1:{i:0;s:99:"http://127.0.0.1:41001";}' },
	{
		name: 'cut off: what is sound stays sound',
		input: 'a:2:{i:0;s:13:"https://a.com";i:1;s:20:"https://a.c',
		expected: 'a:2:{i:0;s:22:"http://127.0.0.1:41001";i:1;s:20:"https://a.c',
	},
	{ name: 'a lying length', input: 's:99999999999:"https://a.com";', expected: 's:99999999999:"http://127.0.0.1:41001";' },
	{ name: 'a negative length', input: 's:-13:"https://a.com";', expected: 's:-13:"http://127.0.0.1:41001";' },
	{
		name: 'a gadget stays text',
		input: `O:6:"Gadget":1:{s:3:"cmd";s:20:"curl ${OLD}/x";}`,
		expected: `O:6:"Gadget":1:{s:3:"cmd";s:29:"curl ${NEW}/x";}`,
	},
	{
		name: 'what looks like a token that reaches out of its string',
		input: 'a:2:{i:0;s:21:"x s:30:"https://a.com";i:1;s:6:"yyyyyy";}',
		expected: 'a:2:{i:0;s:30:"x s:30:"http://127.0.0.1:41001";i:1;s:6:"yyyyyy";}',
	},
];

const BASE64: readonly Fixture[] = [
	...['', 'x', 'xy'].map((before) => ({
		name: `HTML, ${before.length} bytes before`,
		input: base64(`${before} <a href="${OLD}">`),
		expected: base64(`${before} <a href="${NEW}">`),
	})),
	{
		name: 'serialized, with NUL',
		input: base64(`O:1:"X":1:{s:4:"\u0000X\u0000u";${s(OLD)}}`),
		expected: base64(`O:1:"X":1:{s:4:"\u0000X\u0000u";${s(NEW)}}`),
	},
	{
		name: 'JSON in serialized in base64',
		input: base64(s('{"u":"https:\\/\\/a.com"}')),
		expected: base64(s('{"u":"http:\\/\\/127.0.0.1:41001"}')),
	},
	{ name: 'base64 in serialized', input: s(base64(`${OLD}/é`)), expected: s(base64(`${NEW}/é`)) },
	{
		name: 'base64 in JSON, slashes escaped',
		input: JSON.stringify({ x: base64(`>>>???${OLD}`) }).replaceAll('/', '\\/'),
		expected: JSON.stringify({ x: base64(`>>>???${NEW}`) }).replaceAll('/', '\\/'),
	},
	{ name: 'base64 behind \\n in JSON', input: `"a\\n${base64(OLD)}\\n"`, expected: `"a\\n${base64(NEW)}\\n"` },
	{
		name: 'base64 in a shortcode, URL-encoded inside',
		input: `[vc_raw_html]${base64(encodeURIComponent(`<a href="${OLD}">`))}[/vc_raw_html]`,
		expected: `[vc_raw_html]${base64(encodeURIComponent(`<a href="${NEW}">`))}[/vc_raw_html]`,
	},
	{ name: 'without padding', input: base64(`${OLD}/1`).replaceAll('=', ''), expected: base64(`${NEW}/1`).replaceAll('=', '') },
	{ name: 'URL alphabet', input: `x=${base64url(`>>>???${OLD}/?`)}&`, expected: `x=${base64url(`>>>???${NEW}/?`)}&` },
	{
		name: 'URL-encoded',
		input: `x=${encodeURIComponent(base64(`>>>???${OLD}/1`))}&`,
		expected: `x=${encodeURIComponent(base64(`>>>???${NEW}/1`))}&`,
	},
	{
		name: 'data: URI',
		input: `data:text/html;base64,${base64(`<a href=${OLD}>`)}`,
		expected: `data:text/html;base64,${base64(`<a href=${NEW}>`)}`,
	},
	{
		name: 'in lines of 76',
		input: `Content-Transfer-Encoding: base64\r\n\r\n${base64(`${'Lorem ipsum '.repeat(12)}${OLD} ${'dolor sit '.repeat(12)}`).replace(/.{76}/g, '$&\r\n')}\r\n--x`,
		expected: `Content-Transfer-Encoding: base64\r\n\r\n${base64(`${'Lorem ipsum '.repeat(12)}${NEW} ${'dolor sit '.repeat(12)}`).replace(/.{76}/g, '$&\r\n')}\r\n--x`,
	},
	stays('not text', Buffer.concat([Buffer.from([0xff, 0xd8, 0, 1]), Buffer.from(OLD)]).toString('base64')),
	stays('with stray bits at its end', base64(OLD).replace('bQ==', 'bR==')),
	{
		name: 'twice, when asked',
		input: base64(base64(OLD)),
		expected: base64(base64(NEW)),
		setup: { ...DEFAULT_SETUP, options: { base64_depth: 2 } },
	},
	stays('twice, when not asked', base64(base64(OLD))),
	stays('at all, when not asked', base64(OLD), { ...DEFAULT_SETUP, options: { base64_depth: 0 } }),
];

const BLOG: Setup = { from: 'https://a.com/blog', to: 'http://127.0.0.1:41001' };
const WWW: Setup = { ...DEFAULT_SETUP, options: { www_twin: true } };
const TWO: Setup = {
	from: 'https://a.com',
	to: 'https://c.org',
	options: { pairs: { 'https://a.com/wp': 'https://c.org/core', 'https://cdn.a.com': 'https://c.org/cdn' } },
};
const IDN: Setup = { from: 'https://bücher.de', to: NEW };

const SETUPS: readonly Fixture[] = [
	{
		name: 'source in a subdirectory',
		setup: BLOG,
		input:
			'https://a.com/blog https://a.com/blog/x https:\\/\\/a.com\\/blog\\/x https%3A%2F%2Fa.com%2Fblog%3Fx https://a.com/blog?x https://a.com/blog. End',
		expected: `${NEW} ${NEW}/x http:\\/\\/127.0.0.1:41001\\/x http%3A%2F%2F127.0.0.1%3A41001%3Fx ${NEW}?x ${NEW}. End`,
	},
	stays(
		'beside the subdirectory',
		'https://a.com https://a.com/other https://a.com/blog-2 https://a.com/blogs https://a.com/blog.html https://a.com/blog%20x https%3A%2F%2Fa.com%2Fblog2',
		BLOG,
	),
	{
		name: 'target in a subdirectory',
		setup: { from: OLD, to: 'https://b.org/x/y' },
		input: 'https://a.com/z //a.com https:\\/\\/a.com\\/z https%3A%2F%2Fa.com%2Fz',
		expected: 'https://b.org/x/y/z //b.org/x/y https:\\/\\/b.org\\/x\\/y\\/z https%3A%2F%2Fb.org%2Fx%2Fy%2Fz',
	},
	{
		name: 'source with a port',
		setup: { from: 'http://localhost:8080', to: OLD },
		input: 'http://localhost:8080/x //localhost:8080 http%3A%2F%2Flocalhost%3A8080%2F',
		expected: `${OLD}/x //a.com https%3A%2F%2Fa.com%2F`,
	},
	stays('source with a port: other ports', 'http://localhost/ http://localhost:80/ http://localhost:80801/', {
		from: 'http://localhost:8080',
		to: OLD,
	}),
	{
		name: 'www. when asked',
		setup: WWW,
		input: 'https://www.a.com/ https://a.com/ https://wwww.a.com/',
		expected: `${NEW}/ ${NEW}/ https://wwww.a.com/`,
	},
	{
		name: 'several pairs, the longest path first',
		setup: TWO,
		input: 'https://a.com/wp/x https://a.com/wpx https://cdn.a.com/i',
		expected: 'https://c.org/core/x https://c.org/wpx https://c.org/cdn/i',
	},
	{
		name: 'letters outside ASCII, in every spelling',
		setup: IDN,
		input:
			'https://bücher.de/ https://xn--bcher-kva.de/ "https:\\/\\/b\\u00fccher.de" https://b%C3%BCcher.de https%3A%2F%2Fb%25C3%25BCcher.de https://b&uuml;cher.de https://b&#252;cher.de {"u":"https://xn\\u002d\\u002dbcher-kva.de"}',
		expected: `${NEW}/ ${NEW}/ "http:\\/\\/127.0.0.1:41001" ${NEW} http%3A%2F%2F127.0.0.1%3A41001 ${NEW} ${NEW} {"u":"${NEW}"}`,
	},
	{
		name: 'punycode declared, letters found',
		setup: { from: 'https://xn--fiqs8s.cn', to: NEW },
		input: 'https://中国.cn/ https://xn--fiqs8s.cn',
		expected: `${NEW}/ ${NEW}`,
	},
	{
		name: 'pairs of which one leads to another: each URL once',
		setup: { from: OLD, to: 'https://b.com', options: { pairs: { 'https://b.com': 'https://c.org' } } },
		input: 'https://a.com/ https://b.com/ "https://a.com" //b.com',
		expected: 'https://b.com/ https://c.org/ "https://b.com" //c.org',
	},
	{
		name: 'pairs that say the same again, or what another implies',
		setup: {
			from: OLD,
			to: 'https://b.org/x',
			options: { pairs: { 'https://a.com/': 'https://b.org/x', 'https://a.com/wp-content': 'https://b.org/x/wp-content' } },
		},
		input: 'https://a.com/ https://a.com/wp-content/x https://a.com/wp-contents',
		expected: 'https://b.org/x/ https://b.org/x/wp-content/x https://b.org/x/wp-contents',
	},
	{
		name: 'the scheme alone',
		setup: { from: 'http://a.com', to: OLD },
		input: 'http://a.com/ https://a.com/ //a.com',
		expected: 'https://a.com/ https://a.com/ //a.com',
	},
];

export const fixtures: Readonly<Record<string, readonly Fixture[]>> = { TEXT, UNTOUCHED, ESCAPED, SERIALIZED, BROKEN, BASE64, SETUPS };
