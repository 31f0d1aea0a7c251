/**
 * Rows as sites have them, made the same every time: posts of block markup, many small postmeta, attachment metadata,
 * page-builder JSON, widgets and transients, comments. About one row in six holds the site's URL.
 */
import { createHash } from 'node:crypto';

export interface TableRows {
	readonly table: string;
	readonly key: string;
	readonly columns: readonly string[];
	/** Keys count up from here; what the table has below, or gets above, is WordPress's own. */
	readonly firstKey: number;
	readonly rows: readonly (readonly (string | number)[])[];
}

type Random = (below: number) => number;

/** A small generator of repeatable numbers (mulberry32). */
function numbers(seed: number): Random {
	let state = seed;
	return (below) => {
		state = (state + 0x6d2b79f5) | 0;
		let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
		mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
		return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
	};
}

const WORDS =
	'about after again all also and another any back because before business can clients come company could day design die first from für get give good Grüße great have help here home into just know last like long look made make many more most much need new next now of on one only other our out over people place project right same see service should some such take team than that the their then there these they thing think this time two use very want way we website well what when where which will with work would year you your'.split(
		' ',
	);

/** The rows with `url` as the site's address (no trailing slash). `posts` sets the size: nine other rows a post. */
export function rowsOf(url: string, posts: number): TableRows[] {
	const random = numbers(42);
	const words = (count: number): string => Array.from({ length: count }, () => WORDS[random(WORDS.length)]).join(' ');
	const file = (): string => `2024/0${1 + random(9)}/${words(2).replaceAll(' ', '-')}-${random(900)}.jpg`;
	const image = (): string => {
		const [path, id] = [file(), random(5000)];
		return `<!-- wp:image {"id":${id},"sizeSlug":"large","linkDestination":"none"} -->\n<figure class="wp-block-image size-large"><img src="${url}/wp-content/uploads/${path}" alt="" class="wp-image-${id}"/></figure>\n<!-- /wp:image -->`;
	};
	const paragraph = (link: boolean): string =>
		`<!-- wp:paragraph -->\n<p>${words(30)} ${link ? `<a href="${url}/${words(2).replaceAll(' ', '-')}/">${words(3)}</a> ` : ''}${words(40)}.</p>\n<!-- /wp:paragraph -->`;
	const content = (linked: boolean): string =>
		Array.from({ length: 6 + random(8) }, (_, i) => (linked && i % 3 === 1 ? image() : paragraph(linked && i % 4 === 2))).join('\n\n');

	const date = '2024-05-01 10:00:00';
	const post = (i: number) => {
		const linked = random(100) < 35;
		const title = words(6);
		return [
			1000 + i,
			1,
			date,
			date,
			content(linked),
			title,
			random(4) === 0 ? words(25) : '',
			'publish',
			title.replaceAll(' ', '-'),
			'',
			'',
			date,
			date,
			'',
			linked || random(3) === 0 ? `${url}/?p=${1000 + i}` : '',
			'post',
		];
	};
	const meta = (i: number): (string | number)[] => {
		const id = 1000 + random(posts);
		switch (i % 12) {
			case 0:
				return [1000 + i, id, '_edit_lock', `17145${random(99999)}:1`];
			case 1:
				return [1000 + i, id, '_thumbnail_id', String(random(9000))];
			case 2:
				return [
					1000 + i,
					id,
					'_wp_attachment_metadata',
					serialized({
						width: 1600,
						height: 900,
						file: file(),
						sizes: Object.fromEntries(
							['medium', 'large', 'thumbnail'].map((size) => [
								size,
								{ file: file(), width: random(900), height: random(900), 'mime-type': 'image/jpeg' },
							]),
						),
						image_meta: { aperture: '0', credit: '', camera: words(2), keywords: {} },
					}),
				];
			case 3:
				return i % 36 === 3 ? [1000 + i, id, '_elementor_data', builder()] : [1000 + i, id, '_elementor_version', '3.21.4'];
			case 4:
				return [
					1000 + i,
					id,
					'_elementor_page_settings',
					serialized({
						hide_title: 'yes',
						background_image: random(3) === 0 ? { url: `${url}/wp-content/uploads/${file()}`, id: random(900) } : { url: '', id: '' },
					}),
				];
			case 5:
				return [1000 + i, id, '_menu_item_url', random(2) === 0 ? `${url}/${words(1)}/` : ''];
			case 6:
				return [1000 + i, id, '_yoast_wpseo_metadesc', words(22)];
			default:
				return [1000 + i, id, `_field_${i % 12}`, random(2) === 0 ? words(3) : String(random(100000))];
		}
	};
	const builder = (): string => {
		const widget = (): unknown => ({
			id: random(0xfffffff).toString(16),
			elType: 'widget',
			settings: {
				editor: `<p>${words(40)}</p>`,
				image: { url: `${url}/wp-content/uploads/${file()}`, id: random(900) },
				link: { url: `${url}/${words(1)}/`, is_external: '' },
				_padding: { unit: 'px', top: '10', isLinked: false },
			},
			elements: [],
			widgetType: 'image-box',
		});
		const section = {
			id: 'a1b2c3d',
			elType: 'section',
			settings: [],
			elements: Array.from({ length: 4 }, () => ({
				id: 'c0ffee1',
				elType: 'column',
				settings: { _column_size: 50 },
				elements: Array.from({ length: 3 }, widget),
			})),
		};
		return JSON.stringify([section]).replaceAll('/', '\\/');
	};
	const option = (i: number): (string | number)[] => {
		const name = `${['widget_block', 'theme_mods', '_transient_feed', 'plugin_settings'][i % 4]}_${i}`;
		const value =
			i % 4 === 0
				? serialized(
						Object.fromEntries(Array.from({ length: 12 }, (_, k) => [String(k), { content: k % 4 === 0 ? image() : paragraph(false) }])),
					)
				: i % 4 === 3
					? serialized({
							api: { endpoint: random(2) === 0 ? `${url}/wp-json/` : '', key: createHash('md5').update(String(i)).digest('hex') },
							items: Object.fromEntries(Array.from({ length: 30 }, (_, k) => [`option_${k}`, words(3)])),
						})
					: words(60);
		return [10_000 + i, name, value, 'off'];
	};
	const comment = (i: number): (string | number)[] => [
		1000 + i,
		1000 + random(posts),
		words(2),
		'someone@example.net',
		random(3) === 0 ? 'https://example.net/' : '',
		'203.0.113.9',
		date,
		date,
		words(30) + (random(12) === 0 ? ` ${url}/${words(1)}/` : ''),
		0,
		'1',
		'Mozilla/5.0',
		'comment',
		0,
		0,
	];
	const many = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
	return [
		{
			table: 'wp_posts',
			key: 'ID',
			firstKey: 1000,
			columns: [
				'ID',
				'post_author',
				'post_date',
				'post_date_gmt',
				'post_content',
				'post_title',
				'post_excerpt',
				'post_status',
				'post_name',
				'to_ping',
				'pinged',
				'post_modified',
				'post_modified_gmt',
				'post_content_filtered',
				'guid',
				'post_type',
			],
			rows: many(posts, post),
		},
		{
			table: 'wp_postmeta',
			key: 'meta_id',
			firstKey: 1000,
			columns: ['meta_id', 'post_id', 'meta_key', 'meta_value'],
			rows: many(posts * 7, meta),
		},
		{
			table: 'wp_options',
			key: 'option_id',
			firstKey: 10_000,
			columns: ['option_id', 'option_name', 'option_value', 'autoload'],
			rows: many(Math.ceil(posts / 5), option),
		},
		{
			table: 'wp_comments',
			key: 'comment_ID',
			firstKey: 1000,
			columns: [
				'comment_ID',
				'comment_post_ID',
				'comment_author',
				'comment_author_email',
				'comment_author_url',
				'comment_author_IP',
				'comment_date',
				'comment_date_gmt',
				'comment_content',
				'comment_karma',
				'comment_approved',
				'comment_agent',
				'comment_type',
				'comment_parent',
				'user_id',
			],
			rows: many(posts * 2, comment),
		},
	];
}

/** PHP's serialize() for what is used here; counts bytes. */
function serialized(value: unknown): string {
	if (typeof value === 'string') return `s:${Buffer.byteLength(value)}:"${value}";`;
	if (typeof value === 'number') return `i:${value};`;
	const entries = Object.entries(value as Record<string, unknown>);
	return `a:${entries.length}:{${entries.map(([key, entry]) => (/^\d+$/.test(key) ? `i:${key};` : serialized(key)) + serialized(entry)).join('')}}`;
}
