import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO_CONTENT, seedBulk, seedDemoContent } from '../../../adapters/embedded/playground/demo-content.ts';
import { bootSite, type SourceSite } from '../../support/sites/boot-site.ts';

describe('the demo content', () => {
	let site: SourceSite;
	beforeAll(async () => {
		site = await bootSite({ php: '7.4', tablePrefix: 'demo_', seed: seedDemoContent });
	});
	afterAll(() => site.stop());

	it('is all there', async () => {
		const printed = await site.evalPhp(`
			global $wpdb;
			echo json_encode( array(
				'posts'      => (int) wp_count_posts()->publish,
				'pages'      => (int) wp_count_posts( 'page' )->publish,
				'media'      => (int) wp_count_posts( 'attachment' )->inherit,
				'comments'   => (int) wp_count_comments()->all,
				'roles'      => count( array_filter( array_diff_key( count_users()['avail_roles'], array( 'none' => 0 ) ) ) ),
				'customRows' => (int) $wpdb->get_var( "SELECT COUNT(*) FROM {$wpdb->prefix}harbour_orders" ),
			) );`);
		expect(JSON.parse(printed)).toEqual(DEMO_CONTENT);
	});

	it('holds the address of the site in every form', async () => {
		const printed = await site.evalPhp(
			`echo json_encode( array( get_option( 'harbour_settings' )['deep'][0]['link'], json_decode( get_option( 'harbour_json' ), true )['site'], count( wp_get_nav_menu_items( 'Main' ) ), get_option( 'widget_text' )[2]['text'], get_stylesheet(), is_plugin_active( 'harbour-orders/harbour-orders.php' ) ) );`.replace(
				'echo',
				"require_once ABSPATH . 'wp-admin/includes/plugin.php'; echo",
			),
		);
		expect(JSON.parse(printed)).toEqual([
			`${site.url}/shop/?a=1&b=2`,
			site.url,
			5,
			`<a href="${site.url}/contact/">Contact</a>`,
			'harbour',
			true,
		]);
		const image = await fetch(
			await site.evalPhp("echo wp_get_attachment_url( get_post_thumbnail_id( get_page_by_path( 'loaf-number-1', OBJECT, 'post' ) ) );"),
		);
		expect([image.status, image.headers.get('content-type')]).toEqual([200, 'image/png']);
		expect(
			Buffer.from(await image.arrayBuffer())
				.subarray(1, 4)
				.toString(),
		).toBe('PNG');
		expect(await (await fetch(`${site.url}/loaf-number-2/`)).text()).toContain('Loaf number 2');
	});

	it('can be filled up to a size', async () => {
		const database = join(site.dir, 'wp-content', 'database', '.ht.sqlite');
		const before = statSync(database).size;
		await seedBulk(site, { dbMb: 2, uploadsMb: 3 });
		const grown = statSync(database).size - before;
		expect(grown).toBeGreaterThan(1.6 * 1024 * 1024);
		expect(grown).toBeLessThan(3.5 * 1024 * 1024);
		const uploads = join(site.dir, 'wp-content', 'uploads');
		const files = readdirSync(uploads, { recursive: true, withFileTypes: true }).filter((entry) => entry.name.startsWith('bulk-'));
		expect(files.reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)).toBe(3 * 1024 * 1024);
		expect(await (await fetch(`${site.url}/bulk-5/`)).text()).toContain('Row 5, ');
		expect(readFileSync(site.logFile, 'utf8')).not.toMatch(/Fatal|database is locked/);
	});
});
