import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seedDemoContent } from '../../../adapters/embedded/playground/demo-content.ts';
import { SOURCE_ADMIN, type SourceSite } from '../../../adapters/embedded/playground/source-site.ts';
import { ApiClient, type CloneResult } from '../../../bin/demo/api-client.ts';
import { type ServiceProcess, startService } from '../../../bin/demo/service-process.ts';
import { bootSite } from '../../support/sites/boot-site.ts';

/** What a person sees who clones a site and opens the clone: a real browser on a real clone. */
describe('a clone in a browser', () => {
	let source: SourceSite;
	let service: ServiceProcess;
	let clone: CloneResult;
	let browser: Browser;
	let dataDir: string;
	/** Errors in pages, and answers of the clone that were none. */
	const complaints: string[] = [];
	const hosts = new Set<string>();

	beforeAll(async () => {
		source = await bootSite({ seed: seedDemoContent });
		dataDir = mkdtempSync(join(tmpdir(), 'wp-clone-browser-'));
		service = await startService(dataDir, ['--port', '0', '--allow-private-sites', '--warm', '0']);
		const api = new ApiClient(service.url, service.token);
		const accepted = await api.call<{ job_id: string }>('POST', '/api/v2/clone', {
			source_url: source.url,
			source_username: SOURCE_ADMIN.username,
			source_password: SOURCE_ADMIN.password,
		});
		const job = await api.follow(accepted.job_id, () => undefined);
		if (job.result === null) throw new Error(`no clone: ${JSON.stringify(job.error)}`);
		clone = job.result;
		browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
	});
	afterAll(async () => {
		await browser.close();
		await service.stop();
		await source.stop();
		rmSync(dataDir, { recursive: true, force: true });
	});

	async function open(url: string): Promise<Page> {
		const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
		const page = await context.newPage();
		page.on('pageerror', (error) => complaints.push(String(error)));
		page.on('request', (request) => hosts.add(new URL(request.url()).host));
		page.on('response', (response) => {
			if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
		});
		await page.goto(url);
		return page;
	}
	const shot = (page: Page, name: string): Promise<unknown> =>
		process.env.SCREENSHOTS === undefined
			? Promise.resolve()
			: page.screenshot({ path: join(process.env.SCREENSHOTS, `${name}.png`), fullPage: false });

	test('a stranger meets the login form, logs in with the password from the API, and sees the site', async () => {
		const page = await open(clone.clone_url);
		expect(page.url()).toContain('/wp-login.php');
		await shot(page, 'stranger');
		await page.fill('#user_login', clone.username);
		await page.fill('#user_pass', clone.password);
		await page.click('#wp-submit');
		// WordPress sends one to where one wanted to go.
		await page.waitForURL(`${clone.clone_url}/`);
		const own = new URL(source.url).host;
		expect(await page.content()).not.toContain(own);
		await shot(page, 'home');
		const broken = await page.evaluate(
			`[...document.images].filter((image) => image.src.startsWith(location.origin) && !(image.naturalWidth > 0)).map((image) => image.src)`,
		);
		expect(broken).toEqual([]);
		// The banner says when it ends.
		await expect.poll(() => page.locator('body').textContent()).toMatch(/clone/i);
		await page.context().close();
	});

	test('the login link opens the dashboard, once', async () => {
		const page = await open(clone.login_url);
		expect(new URL(page.url()).pathname).toBe('/wp-admin/');
		await page.waitForSelector('#wpadminbar');
		await shot(page, 'dashboard');
		const second = await open(clone.login_url);
		expect(second.url()).not.toContain('/wp-admin');
		await page.context().close();
		await second.context().close();
	});

	test('a post is written in the block editor, published, and read', async () => {
		const page = await open(`${clone.clone_url}/wp-login.php`);
		await page.fill('#user_login', clone.username);
		await page.fill('#user_pass', clone.password);
		await page.click('#wp-submit');
		await page.waitForSelector('#wpadminbar');
		await page.goto(`${clone.clone_url}/wp-admin/post-new.php`);
		const dialog = page.getByRole('button', { name: 'Close' });
		await page.waitForSelector('.edit-post-layout, .editor-editor-interface');
		await dialog.click({ timeout: 10_000 }).catch((error: Error) => {
			// The welcome guide shows only to whom has not seen it.
			if (!error.message.includes('Timeout')) throw error;
		});
		const saved = await page.evaluate<{ failed: boolean; link: string }>(`(async () => {
			const { dispatch, select } = wp.data;
			const content = '<!-- wp:paragraph --><p>Only here.</p><!-- /wp:paragraph -->';
			await dispatch('core/editor').editPost({ title: 'Written in the clone', content, status: 'publish' });
			await dispatch('core/editor').savePost();
			return { failed: select('core/editor').didPostSaveRequestFail(), link: select('core/editor').getPermalink() };
		})()`);
		expect(saved.failed).toBe(false);
		await page.goto(saved.link);
		expect(await page.locator('body').textContent()).toContain('Only here.');
		await shot(page, 'post');
		// Production has heard nothing of it.
		expect(await (await fetch(`${source.url}/?s=Written+in+the+clone`)).text()).not.toContain('Only here.');
		await page.context().close();
	});

	test('the API is documented where it runs', async () => {
		const page = await open(`${service.url}/docs`);
		await page.waitForSelector('.opblock');
		expect(await page.locator('.opblock').count()).toBeGreaterThan(10);
		await shot(page, 'docs');
		await page.context().close();
	});

	test('no page broke, none missed a file, and none went to the source', () => {
		// But for the login link that was used before.
		expect(complaints).toEqual([`403 ${clone.login_url}`]);
		expect(hosts).toContain(new URL(clone.clone_url).host);
		expect(hosts).not.toContain(new URL(source.url).host);
	});
});
