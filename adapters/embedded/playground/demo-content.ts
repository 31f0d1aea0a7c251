/** Content for source sites: a small site with one of everything, and bulk for measuring. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { SourceSite } from './source-site.ts';

/** How many of what `seedDemoContent` makes, for those who count. */
export const DEMO_CONTENT = { posts: 12, pages: 4, media: 4, comments: 18, roles: 5, customRows: 25 } as const;

const CONTENT = `
require_once ABSPATH . 'wp-admin/includes/image.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
wp_set_current_user( 1 );
global $wpdb;
// One transaction: each statement in one of its own would take three times as long.
$wpdb->query( 'START TRANSACTION' );
$url = home_url();
update_option( 'blogname', 'Harbour Bakery' );
update_option( 'blogdescription', 'Bread since 1921' );

foreach ( array( 'administrator' => 'ada', 'editor' => 'edith', 'author' => 'arthur', 'contributor' => 'conrad', 'subscriber' => 'susan' ) as $role => $login ) {
	$id = wp_insert_user( array( 'user_login' => $login, 'user_pass' => $login . '-password', 'user_email' => $login . '@harbour.example', 'display_name' => ucfirst( $login ), 'role' => $role ) );
	update_user_meta( $id, 'profile_link', array( 'home' => $url . '/author/' . $login . '/' ) );
}

$media  = array();
$upload = wp_upload_dir();
foreach ( array( 'sourdough.jpg' => array( 200, 120, 60 ), 'harbour.png' => array( 40, 90, 180 ), 'oven.jpg' => array( 220, 60, 30 ), 'Käse & Brot.png' => array( 240, 220, 120 ) ) as $name => $colour ) {
	$image = imagecreatetruecolor( 640, 400 );
	imagefilledrectangle( $image, 0, 0, 639, 399, imagecolorallocate( $image, $colour[0], $colour[1], $colour[2] ) );
	imagefilledellipse( $image, 320, 200, 300, 180, imagecolorallocate( $image, 255, 255, 255 ) );
	$file = $upload['path'] . '/' . wp_unique_filename( $upload['path'], sanitize_file_name( $name ) );
	'jpg' === substr( $name, -3 ) ? imagejpeg( $image, $file, 80 ) : imagepng( $image, $file );
	$type = wp_check_filetype( $file );
	$id   = wp_insert_attachment( array( 'post_title' => $name, 'post_mime_type' => $type['type'], 'post_status' => 'inherit', 'guid' => $upload['url'] . '/' . basename( $file ) ), $file );
	wp_update_attachment_metadata( $id, wp_generate_attachment_metadata( $id, $file ) );
	$media[] = $id;
}

$news  = wp_insert_term( 'News', 'category' )['term_id'];
$posts = array();
for ( $i = 1; $i <= 12; $i++ ) {
	$image   = wp_get_attachment_url( $media[ $i % 4 ] );
	$posts[] = $id = wp_insert_post(
		wp_slash(
			array(
				'post_title'    => "Loaf number $i",
				'post_status'   => 'publish',
				'post_author'   => 1 + $i % 4,
				'post_category' => array( $i % 2 ? $news : 1 ),
				'tags_input'    => array( 'bread', "tag-$i" ),
				'post_date'     => sprintf( '2024-%02d-15 08:30:00', $i ),
				'post_content'  => '<!-- wp:paragraph --><p>Fresh today. See <a href="' . $url . '/about/">about us</a>, or write to hello@harbour.example. 🍞</p><!-- /wp:paragraph -->'
					. '<!-- wp:image {"id":' . $media[ $i % 4 ] . ',"url":"' . str_replace( '/', '\\\\/', $image ) . '"} --><figure class="wp-block-image"><img src="' . $image . '" alt=""/></figure><!-- /wp:image -->',
			)
		)
	);
	set_post_thumbnail( $id, $media[ $i % 4 ] );
	update_post_meta( $id, 'recipe', array( 'flour' => 500 + $i, 'source' => $url . '/recipes/' . $i, 'nested' => array( 'json' => wp_json_encode( array( 'page' => $url . '/?p=' . $id ) ) ) ) );
}
$pages = array();
foreach ( array( 'Home', 'About', 'Contact', 'Shop' ) as $title ) {
	$pages[ $title ] = wp_insert_post( array( 'post_type' => 'page', 'post_status' => 'publish', 'post_title' => $title, 'post_content' => '<p>' . $title . ' of <a href="' . $url . '">Harbour Bakery</a>.</p>' ) );
}
update_option( 'show_on_front', 'page' );
update_option( 'page_on_front', $pages['Home'] );

for ( $i = 0; $i < 18; $i++ ) {
	wp_insert_comment( array( 'comment_post_ID' => $posts[ $i % 12 ], 'comment_author' => "Visitor $i", 'comment_author_email' => "visitor$i@mail.example", 'comment_content' => "Lovely, see $url/?p=" . $posts[ $i % 12 ] . " – it's great.", 'comment_approved' => $i % 6 ? 1 : 0 ) );
}

$menu = wp_create_nav_menu( 'Main' );
foreach ( $pages as $title => $id ) {
	wp_update_nav_menu_item( $menu, 0, array( 'menu-item-title' => $title, 'menu-item-object' => 'page', 'menu-item-object-id' => $id, 'menu-item-type' => 'post_type', 'menu-item-status' => 'publish' ) );
}
wp_update_nav_menu_item( $menu, 0, array( 'menu-item-title' => 'Feed', 'menu-item-url' => $url . '/feed/', 'menu-item-type' => 'custom', 'menu-item-status' => 'publish' ) );

update_option( 'widget_text', array( 2 => array( 'title' => 'Visit us', 'text' => '<a href="' . $url . '/contact/">Contact</a>', 'filter' => true, 'visual' => true ), '_multiwidget' => 1 ) );
update_option( 'sidebars_widgets', array( 'wp_inactive_widgets' => array(), 'sidebar-1' => array( 'text-2' ), 'array_version' => 3 ) );

update_option( 'harbour_settings', array( 'home' => $url, 'logo' => wp_get_attachment_url( $media[1] ), 'deep' => array( array( 'link' => $url . '/shop/?a=1&b=2' ) ), 'object' => (object) array( 'api' => $url . '/wp-json/' ) ) );
update_option( 'harbour_json', wp_json_encode( array( 'site' => $url, 'assets' => array( $url . '/wp-content/uploads/' ), 'encoded' => rawurlencode( $url ) ) ) );
update_option( 'harbour_foreign', 'https://elsewhere.example/about/ and hello@harbour.example' );

$wpdb->query( 'COMMIT' );
$wpdb->query( "CREATE TABLE {$wpdb->prefix}harbour_orders (
	id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
	customer varchar(190) NOT NULL DEFAULT '',
	total decimal(10,2) NOT NULL DEFAULT '0.00',
	paid tinyint(1) NOT NULL DEFAULT 0,
	data longtext,
	created datetime DEFAULT NULL,
	PRIMARY KEY  (id),
	KEY customer (customer)
) DEFAULT CHARACTER SET utf8mb4" );
for ( $i = 1; $i <= 25; $i++ ) {
	$wpdb->insert( "{$wpdb->prefix}harbour_orders", array( 'customer' => "Customer $i", 'total' => $i * 3.5, 'paid' => $i % 2, 'data' => serialize( array( 'return' => "$url/shop/thanks/?order=$i" ) ), 'created' => sprintf( '2024-01-%02d 12:00:00', $i ) ) );
}
$GLOBALS['wp_rewrite']->flush_rules( false );
echo 'seeded';
`;

/**
 * Posts, pages, media with real image files, comments, a user of each role, a menu, widgets, a table of its own,
 * serialized and JSON options with the site's URL, a must-use plugin, a second theme, a plugin.
 * @throws Error when WordPress refuses
 */
export async function seedDemoContent(site: SourceSite): Promise<void> {
	const content = join(site.dir, 'wp-content');
	const write = (path: string, text: string): void => {
		mkdirSync(join(content, path, '..'), { recursive: true });
		writeFileSync(join(content, path), text);
	};
	write(
		'mu-plugins/harbour-hours.php',
		"<?php\n/* Plugin Name: Harbour Hours */\nadd_shortcode( 'hours', function () { return '7–18'; } );\n",
	);
	write(
		'plugins/harbour-orders/harbour-orders.php',
		"<?php\n/*\nPlugin Name: Harbour Orders\nVersion: 1.2.0\n*/\nadd_action( 'rest_api_init', function () {\n\tregister_rest_route( 'harbour/v1', '/orders', array( 'methods' => 'GET', 'permission_callback' => '__return_true', 'callback' => function () {\n\t\tglobal $wpdb;\n\t\treturn (int) $wpdb->get_var( \"SELECT COUNT(*) FROM {$wpdb->prefix}harbour_orders\" );\n\t} ) );\n} );\n",
	);
	write('plugins/harbour-orders/assets/orders.css', '.orders { color: #246; }\n');
	write('themes/harbour/style.css', '/*\nTheme Name: Harbour\nTemplate: twentytwentyfive\nVersion: 1.0\n*/\nbody { --harbour: 1; }\n');
	write('themes/harbour/functions.php', '<?php\n// The child theme of the demo.\n');
	const printed = await site.evalPhp(
		`${CONTENT} switch_theme( 'harbour' ); echo null === activate_plugin( 'harbour-orders/harbour-orders.php' ) ? ' active' : ' refused';`,
	);
	if (!printed.endsWith('seeded active')) throw new Error(`The demo content could not be made: ${printed.slice(0, 2000)}`);
}

const ROW_TEXT_BYTES = 3000;
const FILE_BYTES = 256 * 1024;
const MIB = 1024 * 1024;

/**
 * Fills a site up: about `dbMb` MiB of posts with a meta row each, and `uploadsMb` MiB of files that do not compress,
 * 256 KiB each. Written past WordPress (its own way takes minutes), into the tables as WordPress made them.
 */
export async function seedBulk(site: SourceSite, size: { readonly dbMb: number; readonly uploadsMb: number }): Promise<void> {
	const database = new DatabaseSync(join(site.dir, 'wp-content', 'database', '.ht.sqlite'), { timeout: 10_000 });
	try {
		const post = database.prepare(
			`INSERT INTO ${site.tablePrefix}posts (post_author, post_date, post_date_gmt, post_content, post_title, post_excerpt, post_status, comment_status, ping_status, post_password, post_name, to_ping, pinged, post_modified, post_modified_gmt, post_content_filtered, post_parent, guid, menu_order, post_type, post_mime_type, comment_count)
			VALUES (1, '2024-02-01 10:00:00', '2024-02-01 10:00:00', ?, ?, '', 'publish', 'open', 'open', '', ?, '', '', '2024-02-01 10:00:00', '2024-02-01 10:00:00', '', 0, ?, 0, 'post', '', 0)`,
		);
		const meta = database.prepare(`INSERT INTO ${site.tablePrefix}postmeta (post_id, meta_key, meta_value) VALUES (?, '_bulk', ?)`);
		const rows = Math.ceil((size.dbMb * MIB) / (ROW_TEXT_BYTES + 300));
		database.exec('BEGIN');
		for (let i = 0; i < rows; i++) {
			const filler = randomBytes(ROW_TEXT_BYTES / 2 - 100).toString('hex');
			const text = `<p>Row ${i}, <a href="${site.url}/bulk-${i}/">itself</a>, ${filler}</p>`;
			const { lastInsertRowid } = post.run(text, `Bulk ${i}`, `bulk-${i}`, `${site.url}/?p=bulk-${i}`);
			const link = `${site.url}/bulk-${i}/`;
			meta.run(lastInsertRowid, `a:1:{s:4:"link";s:${Buffer.byteLength(link)}:"${link}";}`);
		}
		database.exec('COMMIT');
	} finally {
		database.close();
	}
	const files = Math.ceil((size.uploadsMb * MIB) / FILE_BYTES);
	for (let i = 0; i < files; i++) {
		const folder = join(site.dir, 'wp-content', 'uploads', '2024', String(1 + (i % 12)).padStart(2, '0'));
		mkdirSync(folder, { recursive: true });
		writeFileSync(join(folder, `bulk-${i}.jpg`), randomBytes(FILE_BYTES));
	}
	await site.php.recycle();
}
